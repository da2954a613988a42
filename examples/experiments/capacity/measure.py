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

"""Measures one database."""

import contextlib
import datetime
import os
import pathlib
import random
import re
import sqlite3
import statistics
import subprocess
import threading
import time
import uuid

import sqlalchemy as sa
from telemetry import storage
from telemetry.storage import base

SCRIPTS = pathlib.Path(__file__).parents[2] / 'backup'
RESOURCES = 50
METERS = 20
INTERVAL = datetime.timedelta(minutes=1)
#: Half of them are removed: more than one round of all meters.
FEWEST = 4 * RESOURCES * METERS
BATCH = 1000
_FIRST = datetime.datetime(2026, 1, 1)
#: Seconds from the end of one write to the start of the next.
_PAUSE = 0.02
#: How long writes without the expirer are watched.
_ALONE = 3
_DISK = {
    'postgresql': "SELECT pg_database_size('telemetry');",
    'mariadb': """
        SELECT sum(file_size) FROM information_schema.innodb_sys_tablespaces
        WHERE name LIKE 'telemetry/%';
        """,
}
_VERSION = {
    'postgresql': 'SHOW server_version;',
    'mariadb': 'SELECT version();',
}


class ExperimentError(Exception):
    """Something did not do what was asked; the message says what."""


def measure(store, samples, folder):
    """Return what was found on a database: a dict as the data file has it.

    :param store: a :class:`comparison.stores.Store` with tables, and empty
    :param samples: how many are stored
    :param folder: a folder for the backup
    :raises ExperimentError: the backup fails, or samples are missing
    """
    half = samples // 2
    bytes_, seconds, writes = {}, {}, {}
    with contextlib.closing(storage.Storage(store.conf())) as stored:
        bytes_['empty'] = _disk(store)
        with _timed(seconds, 'store'):
            _fill(stored, 0, samples)
        bytes_['full'] = _disk(store)
        file = folder / f'{store.name}.backup'
        with _timed(seconds, 'backup'):
            _back_up(store, file)
        bytes_['backup'] = file.stat().st_size
        file.unlink()
        with Writer(stored, 'alone') as writer:
            time.sleep(_ALONE)
        writes['alone'] = writer.summary()
        with Writer(stored, 'beside') as writer, _timed(seconds, 'expire'):
            removed = stored.expire(_moment(half), BATCH).samples
        writes['beside'] = writer.summary()
        # Of one moment there may be a few more.
        if not half - RESOURCES * METERS <= removed <= half:
            raise ExperimentError(
                f'{store.name}: {removed} samples were removed, not {half}'
            )
        _tidy(store)
        bytes_['expired'] = _disk(store)
        _fill(stored, samples, removed)
        bytes_['refilled'] = _disk(store)
    return {
        'version': _version(store),
        'removed': removed,
        'bytes': bytes_,
        'seconds': seconds,
        'writes': writes,
    }


class Writer:
    """A client that stores one sample at a time until it is left."""

    def __init__(self, stored, name):
        self._stored = stored
        self._name = name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._milliseconds = []
        self._failure = None

    def _run(self):
        while not self._stop.wait(_PAUSE):
            number = len(self._milliseconds)
            sample = _sample(number, f'{self._name} {number}')
            # Those are never removed.
            sample.timestamp += datetime.timedelta(days=3650)
            started = time.monotonic()
            try:
                self._stored.add_samples([sample])
            except Exception as error:
                self._failure = error
                return
            self._milliseconds.append((time.monotonic() - started) * 1000)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._stop.set()
        self._thread.join()
        if self._failure:
            raise ExperimentError(f'a write failed: {self._failure}')

    def summary(self):
        """Return how many writes there were, and how long they took."""
        return {
            'count': len(self._milliseconds),
            'median_ms': round(statistics.median(self._milliseconds), 2),
            'longest_ms': round(max(self._milliseconds), 2),
        }


def _fill(stored, start, number):
    rng = random.Random(start)
    for first in range(start, start + number, BATCH):
        stored.add_samples(
            [
                _sample(index, str(uuid.UUID(int=rng.getrandbits(128))))
                for index in range(first, min(first + BATCH, start + number))
            ]
        )


def _moment(number):
    return _FIRST + number // (RESOURCES * METERS) * INTERVAL


def _sample(number, message_id):
    """Every meter of every resource in turn, an interval after the other."""
    resource = number // METERS % RESOURCES
    name = str(uuid.UUID(int=resource))
    moment = _moment(number)
    return base.Sample(
        message_id=message_id,
        source='openstack',
        counter_name=f'disk.device.meter.{number % METERS}',
        counter_type='gauge',
        counter_unit='B',
        counter_volume=float(number),
        user_id=str(uuid.UUID(int=1000 + resource % 5)),
        project_id=str(uuid.UUID(int=2000 + resource % 5)),
        resource_id=name,
        timestamp=moment,
        recorded_at=moment + datetime.timedelta(seconds=2),
        resource_metadata={
            'display_name': f'vm-{resource}',
            'host': f'compute-{resource % 10}.example.org',
            'instance_id': name,
            'flavor': {'name': 'm1.small', 'ram': '2048', 'vcpus': '1'},
            'image': {'name': 'debian-12'},
            'status': 'active',
        },
    )


def _disk(store):
    """Return how many bytes the tables and indexes take on the disk."""
    if store.server is None:
        path = pathlib.Path(sa.make_url(store.url).database)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
        return path.stat().st_size
    return int(store.server.sql(_DISK[store.name]))


def _tidy(store):
    """Let PostgreSQL give room free now, as it does by itself a bit later."""
    if store.name == 'postgresql':
        store.server.sql('\\connect telemetry\nVACUUM;')


def _version(store):
    if store.server is None:
        return sqlite3.sqlite_version
    return re.match(r'[\d.]+', store.server.sql(_VERSION[store.name]))[0]


def _back_up(store, file):
    environ = (
        {'TELEMETRY_SQLITE': sa.make_url(store.url).database}
        if store.server is None
        else store.server.environment()
    )
    done = subprocess.run(
        ['sh', SCRIPTS / store.name / 'backup.sh', file],
        env=os.environ | environ,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise ExperimentError(f'the backup failed: {done.stderr}')


@contextlib.contextmanager
def _timed(seconds, name):
    started = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - started, 2)
