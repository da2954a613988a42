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
import alembic.script

from telemetry.storage import errors, versions


def _config(connection=None):
    config = alembic.config.Config(attributes={'connection': connection})
    config.set_main_option('script_location', 'telemetry.storage:migrations')
    return config


def _script():
    return alembic.script.ScriptDirectory.from_config(_config())


def pending(connection, expand_only=False):
    """Return the versions that the database still lacks, in order.

    :param expand_only: without those that older code cannot work with
    :raises SchemaMissing: it is at a version that this package does not know
    """
    found = versions.current(connection)
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
        major, _ = versions.parsed(found)
        return [one for one in missing if versions.parsed(one)[0] == major]
    return missing


def upgrade(connection, version):
    """Bring the database to a version, unless it is there already."""
    if version in pending(connection):
        alembic.command.upgrade(_config(connection), version)
