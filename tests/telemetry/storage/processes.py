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
"""What the processes of the concurrency tests do; started by spawn."""

import telemetry.conf
from telemetry.storage import Storage

from tests.telemetry.storage.samples import at, sample

ROUNDS = 10

_barrier = None


def keep(barrier):
    """Keep the barrier, which reaches a process only as it starts."""
    global _barrier  # noqa: PLW0603
    _barrier = barrier


def open_storage(url):
    conf = telemetry.conf.new()
    conf([], default_config_files=[], default_config_dirs=[])
    conf.set_override('connection', url, group='database')
    return Storage(conf)


def write_and_read(url, number):
    """In each round, all processes bring the same new series at once."""
    storage = open_storage(url)
    for turn in range(ROUNDS):
        _barrier.wait(60)
        storage.add_samples(
            [
                sample(
                    message_id=f'{number} {turn} {meter}',
                    counter_name=f'meter {turn} {meter}',
                    timestamp=at(turn),
                    resource_metadata={'turn': turn},
                )
                for meter in range(3)
            ]
        )
        assert len(storage.samples(limit=3)) == 3


def write_old(url, number):
    """Write what expire, running at the same time, removes as unused."""
    storage = open_storage(url)
    _barrier.wait(60)
    for turn in range(ROUNDS * 2):
        for moment in (at(0), at(1000)):
            storage.add_samples(
                [
                    sample(
                        message_id=f'{number} {turn} {moment}',
                        counter_name=f'meter {moment} {turn % 3}',
                        timestamp=moment,
                        resource_metadata={'turn': turn % 3},
                    )
                ]
            )


def expire(url, number):
    storage = open_storage(url)
    _barrier.wait(60)
    for _ in range(ROUNDS * 2):
        storage.expire(at(500), batch=2)


def upgrade(url, number):
    storage = open_storage(url)
    _barrier.wait(60)
    storage.upgrade()
    storage.check()
