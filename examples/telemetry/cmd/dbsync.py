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
"""``telemetry-dbsync``: creates or upgrades the tables of the service."""

from oslo_config import cfg

from telemetry import storage
from telemetry.cmd import shell

CLI_OPTS = [
    cfg.BoolOpt(
        'expand',
        default=False,
        help='Only add to the tables, so that an older version of the '
        'service goes on working with them. Run the command again without '
        'this option when no older version runs any more.',
    ),
]


def main(argv=None):
    """Run the command and return its exit status."""
    return shell.run(
        'telemetry-dbsync',
        sync,
        argv,
        cli_opts=CLI_OPTS,
        description='Create the tables of the telemetry API in the database '
        'that [database] connection names, or upgrade them to this version. '
        'It does no harm to run it again, or twice at once.',
    )


def sync(conf):
    """Bring the tables to this version, and print what was done."""
    store = storage.Storage(conf)
    before = store.version()
    after = store.upgrade(expand_only=conf.expand)
    if before is None:
        print(f'Created the tables, version {after}.')
    elif before != after:
        print(f'Upgraded the tables from version {before} to {after}.')
    else:
        print(f'The tables are at version {after} already.')
