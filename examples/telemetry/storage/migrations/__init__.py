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
"""Schema migrations, run by alembic from inside the installed package.

A version is MAJOR or MAJOR.MINOR. One that only *expands* the tables, so that
older code goes on working with them, is a new MINOR. One that *contracts*
them, that is, takes away or forbids what older code needs, is a new MAJOR.
"""

import math
import re

import alembic.command
import alembic.config
import alembic.migration
import alembic.script

from telemetry.storage import errors

#: The oldest version of the tables that this code works with.
OLDEST = '001'


def _config(connection=None):
    config = alembic.config.Config(attributes={'connection': connection})
    config.set_main_option('script_location', 'telemetry.storage:migrations')
    return config


def _script():
    return alembic.script.ScriptDirectory.from_config(_config())


def _parsed(version):
    """Return (major, minor); what is no such version is beyond all."""
    found = re.fullmatch(r'(\d+)(?:\.(\d+))?', version)
    return (int(found[1]), int(found[2] or 0)) if found else (math.inf, 0)


def current(connection):
    """Return the version that the database has; None if it has no tables."""
    context = alembic.migration.MigrationContext.configure(connection)
    return context.get_current_revision()


def pending(connection, expand_only=False):
    """Return the versions that the database still lacks, in order.

    :param expand_only: without those that older code cannot work with
    :raises SchemaMissing: it is at a version that this package does not know
    """
    found = current(connection)
    known = [one.revision for one in _script().walk_revisions()][::-1]
    if found is None:
        return known
    if found not in known:
        raise errors.SchemaMissing(
            f'the database is at version {found}, which this version of '
            'telemetry-dbsync does not know; run the newer one'
        )
    missing = known[known.index(found) + 1 :]
    if expand_only:
        major, _ = _parsed(found)
        return [one for one in missing if _parsed(one)[0] == major]
    return missing


def upgrade(connection, version):
    """Bring the database to a version, unless it is there already."""
    if version in pending(connection):
        alembic.command.upgrade(_config(connection), version)


def check(connection):
    """Raise SchemaMissing unless this code works with the database.

    It does from OLDEST on, and until the tables are contracted further than
    it knows.
    """
    found, newest = current(connection), _script().get_current_head()
    if found is None:
        raise errors.SchemaMissing(
            'the database has no tables of this service; run telemetry-dbsync'
        )
    if _parsed(found) < _parsed(OLDEST):
        raise errors.SchemaMissing(
            f'the database is at version {found} and this service needs '
            f'{OLDEST}; run the telemetry-dbsync of this version'
        )
    if _parsed(found)[0] > _parsed(newest)[0]:
        raise errors.SchemaMissing(
            f'the database is at version {found} and this service needs '
            f'{newest}, or one that only adds to it; install a newer version '
            'of this service'
        )
