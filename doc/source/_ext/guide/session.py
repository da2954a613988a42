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

"""The ``session`` directive: commands that run while the site is built.

All sessions of a page run in one shell, in the order of the page, and the
page shows what really came back. The shell starts in a temporary folder that
holds the checkout's ``examples``. With the option ``api`` a telemetry API
listens, whose database is empty when the page begins.
"""

import datetime
import pathlib
import re
import subprocess
import tempfile
from multiprocessing import util

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from guide import CHECKOUT, api, fault, shell

_TIME = re.compile(
    r'(\d{4}-\d\d-\d\d)[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]00:?00)?'
)
_HTTP_DATE = re.compile(r'\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT')
_ID = re.compile(r'\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b')
_PID = re.compile(r'(?<=<time> )\d+(?= [A-Z]+ )')
_SECONDS = re.compile(r'(?<= len: )(\d+\s+time: )\d+\.\d+')


def normalise(output, folder, known=''):
    """Replace, visibly, what differs from build to build.

    ==========  ============================================================
    ``<time>``  a date and time of yesterday, today or tomorrow (UTC)
    ``<date>``  the date of an HTTP header
    ``<id>``    a UUID that is not part of ``known``
    ``<pid>``   the process number of a log line
    ``<s>``     the seconds that a request took, in the application's log
    ``~``       ``folder``
    ==========  ============================================================
    """
    today = datetime.datetime.now(datetime.UTC).date()

    def time(match):
        day = datetime.date.fromisoformat(match[1])
        return '<time>' if abs((day - today).days) <= 1 else match[0]

    output = output.replace(str(folder), '~')
    output = _TIME.sub(time, output)
    output = _HTTP_DATE.sub('<date>', output)
    output = _PID.sub('<pid>', output)
    output = _SECONDS.sub(r'\1<s>', output)
    return _ID.sub(lambda m: m[0] if m[0] in known else '<id>', output)


class Page:
    """What the sessions of one page share."""

    def __init__(self, seconds):
        self._folder = tempfile.TemporaryDirectory(prefix='telemetry-guide-')
        self.home = pathlib.Path(self._folder.name).resolve()
        self._seconds = seconds
        self._api = None
        (self.home / 'examples').symlink_to(CHECKOUT / 'examples')
        port = shell.free_port()
        self._env = shell.environment(
            self.home,
            port,
            OS_DATABASE__CONNECTION=f'sqlite:///{self.home}/telemetry.sqlite',
            OS_TELEMETRY_CONFIG_DIR=str(self.home / 'etc'),
        )
        self._env['PATH'] = f'{api.COMMANDS}:{self._env["PATH"]}'
        self.shell = shell.Shell(self.home, self._env, seconds, port)
        # The ids that a reader can see elsewhere stay as they are.
        self.known = ''.join(
            samples.read_text('utf-8')
            for samples in (CHECKOUT / 'examples/samples').glob('*.json')
        )

        #: Stop everything, and remove the folder. Done at the end of the
        #: process at the latest: Sphinx reads pages in several, in which
        #: atexit does nothing.
        self.close = util.Finalize(None, self._close, exitpriority=1)

    def need_api(self):
        """Start the telemetry API, unless it runs."""
        if self._api is None:
            self._api = api.TelemetryAPI(self.home, self._env, self._seconds)

    def _close(self):
        self.shell.close()
        if self._api is not None:
            self._api.close()
        self._folder.cleanup()


_pages = {}


def _close(docname):
    page = _pages.pop(docname, None)
    if page is not None:
        page.close()


def _close_all(*args):
    for docname in list(_pages):
        _close(docname)


class Session(SphinxDirective):
    """Run the commands, and show them with their output.

    Options: ``api`` (a telemetry API listens), ``status`` (the exit status
    of the last command; all others must return 0, and it, too, unless this
    says otherwise), ``language`` (how to highlight; default ``console``).
    """

    has_content = True
    option_spec = {
        'api': directives.flag,
        'status': directives.nonnegative_int,
        'language': directives.unchanged_required,
    }

    def run(self):
        self.assert_has_content()
        self.env.note_reread()
        text = '\n'.join(self._run_all())
        block = nodes.literal_block(text, text, live='session')
        block['language'] = self.options.get('language', 'console')
        self.set_source_info(block)
        return [block]

    def _run_all(self):
        docname = self.env.docname
        try:
            commands = shell.split_commands(list(self.content))
            for number, _, output in commands:
                if output:
                    raise ValueError(
                        f'the output of {self.content[number]!r} is written '
                        'here by the build: remove the lines below it'
                    )
            if docname not in _pages:
                _pages[docname] = Page(self.config.session_timeout)
            page = _pages[docname]
            if 'api' in self.options:
                page.need_api()
        except (ValueError, api.NotServingError) as error:
            fault(self._where(0), str(error))
            return
        except subprocess.SubprocessError as error:
            said = (getattr(error, 'output', None) or b'').decode()
            fault(self._where(0), f'{error}\n{said}')
            return
        for number, command, _ in commands:
            page.known += command
            yield from self.content[number : number + command.count('\n') + 1]
            expected = 0
            if number == commands[-1][0]:
                expected = self.options.get('status', 0)
            try:
                status, output = page.shell.run(command)
            except (shell.CommandTimeoutError, shell.ShellEndedError) as error:
                fault(self._where(number), str(error))
                _close(docname)
                return
            output = normalise(output, page.home, page.known)
            if status != expected:
                fault(
                    self._where(number),
                    f'{command!r} returned {status}, not {expected}; '
                    f'output:\n{output}',
                )
            yield from output.splitlines()

    def _where(self, number):
        source, offset = self.content.items[number]
        return f'{source}:{offset + 1}'


def setup(app):
    app.setup_extension('guide')
    app.add_config_value('session_timeout', 60.0, 'env', types=(int, float))
    app.add_directive('session', Session)
    app.connect('doctree-read', lambda app, doctree: _close(app.env.docname))
    app.connect('build-finished', _close_all)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
