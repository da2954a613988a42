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
"""telemetry-metrics as a process; tests/monitor looks at what it answers."""

import signal
import socket

import pytest
import requests


def test_it_answers_until_it_is_told_to_stop(start, tmp_path):
    folder = tmp_path / 'metrics'
    command = start(
        'telemetry-metrics', '--port', '0', OS_METRICS__DIRECTORY=str(folder)
    )
    url = command.wait_for(r'listening on (\S+)')[0][1]
    assert requests.get(url, timeout=60).text == ''  # nobody has counted yet
    command.signal(signal.SIGTERM)
    assert command.wait() == 0


def test_a_file_that_a_process_has_just_made(start, tmp_path):
    folder = tmp_path / 'metrics'
    folder.mkdir()
    (folder / 'counter_1.db').touch()
    command = start(
        'telemetry-metrics', '--port', '0', OS_METRICS__DIRECTORY=str(folder)
    )
    url = command.wait_for(r'listening on (\S+)')[0][1]
    assert requests.get(url, timeout=60).status_code == 200


@pytest.mark.parametrize(
    ('variables', 'message'),
    [
        ({}, '[metrics] directory is not set'),
        ({'OS_METRICS__DIRECTORY': '/no/such'}, '/no/such: No such file'),
    ],
)
def test_without_a_folder(start, variables, message):
    command = start('telemetry-metrics', **variables)
    assert command.wait() == 1
    assert message in command.error


def test_an_address_that_is_taken(start, tmp_path):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        command = start(
            'telemetry-metrics',
            *('--directory', str(tmp_path), '--port', str(port)),
        )
        assert command.wait() == 1
    assert command.error == (
        'telemetry-metrics: error: cannot listen on [metrics] host = '
        f'127.0.0.1, port = {port}: Address already in use'
    )
