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
"""A database that cannot be used is said in one line, without passwords."""

import socket
import sqlite3

import pytest
from telemetry.storage import errors

from tests.telemetry.storage.samples import sample


@pytest.fixture
def closed_port():
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        yield listener.getsockname()[1]


def check(storage, *words):
    for call in (
        storage.check,
        storage.samples,
        storage.upgrade,
        storage.version,
        lambda: storage.add_samples([sample()]),
    ):
        with pytest.raises(errors.StorageUnavailable) as caught:
            call()
        text = str(caught.value)
        assert '\n' not in text
        assert 'secret' not in text
        for word in words:
            assert word in text


@pytest.mark.parametrize(
    'driver', ['postgresql+psycopg', 'mysql+pymysql', 'mariadb+pymysql']
)
def test_nobody_listens(make_storage, closed_port, driver):
    url = f'{driver}://ann:secret@127.0.0.1:{closed_port}/telemetry'
    check(make_storage(url), f'@127.0.0.1:{closed_port}/telemetry', 'refused')


def test_a_password_in_the_query_is_hidden(make_storage, closed_port):
    url = f'postgresql+psycopg://127.0.0.1:{closed_port}/x?password=secret'
    check(make_storage(url), f'127.0.0.1:{closed_port}/x: ')


def test_no_such_folder(make_storage, tmp_path):
    path = tmp_path / 'missing' / 'telemetry.sqlite'
    check(make_storage(f'sqlite:///{path}'), str(path), 'unable to open')


def test_not_a_database(make_storage, sqlite_file):
    sqlite_file.write_text('secret of some other kind ' * 100)
    check(
        make_storage(f'sqlite:///{sqlite_file}'),
        str(sqlite_file),
        'file is not a database',
    )


@pytest.mark.parametrize(
    ('url', 'words'),
    [
        ('', '[database] connection is not set'),
        ('secret', '[database] connection is not a database URL such as'),
        ('nosuch://ann:secret@host/x', '[database] connection needs a driver'),
        (
            'postgresql+nosuch://ann:secret@host/x',
            '[database] connection needs a driver',
        ),
    ],
)
def test_a_connection_that_is_none(make_storage, url, words):
    check(make_storage(url), words)


def test_a_database_that_comes_back_is_used_again(sqlite_storage, sqlite_file):
    sqlite_storage.add_samples([sample()])
    with sqlite3.connect(sqlite_file) as connection:
        connection.execute('ALTER TABLE sample RENAME TO away')
    connection.close()
    with pytest.raises(errors.SchemaMissing, match='telemetry-dbsync'):
        sqlite_storage.samples()
    with sqlite3.connect(sqlite_file) as connection:
        connection.execute('ALTER TABLE away RENAME TO sample')
    connection.close()
    assert len(sqlite_storage.samples()) == 1


def test_no_free_connection(make_storage, sqlite_storage, sqlite_file):
    small = make_storage(
        f'sqlite:///{sqlite_file}',
        max_pool_size=1,
        max_overflow=0,
        pool_timeout=1,
    )
    with small._database.read():
        check_one(small.samples, 'QueuePool limit of size 1')
    assert small.samples() == []


def check_one(call, words):
    with pytest.raises(errors.StorageUnavailable, match=words):
        call()
