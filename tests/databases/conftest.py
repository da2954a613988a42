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
"""Each test of this folder runs on each server, with each of its drivers."""

import copy
import time

import databases
import pytest
from telemetry import conf as telemetry_conf
from telemetry import storage

LIMIT = 60
# The first one of each server is the one that its own URL names.
DRIVERS = {
    'postgresql+psycopg': 'postgresql',
    'mysql+pymysql': 'mariadb',
    'mysql+mysqldb': 'mariadb',
}


@pytest.fixture(params=DRIVERS, scope='session')
def server(request, database_server):
    """A running server, which tests leave as it is."""
    server = copy.copy(database_server(DRIVERS[request.param]))
    server.driver = request.param
    return server


@pytest.fixture(params=DRIVERS, scope='module')
def own_server(request, tmp_path_factory):
    """A server of this module, to be stopped, started and filled up."""
    make = databases.find()[DRIVERS[request.param]]
    server = make(tmp_path_factory.mktemp('own'), max_connections=10)
    server.driver = request.param
    with server:
        yield server


@pytest.fixture
def connection(server):
    return server.url


@pytest.fixture
def own_conf(own_server, monkeypatch, tmp_path):
    """The configuration of a telemetry API on that server, with tables."""
    monkeypatch.setenv('OS_TELEMETRY_CONFIG_DIR', str(tmp_path))
    monkeypatch.setenv('OS_DATABASE__CONNECTION', own_server.url)
    conf = telemetry_conf.load()
    storage.Storage(conf).upgrade()
    hang_up(own_server)
    return conf


END_ALL = {
    'postgresql': """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE usename = 'telemetry';
        """,
    'mariadb': 'KILL USER telemetry;',
}
COUNT = {
    'postgresql': """
        SELECT count(*) FROM pg_stat_activity WHERE usename = 'telemetry';
        """,
    'mariadb': """
        SELECT count(*) FROM information_schema.processlist
        WHERE user = 'telemetry';
        """,
}


def connections(server):
    """Return how many connections telemetry has."""
    return int(server.sql(COUNT[server.name]))


def hang_up(server):
    """End all connections of telemetry, such as those of earlier tests."""

    def gone():
        server.sql(END_ALL[server.name])
        return not connections(server)

    wait_for(gone)


def wait_for(condition):
    limit = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)
