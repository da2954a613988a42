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

"""The line that the application logs for each request, on every host."""

import json
import re
import socket
import struct
import uuid

import pytest

from tests.hosts import test_behaviours as behaviours
from tests.hosts.test_hosts import wait_for

CALLER = {'X-User-Id': 'ann', 'X-Project-Id': 'lab'}


def lines(server, text):
    """The lines that the application logged about requests with a text."""
    return [
        line
        for line in server.log_text().splitlines()
        if ' telemetry.api.watch ' in line and text in line
    ]


def test_the_application_logs_the_same_on_every_host(telemetry):
    path = f'/v2/meters/{uuid.uuid4()}'
    answer = telemetry.get(path, CALLER)
    key = answer.headers['X-Openstack-Request-Id']
    wait_for(lambda: lines(telemetry, path))
    (line,) = lines(telemetry, path)
    assert re.search(
        rf'\d \d+ INFO telemetry\.api\.watch \[None {key} ann lab - - - -\] '
        rf'"GET {path}" status: 200 len: {len(answer.content)} '
        r'time: \d+\.\d{4}$',
        line,
    )


def test_a_client_that_hangs_up_is_one_line(telemetry):
    meter = f'hang-up-{uuid.uuid4()}'
    path = f'/v2/meters/{meter}'
    sample = {**behaviours.SAMPLE, 'counter_name': meter}
    with telemetry.session() as session:
        session.post(
            telemetry.base_url + path, json=[sample] * 2000, timeout=60
        ).raise_for_status()
    with behaviours.connect(telemetry) as connection:
        connection.sendall(
            behaviours.request(telemetry, 'GET', f'{path}?limit=2000')
        )
        connection.recv(1)
        # Hang up at once, with the answer on its way.
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)
        )
    wait_for(lambda: lines(telemetry, f'GET {path}'))
    assert telemetry.get(path).ok
    wait_for(lambda: len(lines(telemetry, f'GET {path}')) == 2)
    assert all(' status: 200 ' in line for line in lines(telemetry, path)[1:])


@pytest.mark.parametrize(
    'host', ['nginx-uwsgi', 'apache-mod-wsgi'], indirect=True
)
def test_a_request_is_found_from_the_proxy_to_its_sql(
    start, database, tmp_path
):
    """By the id in the answer. The JSON has a file of its own, since Apache
    would add to it."""
    log = tmp_path / 'application.log'
    tmp_path.chmod(0o777)
    environ = {
        'OS_TELEMETRY_CONFIG_DIR': str(tmp_path),
        'OS_DATABASE__CONNECTION': database,
        'OS_DATABASE__CONNECTION_DEBUG': '50',
        'OS_DEFAULT__USE_JSON': 'true',
        'OS_DEFAULT__LOG_FILE': str(log),
    }
    with start('telemetry.wsgi:application', environ=environ) as server:
        answer = server.get('/v2/samples?limit=7', CALLER)
        key = answer.headers['X-Openstack-Request-Id']

        def at_proxy():
            return re.search(
                rf'"GET /v2/samples\?limit=7 .* 200 .*{key}$',
                server.log_text(),
                re.M,
            )

        wait_for(at_proxy)
    # All lines are there, now that the host has stopped.
    said = map(json.loads, log.read_text().splitlines())
    told = [line for line in said if line['context'].get('request_id') == key]
    (done,) = [line for line in told if line['name'] == 'telemetry.api.watch']
    assert (done['extra']['path'], done['extra']['status']) == (
        '/v2/samples',
        200,
    )
    assert (done['context']['user'], done['context']['project_id']) == (
        'ann',
        'lab',
    )
    assert any(
        line['name'].startswith('sqlalchemy.engine')
        and 'FROM sample' in line['message']
        for line in told
    )
