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
"""Several processes and threads on one database."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import sqlite3
import threading
import time

import pytest
import sqlalchemy as sa

from tests.telemetry.storage import processes
from tests.telemetry.storage.samples import at, sample, where

LIMIT = 60


@pytest.fixture(scope='module')
def run_at_once():
    """Return a function that runs three of the processes module at once."""
    context = multiprocessing.get_context('spawn')
    barrier = context.Barrier(3)
    with concurrent.futures.ProcessPoolExecutor(
        3, context, initializer=processes.keep, initargs=(barrier,)
    ) as executor:

        def run(url, *functions):
            futures = [
                executor.submit(function, url, number)
                for number, function in enumerate(functions)
            ]
            for future in futures:
                future.result(timeout=LIMIT)

        yield run


def test_processes_that_bring_the_same_new_series(run_at_once, storage, url):
    run_at_once(url, *[processes.write_and_read] * 3)
    count = storage.statistics()[0].values['count']
    assert count == 3 * processes.ROUNDS * 3
    assert len(storage.meters()) == processes.ROUNDS * 3


def test_processes_that_write_while_another_one_expires(
    run_at_once, storage, url
):
    run_at_once(
        url, processes.write_old, processes.write_old, processes.expire
    )
    storage.expire(at(500))
    assert len(storage.samples()) == 2 * 2 * processes.ROUNDS
    assert len(storage.meters()) == 3


@pytest.mark.usefixtures('no_tables')
def test_processes_that_create_the_tables_at_once(
    run_at_once, make_storage, url
):
    run_at_once(url, *[processes.upgrade] * 3)
    assert make_storage(url).version()


def test_threads_share_a_storage(storage):
    def work(number):
        storage.add_samples([sample(resource_id=f'vm {number % 3}')])
        return len(storage.samples(where('counter_name', '=', 'cpu')))

    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        seen = list(executor.map(work, range(80)))
    assert max(seen) == 80
    assert len(storage.meters()) == 3


def test_a_writer_waits_and_a_reader_does_not(sqlite_storage, sqlite_file):
    """One second is longer than any wait of a lesser kind."""
    with contextlib.closing(
        sqlite3.connect(sqlite_file, isolation_level=None)
    ) as other:
        other.execute('BEGIN IMMEDIATE')
        writer = threading.Thread(
            target=sqlite_storage.add_samples, args=([sample()],)
        )
        writer.start()
        writer.join(1)
        assert writer.is_alive()
        assert sqlite_storage.samples() == []
        other.execute('ROLLBACK')
        writer.join(LIMIT)
    assert len(sqlite_storage.samples()) == 1


@pytest.fixture
def connects():
    """Return the ids of the processes that opened a connection from now."""
    opened = []

    def record(connection, record):
        opened.append(os.getpid())

    sa.event.listen(sa.Pool, 'connect', record)
    yield opened
    sa.event.remove(sa.Pool, 'connect', record)


def test_a_child_makes_its_own_connections(storage, connects):
    storage.add_samples([sample(message_id='parent')])
    connects.clear()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        answer = b'failed'
        with contextlib.suppress(BaseException):
            storage.add_samples([sample(message_id='child')])
            if set(connects) == {os.getpid()} and len(storage.samples()) == 2:
                answer = b'good'
        os.write(writer, answer)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, 'rb') as pipe:
        assert pipe.read() == b'good'
    os.waitpid(child, 0)
    # The parent goes on with the connections it had.
    assert {each.message_id for each in storage.samples()} == {
        'parent',
        'child',
    }
    storage.add_samples([sample(message_id='again')])
    assert connects == []


def test_a_child_of_a_busy_parent_is_not_stuck(storage):
    """Fork while another thread is just opening the database."""
    opening, go_on = threading.Event(), threading.Event()

    def wait(connection, record):
        opening.set()
        go_on.wait(LIMIT)

    sa.event.listen(sa.Pool, 'connect', wait, once=True)
    thread = threading.Thread(target=storage.check)
    # The storage fixture has opened it; forget that, as after a fork.
    storage._database._forked()
    thread.start()
    assert opening.wait(LIMIT)
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(BaseException):
            storage.check()
            status = 0
        os._exit(status)
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        time.sleep(0.01)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
    go_on.set()
    thread.join(LIMIT)
    assert ended and status == 0


def test_making_a_storage_opens_nothing(make_storage, connects):
    make_storage('sqlite:////no/such/folder/telemetry.sqlite')
    make_storage('no database URL at all')
    assert connects == []


def test_a_closed_storage_opens_again(storage, connects):
    storage.check()
    assert connects == []
    storage.close()
    storage.check()
    assert len(connects) == 1


def test_sqlite_keeps_its_connections(sqlite_storage, connects):
    for _ in range(5):
        sqlite_storage.add_samples([sample()])
        sqlite_storage.samples()
    assert connects == []


def test_sqlite_writes_ahead(sqlite_storage, sqlite_file):
    with contextlib.closing(sqlite3.connect(sqlite_file)) as connection:
        mode = connection.execute('PRAGMA journal_mode').fetchone()
    assert mode == ('wal',)
