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

"""Runs the steps that root takes on a page, in a copy of this machine.

The copy has the files and programs of this machine and a real systemd. It is
made of namespaces: it keeps its changes in memory, has a network of its own
without a way out, and its systemd starts no server by itself. So the commands
of a page run there as they are written, ports and paths included.
"""

import contextlib
import itertools
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import tomllib

from guide import ENVIRONMENT, shell, transcript

#: Debian's own Python, which the pages name.
PYTHON = '/usr/bin/python3'

_CLONE = '/root/telemetry-api-guide'
_PACKAGES = '/srv/packages'
_ENVIRONMENT = {
    **ENVIRONMENT,
    'HOME': '/root',
    'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    # What was downloaded before, as there is no network.
    'PIP_CONFIG_FILE': os.devnull,
    'PIP_FIND_LINKS': _PACKAGES,
    'PIP_NO_INDEX': '1',
}


class UnavailableError(Exception):
    """This machine cannot be copied; the message says what is needed."""

    def __init__(self, why):
        super().__init__(
            f'cannot boot a copy of this machine: {why}\nIt takes root, and '
            'the permission to mount and to make namespaces. A container has '
            'it when started with "docker run --privileged" or '
            '"podman run --privileged".'
        )


class Machine:
    """A copy of this machine, booted; a context manager.

    :param folder: an empty folder.
    :param places: folders of this machine by the paths that they have in the
        copy, which can write into them.
    :param files: what :meth:`save` wrote for an earlier copy: its files are
        in this one, too.
    :raises UnavailableError: no copy can be made here.
    :raises TimeoutError: it does not boot within a minute.
    """

    def __init__(self, folder, places=None, files=None):
        if os.geteuid() != 0:
            raise UnavailableError('this is not root')
        self._folder = pathlib.Path(folder)
        mounts = [
            str(word)
            for target, source in (places or {}).items()
            for word in (source, target)
        ]
        self._process = subprocess.Popen(
            [
                # Not even a killed test run leaves a copy behind.
                *('setpriv', '--pdeathsig', 'TERM'),
                *('unshare', '--mount'),
                *('bash', pathlib.Path(__file__).with_suffix('.sh')),
                *('start', self._folder, files or '', *mounts),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        #: The number of the process that holds the copy: all of the copy's
        #: processes are below it.
        self.pid = self._process.pid
        try:
            self._init = self._process.stdout.readline().strip()
            if not self._init:
                raise UnavailableError(self._process.stderr.read().strip())
            self._wait()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def close(self):
        """End the copy: its processes, its mounts and its changes."""
        self._process.terminate()
        self._process.communicate()

    def shell(self, folder, seconds):
        """Return a :class:`guide.shell.Shell` of root in the copy.

        :param folder: the folder that it starts in.
        :param seconds: how long one command may run.
        """
        return shell.Shell(
            '/',
            _ENVIRONMENT,
            seconds,
            shell.PORT,
            inside=[*self._inside(), 'env', f'--chdir={folder}'],
        )

    def save(self, file):
        """Write the files that differ from this machine's, for another copy.

        Nothing must be writing to them.
        """
        subprocess.run(
            [
                *('nsenter', '--target', str(self.pid), '--mount'),
                *('tar', '-C', self._folder / 'changes', '-cf', file),
                *('--xattrs', '--xattrs-include=*', '.'),
            ],
            check=True,
        )

    def _inside(self):
        spaces = ('mount', 'uts', 'ipc', 'net', 'pid', 'cgroup')
        return [
            *('nsenter', '--target', self._init),
            *(f'--{space}' for space in spaces),
        ]

    def _wait(self):
        deadline = time.monotonic() + 60
        while True:
            found = subprocess.run(
                [*self._inside(), 'systemctl', 'is-active', 'basic.target'],
                capture_output=True,
                text=True,
            )
            if found.returncode == 0:
                return
            if self._process.poll() is not None:
                raise UnavailableError(self._process.stderr.read().strip())
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f'the copy does not boot: {found.stdout}{found.stderr}'
                )
            time.sleep(0.1)


class Checker:
    """Runs the machine transcripts of pages, each page in a new copy.

    The steps of an included file that pages begin with are run once: a page
    that has them, too, starts with the files that they made.

    :param folder: an empty folder.
    :param checkout: the commands start in a clone of it: what is not
        committed is not in it.
    :param seconds: how long one command may run.
    """

    def __init__(self, folder, checkout, seconds=300):
        self._folder = pathlib.Path(folder)
        self._checkout = checkout
        self._seconds = seconds
        self._packages = self._folder / 'packages'
        self._saved = {}

    def check_page(self, page):
        """Run the machine transcripts of a page, and compare.

        :raises guide.transcript.MismatchError: a command's output or exit
            status is not what the page says; with the page and its line.
        :raises UnavailableError: no copy can be made here.
        """
        own = steps(page)
        included = list(
            itertools.takewhile(lambda item: item.source.suffix == '.inc', own)
        )
        commands = str([item.commands for item in included])
        if included and commands not in self._saved:
            with self._machine() as machine:
                self._check(included, machine)
                files = self._folder / f'{len(self._saved)}.tar'
                machine.save(files)
                self._saved[commands] = files
        with self._machine(self._saved.get(commands)) as machine:
            self._check(own[len(included) :], machine)

    def _check(self, items, machine):
        transcript.check(items, lambda: machine.shell(_CLONE, self._seconds))

    @contextlib.contextmanager
    def _machine(self, files=None):
        self._packages.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            clone = pathlib.Path(folder, 'clone')
            machine = pathlib.Path(folder, 'machine')
            machine.mkdir()
            subprocess.run(
                ['git', 'clone', '-q', self._checkout, clone], check=True
            )
            places = {_CLONE: clone, _PACKAGES: self._packages}
            with Machine(machine, places, files) as booted:
                if not any(self._packages.iterdir()):
                    download(clone, self._packages)
                yield booted


def download(checkout, folder):
    """Bring what the pages install with pip, for :data:`PYTHON`.

    That is what the project needs to be built and run, with all its extras.

    :raises RuntimeError: pip failed; with what it said.
    """
    text = pathlib.Path(checkout, 'pyproject.toml').read_text('utf-8')
    project = tomllib.loads(text)
    extras = ','.join(project['project']['optional-dependencies'])
    env = {
        name: value
        for name, value in os.environ.items()
        if name != 'PIP_CONSTRAINT'  # the pages have their own
    }
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'pip', '--python', PYTHON, 'download'),
            *('--quiet', '--dest', folder, '--constraint', 'constraints.txt'),
            *(f'.[{extras}]', *project['build-system']['requires']),
        ],
        cwd=checkout,
        env=env,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f'pip cannot download packages:\n{done.stderr}')


def steps(page):
    """Return the transcripts to run for a page, in order.

    The first one may name another page beside it: then all of that page's
    come first, but for those of its Undo.

    :raises ValueError: another one than the first names a page.
    """
    own = [
        item
        for item in transcript.transcripts(page)
        if item.machine is not None
    ]
    for item in own[1:]:
        if item.machine:
            raise ValueError(
                f'{item.source}:{item.line}: only the first transcript of a '
                'page names the page whose steps come before'
            )
    if not own or not own[0].machine:
        return own
    before = steps(pathlib.Path(page).parent / f'{own[0].machine}.rst')
    return [item for item in before if not item.undo] + own
