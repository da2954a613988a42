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


"""Run the real commands as processes, on free ports of the loopback."""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

LIMIT = 60
TRIAL = pathlib.Path(__file__).with_name('trial.py')


def wait_for(condition, what):
    """Return the first true answer of ``condition()``."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.02)
    raise AssertionError(f'{what}: not within {LIMIT} seconds')


@dataclasses.dataclass
class Command:
    """A running command; what it writes goes to two files."""

    process: subprocess.Popen
    out: pathlib.Path
    err: pathlib.Path

    def wait_for(self, pattern, count=1):
        """Return the matches once there are so many in what it wrote."""

        def found():
            ended = self.process.poll() is not None
            text = self.out.read_text() + self.err.read_text()
            matches = list(re.finditer(pattern, text))
            if len(matches) >= count:
                return matches
            assert not ended, f'ended without {pattern!r}: {text}'
            return None

        return wait_for(found, pattern)

    @property
    def url(self):
        return self.wait_for(r'server on (\S+)')[-1][1]

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        """Return the exit status."""
        return self.process.wait(LIMIT)

    @property
    def error(self):
        """What it said at its end; that must be one line."""
        (line,) = self.err.read_text().splitlines()
        return line


@pytest.fixture
def root(tmp_path):
    """The working directory of the commands. It holds trial.py."""
    shutil.copy(TRIAL, tmp_path)
    return tmp_path


@pytest.fixture
def start(root):
    """Start a command: ``start('telemetry-api', '--port', '0', OS_X=...)``.

    It sees no configuration but its arguments and variables.
    """
    started = []

    def start(name, *arguments, **variables):
        number = len(started)
        out = root / f'{number}.out'
        err = root / f'{number}.err'
        environ = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith('OS_')
        }
        environ['OS_TELEMETRY_CONFIG_DIR'] = str(root)
        environ['OS_API__PORT'] = '0'
        with out.open('w') as stdout, err.open('w') as stderr:
            process = subprocess.Popen(
                [pathlib.Path(sys.executable).with_name(name), *arguments],
                cwd=root,
                env={**environ, **variables},
                stdout=stdout,
                stderr=stderr,
            )
        started.append(process)
        return Command(process, out, err)

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def fail(start):
    """Run a command that must end by itself; return status and error line."""

    def fail(name, *arguments, **variables):
        command = start(name, *arguments, **variables)
        return command.wait(), command.error

    return fail


@pytest.fixture
def database(root, start):
    """The variables that name a new database with the tables in it."""
    variables = {
        'OS_DATABASE__CONNECTION': f'sqlite:///{root}/telemetry.sqlite'
    }
    assert start('telemetry-dbsync', **variables).wait() == 0
    return variables
