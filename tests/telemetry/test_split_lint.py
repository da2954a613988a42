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

"""The lint rule that keeps eventlet in its room."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import telemetry

CHECKOUT = pathlib.Path(telemetry.__file__).parents[2]
RUFF = pathlib.Path(sys.executable).with_name('ruff')


@pytest.fixture
def lint(tmp_path):
    """Put a line into a copy of a file, and run the rule as tox does."""
    shutil.copy(CHECKOUT / 'pyproject.toml', tmp_path)

    def lint(file, line):
        planted = tmp_path / file
        planted.parent.mkdir(parents=True)
        planted.write_text(f'{(CHECKOUT / file).read_text()}\n\n{line}\n')
        return subprocess.run(
            [RUFF, 'check', '--no-cache', '--select=TID251'],
            cwd=tmp_path,
            env={**os.environ, 'NO_COLOR': '1'},
            capture_output=True,
            text=True,
        )

    return lint


@pytest.mark.parametrize(
    'line',
    [
        'import eventlet',
        'import os, eventlet',
        'import eventlet.green.socket',
        'from eventlet import queue',
        'def late():\n    from eventlet.green import socket',
        'import greenlet',
    ],
)
@pytest.mark.parametrize(
    'file',
    [
        'examples/telemetry/cmd/api.py',
        'examples/telemetry/storage/writes.py',
        'examples/hosts/driver.py',
        'tests/conftest.py',
    ],
)
def test_an_import_outside_the_room_fails(lint, file, line):
    done = lint(file, line)
    assert done.returncode == 1
    assert 'TID251' in done.stdout
    assert file in done.stdout
    assert 'contributor/command-split' in done.stdout


def test_the_room_may_import_it(lint):
    done = lint(
        'examples/telemetry/cmd/eventlet/__init__.py', 'import greenlet'
    )
    assert (done.returncode, done.stdout) == (0, 'All checks passed!\n')
