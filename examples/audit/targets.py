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

"""What there is to examine in an environment."""

import ast
import dataclasses
import importlib.metadata
import pathlib

from packaging.utils import canonicalize_name

from audit import run

#: The groups of entry points that start a program or a WSGI server.
_GROUPS = {
    'console_scripts': 'console',
    'gui_scripts': 'gui',
    'wsgi_scripts': 'wsgi',
}


class UnknownTargetError(Exception):
    """Nothing in the environment has this name."""


@dataclasses.dataclass(frozen=True)
class Target:
    """One way into a package."""

    #: As its users call it: the name of a script, or ``module:callable``.
    name: str
    #: ``console``, ``gui``, ``wsgi``, or ``script`` for a file.
    kind: str
    #: The distribution that it belongs to, and its version; or ''.
    distribution: str = ''
    version: str = ''
    #: What is imported, and what is looked up in it.
    module: str = ''
    attribute: str = ''
    #: Path of the file, for a script that is no entry point.
    script: str = ''


class Environment:
    """What is installed beside one Python.

    :param settings: ``run.Settings``.
    :raises run.ExaminerError: that Python does not start.
    """

    def __init__(self, settings):
        started = run.start(settings)
        if started.error:
            raise run.ExaminerError(
                f'{settings.python} does not start: {started.error}'
            )
        #: Its version.
        self.python = started.python
        #: Its ``sys.path``.
        self.path = started.sys_path
        #: The folder of its scripts.
        self.scripts = pathlib.Path(started.scripts)
        self._distributions = {}
        for found in importlib.metadata.distributions(path=list(self.path)):
            # As for an import, the first one on the path counts.
            self._distributions.setdefault(
                canonicalize_name(found.metadata['Name']), found
            )

    def version(self, name):
        """The version of an installed distribution, or ''."""
        found = self._distributions.get(canonicalize_name(name))
        return found.version if found else ''

    def owner(self, file):
        """The distribution that a file belongs to: (name, version), or
        ``('', '')``."""
        return self._owners().get(str(file), ('', ''))

    def targets(self, words):
        """The targets that the words of a command line name, each once.

        A word is the name of a distribution (all its entry points), or of a
        script, or ``module:callable``.

        :raises UnknownTargetError: a word is none of these.
        """
        found = {}
        for word in words:
            for target in self._targets(word):
                found.setdefault(target, None)
        return list(found)

    def _targets(self, word):
        module, colon, attribute = word.partition(':')
        if colon:
            parts = [*module.split('.'), *attribute.split('.')]
            if not all(part.isidentifier() for part in parts):
                raise UnknownTargetError(
                    f'{word!r} is not of the form module:callable'
                )
            return [Target(word, 'wsgi', module=module, attribute=attribute)]
        distribution = self._distributions.get(canonicalize_name(word))
        if distribution is not None:
            found = list(_of_distribution(distribution, self.scripts))
            if not found:
                raise UnknownTargetError(
                    f'{word} {distribution.version} has no scripts and no '
                    'WSGI modules; name a WSGI application as '
                    'module:callable'
                )
            return found
        found = [
            target
            for distribution in self._distributions.values()
            for target in _of_distribution(distribution, self.scripts, word)
        ]
        if not found:
            raise UnknownTargetError(
                f'{word!r} is neither an installed distribution nor a script '
                'of one; a WSGI application is written module:callable'
            )
        return found

    def _owners(self):
        if not hasattr(self, '_by_file'):
            self._by_file = {
                str(distribution.locate_file(file)): (
                    distribution.metadata['Name'],
                    distribution.version,
                )
                for distribution in self._distributions.values()
                for file in distribution.files or ()
                if file.suffix == '.py'
            }
        return self._by_file


def _of_distribution(distribution, scripts, script=None):
    """All targets of a distribution, or only the script of that name."""
    about = {
        'distribution': distribution.metadata['Name'],
        'version': distribution.version,
    }
    taken = set()
    for point in distribution.entry_points:
        if point.group in _GROUPS and script in (None, point.name):
            taken.add(point.name)
            yield Target(
                point.name,
                _GROUPS[point.group],
                module=point.module,
                attribute=point.attr or '',
                **about,
            )
    for file in distribution.files or ():
        if _is_wsgi_module(file):
            if script is None and _has_application(file.locate()):
                module = '.'.join(file.with_suffix('').parts)
                module = module.removesuffix('.__init__')
                yield Target(
                    f'{module}:application',
                    'wsgi',
                    module=module,
                    attribute='application',
                    **about,
                )
        elif '..' in file.parts and file.name not in taken:
            path = pathlib.Path(file.locate()).resolve()
            if (
                path.parent == scripts.resolve()
                and script in (None, path.name)
                and _is_python_script(path)
            ):
                yield Target(path.name, 'script', script=str(path), **about)


def _is_python_script(path):
    try:
        with path.open('rb') as file:
            first = file.readline(200)
    except OSError:
        return False
    return first.startswith(b'#!') and b'python' in first


def _is_wsgi_module(file):
    """``x/wsgi.py``, ``x/wsgi/api.py``: where services keep what a WSGI
    host loads."""
    parts = file.with_suffix('').parts
    return (
        file.suffix == '.py'
        and 'wsgi' in parts[1:]
        and 'tests' not in parts
        and '..' not in parts
    )


def _has_application(path):
    try:
        tree = ast.parse(pathlib.Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    return any(
        isinstance(inner, ast.Name)
        and inner.id == 'application'
        and isinstance(inner.ctx, ast.Store)
        for node in tree.body
        if not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        )
        for inner in ast.walk(node)
    )
