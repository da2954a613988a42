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
"""Schema migrations, run by alembic from inside the installed package."""

import alembic.command
import alembic.config
import alembic.migration
import alembic.script

from telemetry.storage import errors


def _config(connection=None):
    config = alembic.config.Config(attributes={'connection': connection})
    config.set_main_option('script_location', 'telemetry.storage:migrations')
    return config


def _script():
    return alembic.script.ScriptDirectory.from_config(_config())


def current(connection):
    """Return the version that the database has; None if it has no tables."""
    context = alembic.migration.MigrationContext.configure(connection)
    return context.get_current_revision()


def upgrade(connection):
    """Bring the database to the newest version, which is returned.

    :raises SchemaMissing: it is at a version that this package does not know
    """
    found = current(connection)
    known = {revision.revision for revision in _script().walk_revisions()}
    if found not in known | {None}:
        raise errors.SchemaMissing(
            f'the database is at version {found}, which this version of '
            'telemetry-dbsync does not know; run the newer one'
        )
    alembic.command.upgrade(_config(connection), 'head')
    return current(connection)


def check(connection):
    """Raise SchemaMissing unless the database has the newest version."""
    found, needed = current(connection), _script().get_current_head()
    if found is None:
        raise errors.SchemaMissing(
            'the database has no tables of this service; run telemetry-dbsync'
        )
    if found != needed:
        raise errors.SchemaMissing(
            f'the database is at version {found} and this service needs '
            f'{needed}; run the telemetry-dbsync of this version'
        )
