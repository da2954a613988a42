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
"""The version that the tables have, and those that this code works with.

A version is MAJOR or MAJOR.MINOR. One that only *expands* the tables, so that
older code goes on working with them, is a new MINOR. One that *contracts*
them, that is, takes away or forbids what older code needs, is a new MAJOR.

What serves looks at the version without alembic, which only telemetry-dbsync
imports.
"""

import math
import re

import sqlalchemy as sa

from telemetry.storage import errors

#: The oldest version of the tables that this code works with.
OLDEST = '001'
#: The version that it makes.
NEWEST = '001'

# Alembic's own.
_TABLE = sa.table('alembic_version', sa.column('version_num'))


def parsed(version):
    """Return (major, minor); what is no such version is beyond all."""
    found = re.fullmatch(r'(\d+)(?:\.(\d+))?', version)
    return (int(found[1]), int(found[2] or 0)) if found else (math.inf, 0)


def current(connection):
    """Return the version that the database has; None if it has no tables."""
    if not sa.inspect(connection).has_table(_TABLE.name):
        return None
    return connection.scalar(sa.select(_TABLE.c.version_num))


def check(connection):
    """Raise SchemaMissing unless this code works with the database.

    It does from OLDEST on, and until the tables are contracted further than
    it knows.
    """
    found = current(connection)
    if found is None:
        raise errors.SchemaMissing(
            'the database has no tables of this service; run telemetry-dbsync'
        )
    if parsed(found) < parsed(OLDEST):
        raise errors.SchemaMissing(
            f'the database is at version {found} and this service needs '
            f'{OLDEST}; run the telemetry-dbsync of this version'
        )
    if parsed(found)[0] > parsed(NEWEST)[0]:
        raise errors.SchemaMissing(
            f'the database is at version {found} and this service needs '
            f'{NEWEST}, or one that only adds to it; install a newer version '
            'of this service'
        )
