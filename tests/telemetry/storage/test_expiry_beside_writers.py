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
"""Writers go on while the expirer removes: none fails, and none waits for
more than the batch that is being removed."""

import concurrent.futures
import itertools
import pathlib
import queue
import subprocess
import sys
import threading

import pytest
import telemetry.conf
from telemetry.api import deploy
from werkzeug.test import Client

from tests.telemetry.storage.samples import at, sample

LIMIT = 60


class Steps:
    """Stops another thread at points that it comes to, one by one."""

    def __init__(self):
        self._reached = queue.Queue()
        self._go = threading.Semaphore(0)

    def stop(self, point):
        """Called by the other thread: go on when told to."""
        self._reached.put(point)
        assert self._go.acquire(timeout=LIMIT)

    def end(self):
        """Called by the other thread: there is no further point."""
        self._reached.put(None)

    def next(self):
        """Wait until the other thread has come to a point, and return it."""
        return self._reached.get(timeout=LIMIT)

    def go(self):
        self._go.release()


@pytest.fixture
def expirer(make_storage, url):
    """Return Steps, and a Storage that stops while it has removed a batch
    that others still see, and again before it begins the next one."""
    storage = make_storage(url)
    steps = Steps()
    write = storage._database.write

    def write_in_steps(function):
        def stop_inside(connection):
            result = function(connection)
            steps.stop('within a batch')
            return result

        result = write(stop_inside)
        steps.stop('between batches')
        return result

    storage._database.write = write_in_steps
    yield steps, storage
    storage.close()


def test_a_writer_waits_for_one_batch_at_most(storage, expirer):
    """While the expirer stands between two batches, each write that began
    within the first one ends."""
    steps, removing = expirer
    storage.add_samples(
        [
            sample(
                timestamp=at(number),
                counter_name=f'old {number % 4}',
                resource_metadata={'number': number % 4},
            )
            for number in range(30)
        ]
    )
    # Those stay, and a writer brings more of the same kind, and new kinds.
    storage.add_samples([sample(timestamp=at(5000)) for _ in range(20)])
    written = itertools.count()

    def write():
        number = next(written)
        storage.add_samples(
            [
                sample(timestamp=at(6000 + number)),
                sample(timestamp=at(6000 + number), counter_name='young'),
                sample(
                    timestamp=at(6000 + number),
                    # Which the expirer may be about to remove.
                    counter_name=f'old {number % 4}',
                    resource_metadata={'number': number % 4},
                ),
            ]
        )

    def remove():
        try:
            return removing.expire(at(1000), batch=10)
        finally:
            steps.end()

    batches = 0
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        removal = executor.submit(remove)
        # The rows are removed, and the transaction is open.
        while steps.next() == 'within a batch':
            writing = executor.submit(write)
            steps.go()
            # The transaction is over, and no other one has begun.
            assert steps.next() == 'between batches'
            writing.result(LIMIT)
            batches += 1
            steps.go()
        assert removal.result(LIMIT).samples == 30
    # Three of samples and an empty one, and one of each other table.
    assert batches == 7
    assert len(storage.samples()) == 20 + 3 * batches


def test_the_command_beside_clients(storage, url, monkeypatch, tmp_path):
    """The real command and clients of the API, as fast as they can."""
    monkeypatch.setenv('OS_TELEMETRY_CONFIG_DIR', str(tmp_path))
    monkeypatch.setenv('OS_DATABASE__CONNECTION', url)
    storage.add_samples(
        [
            sample(
                timestamp=at(number),
                resource_id=f'vm {number % 50}',
                resource_metadata={'host': f'{number % 50}'},
            )
            for number in range(4000)
        ]
    )
    client = Client(deploy.load(telemetry.conf.load()))
    done = threading.Event()

    def post(caller):
        statuses = []
        while not done.is_set():
            item = {
                'counter_name': 'cpu',
                'counter_type': 'gauge',
                'counter_unit': '%',
                'counter_volume': 1,
                'resource_id': f'vm {len(statuses) % 50}',
                'resource_metadata': {'host': f'{len(statuses) % 50}'},
            }
            answer = client.post('/v2/meters/cpu', json=[item])
            statuses.append(answer.status_code)
        return statuses

    with concurrent.futures.ThreadPoolExecutor(3) as executor:
        callers = [executor.submit(post, number) for number in range(3)]
        command = pathlib.Path(sys.executable).with_name('telemetry-expirer')
        found = subprocess.run(
            [command, '--time-to-live', '86400', '--batch-size', '200'],
            capture_output=True,
            text=True,
        )
        done.set()
        statuses = [each for one in callers for each in one.result(LIMIT)]
    assert found.returncode == 0, found.stderr
    assert ' 4000 samples, ' in found.stdout
    assert statuses
    assert set(statuses) == {201}
    assert len(storage.samples()) == len(statuses)
