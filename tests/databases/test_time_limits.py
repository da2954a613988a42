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
"""A limit for the time of a statement, which install/database advises."""

import datetime
import threading
from concurrent import futures

import pytest
import sqlalchemy as sa
from telemetry import storage
from telemetry.api import deploy
from telemetry.storage import migrations
from werkzeug.test import Client

from tests.databases.conftest import hang_up

LIMITS = {
    'postgresql': "ALTER ROLE telemetry SET statement_timeout = '{}s';",
    'mariadb': 'ALTER USER telemetry WITH MAX_STATEMENT_TIME {};',
}
SAID = {
    'postgresql': 'canceling statement due to statement timeout',
    'mariadb': 'max_statement_time exceeded',
}
LOCKS = {
    'postgresql': 'LOCK TABLE sample IN ACCESS EXCLUSIVE MODE',
    'mariadb': 'LOCK TABLES sample WRITE',
}
SLEEPS = {
    'postgresql': 'SELECT 0 FROM pg_sleep(2)',
    'mariadb': 'SELECT sleep(2)',
}


@pytest.fixture
def limited(own_server, own_conf):
    """A server that gives each statement of telemetry one second."""
    change = LIMITS[own_server.name]
    own_server.sql(change.format(1))
    hang_up(own_server)  # the limit is for new connections
    yield own_server
    own_server.sql(change.format(0))
    hang_up(own_server)


@pytest.fixture
def other(limited):
    """A connection of another process."""
    engine = sa.create_engine(limited.url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_a_query_that_takes_too_long_is_ended(
    limited, own_conf, other, caplog
):
    client = Client(deploy.load(own_conf))
    other.exec_driver_sql(LOCKS[limited.name])
    answer = client.get('/v2/samples')
    assert answer.status_code == 503
    assert answer.json['error_message']['faultstring'] == (
        'The query took too long, and the database ended it. Ask for less at '
        'a time.'
    )
    assert 'The database ended a query: database ' in caplog.text
    assert SAID[limited.name] in caplog.text
    other.invalidate()
    assert client.get('/v2/samples').status_code == 200


def test_a_migration_takes_its_time(limited, own_conf, monkeypatch):
    slept = []

    def migrate(connection, version):
        slept.append(connection.exec_driver_sql(SLEEPS[limited.name]).scalar())

    monkeypatch.setattr(migrations, 'pending', lambda *_: ['one'])
    monkeypatch.setattr(migrations, 'upgrade', migrate)
    storage.Storage(own_conf).upgrade()
    assert slept == [0]


def test_the_expirer_takes_its_time(limited, own_conf, other):
    other.exec_driver_sql(LOCKS[limited.name])
    store = storage.Storage(own_conf)
    with futures.ThreadPoolExecutor() as pool:
        expired = pool.submit(store.expire, datetime.datetime(2026, 1, 1))
        with pytest.raises(TimeoutError):
            expired.result(2)  # longer than the limit
        other.invalidate()
        assert expired.result().samples == 0


def test_an_upgrade_waits_for_another(limited, own_conf, monkeypatch):
    inside = threading.Event()
    leave = threading.Event()

    def migrate(connection, version):
        inside.set()
        assert leave.wait(60)

    with futures.ThreadPoolExecutor() as pool:
        with monkeypatch.context() as patch:
            patch.setattr(migrations, 'pending', lambda *_: ['one'])
            patch.setattr(migrations, 'upgrade', migrate)
            first = pool.submit(storage.Storage(own_conf).upgrade)
            assert inside.wait(60)
        second = pool.submit(storage.Storage(own_conf).upgrade)
        with pytest.raises(TimeoutError):
            second.result(2)  # longer than the limit
        leave.set()
        assert first.result() == second.result()
