# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Packages that the tests write, and the audit of them."""

import contextlib
import io
import json
import textwrap

from audit import command


class Packages:
    """Distributions in a folder, and the audit of them."""

    def __init__(self, folder, python, eventlet):
        self.folder = folder
        self.python = python
        self._eventlet = eventlet

    def module(self, name, text):
        """Write the module ``a.b`` as a/b.py, with packages around."""
        path = self.folder.joinpath(*name.split('.')).with_suffix('.py')
        path.parent.mkdir(parents=True, exist_ok=True)
        for parent in path.relative_to(self.folder).parents[:-1]:
            init = self.folder / parent / '__init__.py'
            if not init.exists():
                init.write_text('')
        path.write_text(textwrap.dedent(text))
        return path

    def distribution(self, name, entry_points, version='1.0'):
        """Make all modules written so far an installed distribution.

        :param entry_points: {group: {name: 'module:attribute'}}.
        """
        files = [
            path.relative_to(self.folder) for path in self.folder.rglob('*.py')
        ]
        info = self.folder / f'{name}-{version}.dist-info'
        info.mkdir()
        (info / 'METADATA').write_text(
            f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n'
        )
        (info / 'entry_points.txt').write_text(
            '\n'.join(
                f'[{group}]\n'
                + ''.join(f'{key} = {to}\n' for key, to in points.items())
                for group, points in entry_points.items()
            )
        )
        (info / 'RECORD').write_text(''.join(f'{path},,\n' for path in files))

    def script(self, name, module):
        """A distribution with one console script, ``module:main``."""
        self.distribution(name, {'console_scripts': {name: f'{module}:main'}})

    def audit(self, *words, eventlet=True):
        """Run the command: its exit status, output and errors."""
        out, errors = io.StringIO(), io.StringIO()
        path = ['--path', str(self.folder)]
        if eventlet:
            path += ['--path', str(self._eventlet)]
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
        ):
            try:
                status = command.main(
                    ['--python', str(self.python), *path, *words]
                )
            except SystemExit as ended:
                status = ended.code
        return status, out.getvalue(), errors.getvalue()

    def report(self, *words, eventlet=True):
        """Run the command; return its JSON report."""
        status, out, errors = self.audit(
            '--format', 'json', *words, eventlet=eventlet
        )
        assert not errors
        report = json.loads(out)
        report['status'] = status
        return report

    def result(self, *words, eventlet=True):
        """Run the command on what is one target; return its result."""
        (result,) = self.report(*words, eventlet=eventlet)['results']
        return result


def places(chain):
    """A chain, as ``['file:line', ...]``."""
    return [f'{step["file"]}:{step["line"]}' for step in chain]
