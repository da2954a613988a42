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
"""Storage on a fresh database for each test.

Most tests of this folder run on each kind of database.
"""

import contextlib

import databases
import pytest
import sqlalchemy as sa
import telemetry.conf
from telemetry.storage import Storage, schema


@pytest.fixture
def make_storage():
    """Return a function that makes a Storage for a database URL."""

    def make(url, **options):
        conf = telemetry.conf.new()
        conf([], default_config_files=[], default_config_dirs=[])
        conf.set_override('connection', url, group='database')
        for name, value in options.items():
            conf.set_override(name, value, group='database')
        return Storage(conf)

    return make


@pytest.fixture
def sqlite_file(tmp_path):
    return tmp_path / 'telemetry.sqlite'


@pytest.fixture(params=['sqlite', *databases.find()])
def url(request, sqlite_file, database_server):
    """Return the URL of a database; it may have tables, with rows."""
    if request.param == 'sqlite':
        return f'sqlite:///{sqlite_file}'
    return database_server(request.param).url


@pytest.fixture
def no_tables(url):
    """Take all tables away before the test, and after it."""
    drop(url)
    yield
    drop(url)


@pytest.fixture
def storage(make_storage, url):
    """Return a Storage with its tables and nothing in them."""
    storage = make_storage(url)
    storage.upgrade()
    with changed(url) as connection:
        for table in reversed(schema.metadata.sorted_tables):
            connection.execute(table.delete())
    return storage


def drop(url):
    with changed(url) as connection:
        schema.metadata.drop_all(connection)
        connection.execute(sa.text('DROP TABLE IF EXISTS alembic_version'))


@contextlib.contextmanager
def changed(url):
    """Give a transaction on a connection of its own."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def sqlite_storage(make_storage, sqlite_file):
    """Return the same on SQLite, whatever the other tests run on."""
    storage = make_storage(f'sqlite:///{sqlite_file}')
    storage.upgrade()
    return storage


@pytest.fixture
def statements():
    """Return the (statement, parameters) sent to any database from now."""
    sent = []

    def record(connection, cursor, statement, parameters, context, many):
        sent.append((statement, parameters))

    sa.event.listen(sa.Engine, 'before_cursor_execute', record)
    yield sent
    sa.event.remove(sa.Engine, 'before_cursor_execute', record)
