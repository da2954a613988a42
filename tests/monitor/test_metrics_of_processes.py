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
"""Counts add up over processes, and nothing of a dead one is left in doubt."""

import concurrent.futures
import contextlib
import os
import sqlite3
import subprocess
import sys
import uuid

import pytest
import requests

from tests.monitor.conftest import wait_for

SAMPLE = {
    'counter_name': 'load',
    'counter_type': 'gauge',
    'counter_unit': 'process',
    'counter_volume': 1,
    'resource_id': 'node-1',
}
REQUESTS = 'telemetry_http_requests_total'
IN_PROGRESS = 'telemetry_http_requests_in_progress'
IN_USE = 'telemetry_database_connections_in_use'


def test_requests_add_up_over_processes(service):
    path = '/v2/capabilities'
    sent = 0

    def ask_until(processes):
        """So many processes have answered, all of what was sent."""
        nonlocal sent
        while len(service.answered_by(path)) < processes:
            assert sent < 1000
            assert service.server.get(path).ok
            sent += 1
        labels = {'method': 'GET', 'route': path}
        wait_for(
            lambda: (
                service.value(REQUESTS, status='200', **labels) == sent
                and service.value(
                    'telemetry_http_request_duration_seconds_count', **labels
                )
                == sent
            )
        )

    workers = service.server.workers()
    assert len(workers) == 2
    ask_until(2)
    # What a process has counted outlives it.
    killed = workers.pop()
    os.kill(killed, 9)
    wait_for(
        lambda: (
            killed not in (now := service.server.workers())
            and len(now) == 2
            and service.server.is_serving()
        )
    )
    ask_until(3)
    # Of two processes, not of three.
    assert service.value('telemetry_database_pool_size') == 10


@contextlib.contextmanager
def held_up(service, count):
    """Requests that wait until the database can be written to."""
    url = f'{service.server.base_url}/v2/meters/load'
    with (
        contextlib.closing(
            sqlite3.connect(service.database, isolation_level=None)
        ) as other,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        other.execute('BEGIN IMMEDIATE')
        try:
            answers = [
                pool.submit(requests.post, url, json=[SAMPLE], timeout=60)
                for _ in range(count)
            ]
            wait_for(lambda: service.value(IN_PROGRESS) == count)
            wait_for(lambda: service.value(IN_USE) == count)
            yield answers
        finally:
            other.execute('ROLLBACK')


def test_what_is_in_progress(service):
    with held_up(service, 3) as answers:
        pass
    assert [answer.result().status_code for answer in answers] == [201] * 3
    wait_for(lambda: service.value(IN_PROGRESS) == 0)
    assert service.value(IN_USE) == 0


def test_a_killed_process_has_nothing_in_progress(service):
    with held_up(service, 2) as answers:
        for worker in service.server.workers():
            os.kill(worker, 9)
        for answer in answers:
            assert isinstance(
                answer.exception(), requests.exceptions.ConnectionError
            )
        wait_for(lambda: service.value(IN_PROGRESS) == 0)
        assert service.value(IN_USE) == 0
    wait_for(service.server.is_serving)


def test_what_clients_choose_makes_no_new_labels(service):
    base, secret = service.server.base_url, str(uuid.uuid4())
    for method, path, route, status in (
        ('GET', f'/v2/meters/{secret}', '/v2/meters/{meter_name}', '200'),
        ('GET', f'/{secret}', 'none', '404'),
        ('BREW', '/', 'none', '405'),
    ):
        kind = method if method == 'GET' else 'other'
        labels = {'method': kind, 'route': route, 'status': status}
        before = service.value(REQUESTS, **labels)
        requests.request(method, base + path, timeout=60)
        wait_for(
            lambda labels=labels, before=before: (
                service.value(REQUESTS, **labels) == before + 1
            )
        )
    told = requests.get(service.url, timeout=60).text.lower()
    assert secret not in told
    assert 'brew' not in told


def test_the_api_itself_does_not_tell(service):
    assert service.server.get('/metrics').status_code == 404


LOST = """
import sqlite3, sys
import sqlalchemy as sa
from telemetry import conf as telemetry_conf
from telemetry.api import metrics
from telemetry.cmd.metrics import Processes

folder = sys.argv[1]
conf = telemetry_conf.new()
conf([], default_config_files=[], default_config_dirs=[])
conf.set_override('directory', folder, 'metrics')
metrics.observer(conf)
up = True

def connect():
    if not up:
        raise sqlite3.OperationalError('down')
    return sqlite3.connect(':memory:')

def in_use():
    [value] = [
        sample.value
        for family in Processes(folder).collect()
        for sample in family.samples
        if sample.name == 'telemetry_database_connections_in_use'
    ]
    return value

engine = sa.create_engine(
    'sqlite://', creator=connect, poolclass=sa.pool.QueuePool
)
seen = []
with engine.connect() as connection:
    seen.append(in_use())
    connection.invalidate()
seen.append(in_use())
up = False
try:
    engine.connect()
except sa.exc.OperationalError:
    seen.append(in_use())
print(*seen)
"""


def test_connections_that_are_lost_are_counted_once(tmp_path):
    done = subprocess.run(
        [sys.executable, '-c', LOST, tmp_path],
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.stdout, done.stderr) == ('1.0 0.0 0.0\n', '')


@pytest.mark.parametrize(
    ('make', 'why'),
    [
        (lambda folder: folder / 'no' / 'such', 'No such file or directory'),
        (lambda folder: folder / 'file', 'File exists'),
    ],
)
def test_a_folder_that_cannot_be_used_is_named(tmp_path, make, why):
    (tmp_path / 'file').touch()
    folder = make(tmp_path)
    done = subprocess.run(
        [sys.executable, '-c', 'import telemetry.wsgi'],
        env={
            **os.environ,
            'PYTHONPATH': os.pathsep.join(sys.path),
            'OS_TELEMETRY_CONFIG_DIR': str(tmp_path),
            'OS_METRICS__DIRECTORY': str(folder),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        'Value for option directory in group [metrics] is not valid: '
        f'{folder}: {why}'
    )
