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
"""Importing telemetry.wsgi as hosts do, in fresh interpreters."""

import json
import os
import subprocess
import sys

import pytest

REPORT = """
import json, os, runpy, socket, sys, threading
sockets = []
connect = socket.socket.connect
def record(self, address):
    sockets.append(str(address))
    return connect(self, address)
socket.socket.connect = record
import telemetry.wsgi
first = telemetry.wsgi.application
again = runpy.run_path(telemetry.wsgi.__file__)['application']
print(json.dumps({
    'callable': callable(first) and callable(again),
    'threads': threading.active_count(),
    'sockets': sockets,
    'eventlet': 'eventlet' in sys.modules,
}))
"""


@pytest.fixture
def environment(tmp_path):
    return os.environ | {
        'OS_TELEMETRY_CONFIG_DIR': str(tmp_path),
        'OS_DATABASE__CONNECTION': f'sqlite:///{tmp_path}/telemetry.sqlite',
    }


def _python(code, environment, *arguments):
    return subprocess.run(
        [sys.executable, '-c', code, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_import_starts_and_opens_nothing(environment, tmp_path):
    done = _python(
        REPORT, environment, '--config-file', '/missing', '--help', '-x'
    )
    assert done.returncode == 0, done.stderr
    # Before it comes the warning about noauth.
    assert json.loads(done.stdout.splitlines()[-1]) == {
        'callable': True,
        'threads': 1,
        'sockets': [],
        'eventlet': False,
    }
    assert list(tmp_path.iterdir()) == []


def test_import_after_a_failed_import(environment):
    code = """
import os
os.environ['OS_API__PORT'] = 'x'
try:
    import telemetry.wsgi
except Exception as error:
    print(type(error).__name__)
del os.environ['OS_API__PORT']
import telemetry.wsgi
print(callable(telemetry.wsgi.application))
"""
    done = _python(code, environment)
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-1]) == ('ConfigSourceValueError', 'True')


@pytest.mark.parametrize(
    ('variable', 'value', 'message'),
    [
        ('OS_API__MAX_LIMIT', '0', 'option max_limit'),
        ('OS_HEALTHCHECK__BACKENDS', 'mispelt', 'no health check named'),
    ],
)
def test_a_bad_configuration_stops_the_import(
    environment, variable, value, message
):
    done = _python('import telemetry.wsgi', environment | {variable: value})
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]


def test_a_forked_child_answers_after_its_parent_did(environment):
    code = """
import os
from werkzeug.test import Client
import telemetry.wsgi
from telemetry import storage
storage.Storage(telemetry.wsgi.conf).upgrade()
client = Client(telemetry.wsgi.application)
assert client.get('/v2/meters').status_code == 200
child = os.fork()
if child == 0:
    status = client.get('/v2/meters').status_code
    os._exit(0 if status == 200 else 1)
assert os.waitpid(child, 0)[1] == 0
assert client.get('/v2/meters').status_code == 200
"""
    done = _python(code, environment)
    assert done.returncode == 0, done.stderr
