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
"""``telemetry-expirer``: removes samples that are too old."""

import datetime

from telemetry import conf as telemetry_conf
from telemetry import storage
from telemetry.cmd import shell


def main(argv=None):
    """Run the command and return its exit status."""
    return shell.run(
        'telemetry-expirer',
        expire,
        argv,
        settings=('expirer', telemetry_conf.EXPIRER_OPTS),
        description='Remove the samples that are older than [expirer] '
        'time_to_live, and the meters and resources that had no others.',
    )


def expire(conf):
    """Remove what is too old, and print how much that was."""
    seconds = conf.expirer.time_to_live
    if seconds <= 0:
        print('Nothing removed: [expirer] time_to_live keeps all samples.')
        return
    now = datetime.datetime.now(datetime.UTC)
    try:
        older_than = now - datetime.timedelta(seconds=seconds)
    except OverflowError:
        raise shell.CommandError(
            f'[expirer] time_to_live: {seconds} seconds is before the year 1'
        ) from None
    removed = storage.Storage(conf).expire(older_than, conf.expirer.batch_size)
    print(
        f'Removed from before {older_than:%Y-%m-%dT%H:%M:%SZ}: '
        f'{removed.samples} samples, {removed.series} series, '
        f'{removed.documents} metadata documents, {removed.meters} meters.'
    )
