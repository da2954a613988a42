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
"""The tables come from the migrations, and are those of the schema."""

import alembic.autogenerate
import alembic.migration
import pytest
import sqlalchemy as sa
from telemetry.storage import errors, schema, versions

from tests.telemetry.storage.samples import sample

pytestmark = pytest.mark.usefixtures('no_tables')


def test_upgrade_is_safe_to_repeat(make_storage, url):
    storage = make_storage(url)
    assert storage.version() is None
    version = storage.upgrade()
    storage.add_samples([sample()])
    assert storage.upgrade() == version == storage.version()
    assert len(storage.samples()) == 1


def test_migrations_make_the_schema(storage, url):
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        context = alembic.migration.MigrationContext.configure(
            connection, opts={'compare_type': True}
        )
        differences = alembic.autogenerate.compare_metadata(
            context, schema.metadata
        )
    engine.dispose()
    assert differences == []


def test_migrations_end_at_the_version_that_the_code_knows(storage):
    assert storage.version() == versions.NEWEST


def test_missing_tables_name_the_command(make_storage, url):
    storage = make_storage(url)
    for call in (storage.check, storage.samples, storage.statistics):
        with pytest.raises(errors.SchemaMissing, match='telemetry-dbsync'):
            call()
    with pytest.raises(errors.SchemaMissing, match='telemetry-dbsync'):
        storage.add_samples([sample()])
    storage.upgrade()
    storage.check()


def test_tables_lost_later_name_the_command(storage, url):
    storage.check()
    engine = sa.create_engine(url)
    schema.metadata.drop_all(engine)
    for call in (storage.check, storage.samples):
        with pytest.raises(errors.SchemaMissing, match='telemetry-dbsync'):
            call()
    engine.dispose()


def test_another_version_of_the_tables_is_named(make_storage, storage, url):
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE alembic_version SET version_num = '999'")
        )
    engine.dispose()
    newer = make_storage(url)
    with pytest.raises(errors.SchemaMissing, match=r'version 999 .* needs'):
        newer.check()
    with pytest.raises(errors.SchemaMissing, match='version 999, which this'):
        newer.upgrade()
    assert newer.version() == '999'


@pytest.mark.parametrize(
    ('version', 'works'),
    [
        ('001', True),
        ('001.7', True),
        ('002', False),
        ('002.1', False),
        ('000.9', False),
        ('of another service', False),
    ],
)
def test_tables_may_be_expanded_but_not_contracted(
    make_storage, storage, url, version, works
):
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            sa.text('UPDATE alembic_version SET version_num = :version'),
            {'version': version},
        )
    engine.dispose()
    found = make_storage(url)
    if works:
        found.check()
    else:
        with pytest.raises(errors.SchemaMissing, match=version):
            found.check()
