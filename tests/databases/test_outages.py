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
"""A database that restarts, is down, or has no connection left."""

import contextlib
import itertools
import subprocess
import threading

import pytest
import sqlalchemy as sa
from hosts import driver
from telemetry import storage
from telemetry.api import deploy
from telemetry.storage import errors
from werkzeug.test import Client

from tests.databases.conftest import LIMIT, hang_up, wait_for


@pytest.fixture
def client(own_conf):
    return Client(deploy.load(own_conf))


def post(client, resource):
    sample = {
        'counter_name': 'cpu',
        'counter_type': 'gauge',
        'counter_unit': '%',
        'counter_volume': 1,
        'resource_id': resource,
        'resource_metadata': {},
    }
    return client.post('/v2/meters/cpu', json=[sample]).status_code


class Load:
    """Threads that read and write until told to stop."""

    def __init__(self, client):
        self._client = client
        self._stop = threading.Event()
        self.answers = []
        self.stored = []
        self.threads = [
            threading.Thread(target=self._run, args=(number,))
            for number in range(4)
        ]

    def _run(self, number):
        for turn in itertools.count():
            if self._stop.is_set():
                return
            resource = f'vm {number} {turn}'
            status = post(self._client, resource)
            if status == 201:
                self.stored.append(resource)
            self.answers.append(status)
            status = self._client.get('/v2/meters?limit=1').status_code
            self.answers.append(status)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *exc_info):
        self._stop.set()
        for thread in self.threads:
            thread.join(LIMIT)


def test_a_restart_under_load(own_server, own_conf, client):
    good, unavailable = {200, 201}, {503}
    with Load(client) as load:
        wait_for(lambda: len(load.answers) > 20)
        assert set(load.answers) <= good
        own_server.stop()
        wait_for(lambda: unavailable <= set(load.answers))
        own_server.start()
        wait_for(lambda: good & set(load.answers[-4:]))
    assert not any(thread.is_alive() for thread in load.threads)
    assert set(load.answers) == good | unavailable
    # From here on nothing is left of it.
    assert {client.get('/v2/meters').status_code for _ in range(20)} == {200}
    # What was said to be stored is there.
    found = storage.Storage(own_conf).resources()
    assert set(load.stored) <= {each.resource_id for each in found}


def test_a_restart_between_two_requests_is_not_noticed(own_server, client):
    assert client.get('/v2/meters').status_code == 200
    assert post(client, 'before') == 201
    own_server.stop()
    own_server.start()
    assert client.get('/v2/meters').status_code == 200
    assert post(client, 'after') == 201


def test_down_at_the_start(own_server, own_conf, caplog):
    own_server.stop()
    try:
        client = Client(deploy.load(own_conf))
        answer = client.get('/v2/meters')
        assert answer.status_code == 503
        text = answer.json['error_message']['faultstring']
        assert text == 'The database does not answer.'
        assert f'@127.0.0.1:{own_server.port}/telemetry: ' in caplog.text
        assert 'secret' not in caplog.text
        assert client.get('/healthcheck').status_code == 503
        done = subprocess.run(
            [driver.executable('telemetry-dbsync', 'this package')],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        [line] = done.stderr.splitlines()
        assert line.startswith('telemetry-dbsync: error: database ')
    finally:
        own_server.start()
    assert client.get('/healthcheck').status_code == 200
    assert client.get('/v2/meters').status_code == 200


@contextlib.contextmanager
def full(server):
    """Take every connection that ordinary users can have; give a list."""
    hang_up(server)
    engine = sa.create_engine(server.url, poolclass=sa.pool.NullPool)
    taken = []
    try:
        with pytest.raises(sa.exc.OperationalError):
            while True:
                taken.append(engine.connect())
        yield taken
    finally:
        for connection in taken:
            connection.close()
        hang_up(server)


REFUSALS = {
    'postgresql': 'remaining connection slots are reserved',
    'mariadb': 'Too many connections',
}


def test_no_connection_left_on_the_server(own_server, own_conf, caplog):
    client = Client(deploy.load(own_conf))
    with full(own_server):
        answer = client.get('/v2/meters')
        assert answer.status_code == 503
        text = answer.json['error_message']['faultstring']
        assert text == (
            'The service is too busy: no connection to its database is free. '
            'Try again later.'
        )
        assert REFUSALS[own_server.name] in caplog.text
        answer = client.get('/healthcheck')
        assert answer.status_code == 503
        assert answer.text == 'No connection to the database is free'
    assert client.get('/v2/meters').status_code == 200


LIMITS = {
    'postgresql': 'ALTER ROLE telemetry CONNECTION LIMIT {};',
    'mariadb': 'ALTER USER telemetry WITH MAX_USER_CONNECTIONS {};',
}
NO_LIMITS = {'postgresql': -1, 'mariadb': 0}


def test_no_connection_left_for_the_user(own_server, own_conf):
    change = LIMITS[own_server.name]
    own_server.sql(change.format(2))
    try:
        store = storage.Storage(own_conf)
        with (
            full(own_server),
            pytest.raises(errors.StorageBusy, match='too many|exceeded'),
        ):
            store.check()
    finally:
        own_server.sql(change.format(NO_LIMITS[own_server.name]))
    store.check()
