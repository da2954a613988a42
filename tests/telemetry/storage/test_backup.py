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
"""The scripts that back up and restore: nothing is lost."""

import collections
import os
import pathlib
import subprocess
import threading
import time

import pytest
import sqlalchemy as sa
import telemetry.conf
from telemetry.api import deploy
from werkzeug.test import Client

from tests.telemetry.storage.conftest import drop
from tests.telemetry.storage.samples import at, sample

SCRIPTS = pathlib.Path(telemetry.__file__).parents[1] / 'backup'
LIMIT = 60
PATHS = (
    '/v2/meters',
    '/v2/meters?unique=true',
    '/v2/resources',
    '/v2/samples',
    '/v2/samples?q.field=metadata.flavor.ram&q.value=2048&q.type=integer',
    '/v2/meters/cpu',
    '/v2/meters/cpu/statistics?groupby=resource_id&period=60',
)
SAMPLES = [
    sample(
        resource_id=f'vm {number % 3}',
        counter_volume=volume,
        timestamp=at(number * 40),
        resource_metadata={
            'flavor': {'name': 'klein 🚀', 'ram': 2048},
            'tags': ["it's", '"quoted"', 'back\\slash', 'new\nline', '%s $1'],
            'running': True,
        },
    )
    for number, volume in enumerate([0.1, -1e-300, 1e300, 2**53 - 1, 1 / 3])
] + [
    sample(
        counter_name='disk ä; DROP TABLE sample',
        source=None,
        user_id=None,
        project_id=None,
    ),
]


@pytest.fixture
def run(url, sqlite_file, database_server):
    """A function that runs a script of the database, on a file."""
    backend = sa.make_url(url).get_backend_name()
    kind = {'mysql': 'mariadb'}.get(backend, backend)
    environ = {'TELEMETRY_SQLITE': str(sqlite_file)}
    if kind != 'sqlite':
        environ = database_server(kind).environment()

    def run(name, file):
        done = subprocess.run(
            ['sh', SCRIPTS / kind / f'{name}.sh', file],
            env=os.environ | environ,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout + done.stderr == ''

    return run


@pytest.fixture
def client(url, monkeypatch, tmp_path):
    """A function: a client of a service that has just been started."""
    monkeypatch.setenv('OS_TELEMETRY_CONFIG_DIR', str(tmp_path))
    monkeypatch.setenv('OS_DATABASE__CONNECTION', url)
    return lambda: Client(deploy.load(telemetry.conf.load()))


def answers(client):
    found = {path: client.get(path) for path in PATHS}
    assert {answer.status_code for answer in found.values()} == {200}
    return {path: answer.json for path, answer in found.items()}


def test_a_restored_service_answers_the_same(
    storage, url, sqlite_file, run, client, tmp_path
):
    file = tmp_path / 'backup'
    storage.add_samples(SAMPLES)
    before = answers(client())
    assert all(before.values())
    version = storage.version()
    run('backup', file)
    # What comes after the backup is not in it.
    storage.add_samples([sample(resource_id='too late')])
    storage.close()
    run('restore', file)
    assert answers(client()) == before
    # And now all is lost.
    storage.close()
    drop(url)
    sqlite_file.unlink(missing_ok=True)
    run('restore', file)
    assert storage.version() == version
    # telemetry-dbsync has nothing to do, but for the mode of SQLite's file.
    assert storage.upgrade() == version
    assert answers(client()) == before
    # Writing goes on where it was: new rows have new numbers.
    storage.add_samples([sample(resource_id='new')])
    assert len(storage.samples()) == len(SAMPLES) + 1


class Writer:
    """Stores batches of three until it is left; each of them is whole."""

    def __init__(self, storage):
        self._storage = storage
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.stored = []

    def _run(self):
        while not self._stop.is_set():
            name = f'batch {len(self.stored)}'
            self._storage.add_samples(
                [sample(resource_id=name) for _ in range(3)]
            )
            self.stored.append(name)

    def wait_for(self, number):
        limit = time.monotonic() + LIMIT
        while len(self.stored) < number:
            assert time.monotonic() < limit
            assert self._thread.is_alive()
            time.sleep(0.01)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._stop.set()
        self._thread.join(LIMIT)


def test_a_backup_beside_writers_has_whole_batches(storage, run, tmp_path):
    file = tmp_path / 'backup'
    with Writer(storage) as writer:
        writer.wait_for(3)
        sure = list(writer.stored)
        run('backup', file)
        writer.wait_for(len(writer.stored) + 1)
    storage.close()
    run('restore', file)
    found = collections.Counter(each.resource_id for each in storage.samples())
    assert found.keys() >= set(sure)
    assert found.keys() < set(writer.stored)
    assert set(found.values()) == {3}


@pytest.mark.parametrize('url', ['postgresql'], indirect=True)
def test_a_broken_backup_leaves_what_is_there(storage, run, tmp_path):
    """The other databases cannot do that in one transaction."""
    storage.add_samples(SAMPLES)
    file = tmp_path / 'backup'
    run('backup', file)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(AssertionError, match='pg_restore'):
        run('restore', file)
    assert len(storage.samples()) == len(SAMPLES)
