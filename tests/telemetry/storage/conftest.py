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

SQLite by default. To run the tests of this folder on another database, name
an empty one in TELEMETRY_TEST_CONNECTION; each test empties it again.
"""

import os

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


@pytest.fixture
def url(sqlite_file):
    """Return the URL of an empty database."""
    other = os.environ.get('TELEMETRY_TEST_CONNECTION')
    if not other:
        return f'sqlite:///{sqlite_file}'
    engine = sa.create_engine(other)
    with engine.begin() as connection:
        schema.metadata.drop_all(connection)
        connection.execute(sa.text('DROP TABLE IF EXISTS alembic_version'))
    engine.dispose()
    return other


@pytest.fixture
def storage(make_storage, url):
    """Return a Storage with its tables and nothing in them."""
    storage = make_storage(url)
    storage.upgrade()
    return storage


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
