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

"""Starts the examiner in a fresh process, and collects what it tells."""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import selectors
import signal
import subprocess
import tempfile
import time

_EXAMINER = pathlib.Path(__file__).with_name('examiner.py')

#: The only variables that a target inherits: it gets no secrets.
_INHERITED = ('LANG', 'LC_ALL', 'LD_LIBRARY_PATH', 'PATH', 'TZ')


class ExaminerError(Exception):
    """The Python of the environment does not run the examiner."""


@dataclasses.dataclass(frozen=True)
class Frame:
    """One step of a chain: a line that imports or calls the next."""

    module: str
    function: str
    file: str
    line: int


@dataclasses.dataclass(frozen=True)
class Settings:
    """How targets are examined."""

    #: The interpreter of the environment that has the targets.
    python: str
    #: More folders with modules.
    path: tuple = ()
    #: More environment variables of the target.
    env: tuple = ()
    #: Most seconds that one import may take.
    seconds: float = 120
    #: Most bytes of address space.
    memory: int = 4 * 1024**3


@dataclasses.dataclass
class Run:
    """What one fresh process told about one import."""

    #: Chain to the first ``monkey_patch`` call, if there was one.
    patch: tuple = ()
    #: Which parts of the standard library are patched.
    parts: tuple = ()
    #: Chain to the first import of eventlet, if there was one.
    eventlet: tuple = ()
    #: Chain to the last one, if eventlet was not found the times before.
    last_eventlet: tuple = ()
    #: [(name of a function of eventlet, chain to the call)].
    uses: list = dataclasses.field(default_factory=list)
    #: [(what the sandbox did not allow, chain to it)].
    denied: list = dataclasses.field(default_factory=list)
    #: Why the import did not succeed, or ''.
    error: str = ''
    #: The module that was not found, if that is why.
    missing: str = ''
    #: Where the import failed.
    failure: tuple = ()
    #: {module: (file, folders of its submodules)}, all that was loaded.
    modules: dict = dataclasses.field(default_factory=dict)
    #: ``sys.path`` at the end.
    sys_path: tuple = ()
    #: The version of Python.
    python: str = ''
    #: The folder of the environment's scripts.
    scripts: str = ''
    #: The same import with eventlet hidden, if it imported eventlet and did
    #: not patch: another :class:`Run`.
    without: 'Run' = None

    @property
    def imported(self):
        return not self.error

    def take(self, event):
        """Add one event of the examiner."""
        kind = event.pop('event')
        chain = tuple(Frame(*step) for step in event.get('stack', ()))
        if kind == 'patch':
            self.patch = self.patch or chain
        elif kind == 'patched':
            self.parts = tuple(event['parts'])
        elif kind == 'eventlet':
            self.eventlet = self.eventlet or chain
            self.last_eventlet = chain
        elif kind == 'use':
            self.uses.append((event['name'], chain))
        elif kind == 'denied':
            self.denied.append((event['action'], chain))
        elif kind == 'failed':
            self.error = event['error']
            self.missing = event['missing'] or ''
            self.failure = chain
        elif kind == 'end':
            self.parts = tuple(event['parts'])
            self.modules = {
                name: (file, tuple(folders))
                for name, (file, folders) in event['modules'].items()
            }
            self.sys_path = tuple(event['sys_path'])
            self.python = event['python']
            self.scripts = event['scripts']


@functools.cache
def without_network():
    """The words before a command that take its network away.

    :returns: ``[]`` where the machine does not permit it.
    """
    for words in (
        ['unshare', '--net'],
        ['unshare', '--user', '--map-current-user', '--net'],
    ):
        try:
            tried = subprocess.run(
                [*words, 'true'], capture_output=True, timeout=10
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if tried.returncode == 0:
            return words
    return []


def examine(settings, target):
    """Import ``target`` in a fresh process.

    :returns: a :class:`Run`; an import that fails, hangs, or ends the
        process is told there.
    :raises ExaminerError: not even the examiner runs.
    """
    run = start(settings, target)
    if run.imported and 'eventlet' in run.modules and not run.parts:
        run.without = start(settings, target, hide_eventlet=True)
    return run


def start(settings, target=None, hide_eventlet=False):
    """Run the examiner once; without a target it imports nothing.

    :param hide_eventlet: let the target not find it.
    :returns: a :class:`Run`.
    :raises ExaminerError: the examiner does not run.
    """
    if not pathlib.Path(settings.python).is_file():
        raise ExaminerError(f'there is no file {settings.python}')
    reading, writing = os.pipe()
    with (
        os.fdopen(reading, 'rb', buffering=0) as events,
        tempfile.TemporaryDirectory(prefix='audit-') as folder,
        tempfile.TemporaryFile() as errors,
    ):
        request = {
            'events': writing,
            'folder': folder,
            'seconds': int(settings.seconds) + 1,
            'memory': settings.memory,
            'path': settings.path,
            'name': target.name if target else 'audit',
            'module': target.module if target else None,
            'attribute': target.attribute if target else None,
            'script': target.script if target else None,
            'hide_eventlet': hide_eventlet,
        }
        try:
            process = subprocess.Popen(
                [
                    *without_network(),
                    settings.python,
                    *('-I', '-S', _EXAMINER, json.dumps(request)),
                ],
                cwd=folder,
                env=_environment(settings, folder),
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=(writing,),
                start_new_session=True,
            )
        except OSError as error:
            raise ExaminerError(
                f'cannot start {settings.python}: {error.strerror}'
            ) from error
        finally:
            os.close(writing)
        deadline = time.monotonic() + settings.seconds
        try:
            told, in_time = _lines(events, deadline)
        finally:
            _end(process)
        errors.seek(0)
        return _collect(settings, told, in_time, process, errors.read())


def _collect(settings, told, in_time, process, output):
    run = Run()
    for event in told:
        run.take(event)
    if run.python:
        return run
    words = output.decode(errors='replace').strip().splitlines()
    if not told and in_time and process.returncode > 0:
        raise ExaminerError(
            f'{settings.python} does not run the examiner: '
            f'{words[-1] if words else "no message"}'
        )
    if not in_time:
        run.error = f'the import took more than {settings.seconds:g} s'
    elif process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        run.error = f'the import ended the process by {name}'
    else:
        run.error = f'the import ended the process with {process.returncode}'
    return run


def _environment(settings, folder):
    return {
        **{
            name: os.environ[name] for name in _INHERITED if name in os.environ
        },
        'HOME': folder,
        'TMPDIR': folder,
        **dict(settings.env),
    }


def _lines(events, deadline):
    """All events until the end of the process or the deadline."""
    data = b''
    in_time = False
    with selectors.DefaultSelector() as selector:
        selector.register(events, selectors.EVENT_READ)
        while selector.select(max(0, deadline - time.monotonic())):
            chunk = events.read(1024 * 1024)
            if not chunk:
                in_time = True
                break
            data += chunk
    return [
        json.loads(line) for line in data.splitlines() if line.endswith(b'}')
    ], in_time


def _end(process):
    """End the process with all that it may have started."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
