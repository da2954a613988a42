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

"""The collector, as a process, with real sockets and databases."""

import collections
import contextlib
import random
import re
import signal
import socket
import sqlite3
import uuid

import databases
import msgpack
import pytest
from telemetry import conf as telemetry_conf
from telemetry.api import identity, posted
from telemetry.storage import Storage, base
from werkzeug import exceptions

from tests.telemetry.cmd.conftest import wait_for

# Eventlet is no style for deployers here, since it loses. But the experiment
# that says so needs a collector that works under it.
STYLES = {
    'threads': '',
    'eventlet': 'import telemetry.cmd.eventlet; ',
}
LISTENING = r'listening on udp://(\S+):(\d+), receive buffer (\d+) bytes'
COUNTS = (
    r'Received (\d+) datagrams: stored (\d+), dropped (\d+)'
    r'(?: \((.*)\))?\. Dropped by the kernel: (\d+)\.'
)
# Large enough for all that a test sends while nobody reads.
BUFFER = '4000000'


def message(**fields):
    """A sample as a publisher sends it."""
    return {
        'source': 'lab:openstack',
        'counter_name': 'cpu',
        'counter_type': 'gauge',
        'counter_unit': '%',
        'counter_volume': 1.5,
        'user_id': 'ann',
        'project_id': 'lab',
        'resource_id': 'vm 1',
        'timestamp': '2026-01-01T12:00:00.000005',
        'resource_metadata': {},
        'message_id': str(uuid.uuid4()),
        'monotonic_time': None,
        'message_signature': 'c0ffee',
    } | fields


class Running:
    """A collector, and the one who sends to it."""

    def __init__(self, command):
        self.command = command
        (self.listening,) = command.wait_for(LISTENING)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(('127.0.0.1', int(self.listening[2])))
        self.sent = 0

    def send(self, item):
        data = item if isinstance(item, bytes) else msgpack.packb(item)
        self.socket.send(data)
        self.sent += 1

    def ask_to_end(self):
        self.command.signal(signal.SIGTERM)

    def counts(self):
        """Return (stored, reason -> dropped), once it has ended.

        Nothing that was sent is missing in them.
        """
        (match,) = self.command.wait_for(COUNTS)
        received, stored, dropped, kernel = (
            int(match[number]) for number in (1, 2, 3, 5)
        )
        reasons = collections.Counter()
        for reason in filter(None, (match[4] or '').split(', ')):
            name, _, number = reason.rpartition(' ')
            reasons[name] = int(number)
        assert reasons.total() == dropped
        assert stored + dropped == received
        assert received + kernel == self.sent
        if kernel:
            reasons['kernel'] = kernel
        return stored, reasons

    def end(self):
        self.ask_to_end()
        assert self.command.wait() == 0
        assert 'Traceback' not in self.command.err.read_text()
        return self.counts()


@pytest.fixture
def database(root, storage_of):
    """The variables that name a new database with the tables in it."""
    url = f'sqlite:///{root}/telemetry.sqlite'
    storage_of(url).upgrade()
    return {'OS_DATABASE__CONNECTION': url}


@pytest.fixture
def collect(start, database):
    with contextlib.ExitStack() as stack:

        def collect(*arguments, style='threads', **variables):
            main = (
                f'{STYLES[style]}import sys; from telemetry.cmd import '
                'collector; sys.exit(collector.main())'
            )
            command = start(
                'python',
                '-c',
                main,
                '--udp-port=0',
                f'--receive-buffer={BUFFER}',
                *arguments,
                **database | variables,
            )
            running = Running(command)
            stack.enter_context(running.socket)
            return running

        yield collect


@pytest.fixture
def storage_of(monkeypatch, tmp_path):
    def storage_of(url):
        monkeypatch.setenv('OS_TELEMETRY_CONFIG_DIR', str(tmp_path))
        monkeypatch.setenv('OS_DATABASE__CONNECTION', url)
        return Storage(telemetry_conf.load())

    return storage_of


@pytest.fixture
def stored(database, storage_of):
    return storage_of(database['OS_DATABASE__CONNECTION'])


@pytest.fixture(params=['sqlite', *databases.find()])
def each_database(request, database, database_server, storage_of):
    """The URL of a database with tables."""
    if request.param == 'sqlite':
        return database['OS_DATABASE__CONNECTION']
    url = database_server(request.param).url
    storage_of(url).upgrade()
    return url


@pytest.fixture
def locked(tmp_path):
    """Let nobody else write to the SQLite file for a while."""

    @contextlib.contextmanager
    def locked():
        with contextlib.closing(
            sqlite3.connect(
                tmp_path / 'telemetry.sqlite', isolation_level=None
            )
        ) as connection:
            connection.execute('BEGIN IMMEDIATE')
            yield
            connection.execute('ROLLBACK')

    return locked


@pytest.mark.parametrize('style', STYLES)
def test_what_is_sent_is_stored(collect, style, each_database, storage_of):
    running = collect(style=style, OS_DATABASE__CONNECTION=each_database)
    sent = message(
        resource_id=str(uuid.uuid4()),
        resource_metadata={'flavor': {'ram': 512}, 'tags': ['a'], 'on': True},
    )
    running.send(sent)
    store = storage_of(each_database)
    found = wait_for(lambda: store.sample(sent['message_id']), 'the sample')
    for name in base.SAMPLE_FIELDS:
        if name not in ('timestamp', 'recorded_at'):
            assert getattr(found, name) == sent[name], name
    assert found.timestamp.isoformat() == sent['timestamp']
    assert running.end() == (1, {})
    store.close()


@pytest.mark.parametrize('style', STYLES)
def test_a_stop_stores_what_has_come(collect, style, stored):
    running = collect('--batch-timeout=3600', '--batch-size=300', style=style)
    for _ in range(1000):
        running.send(message())
    assert running.end() == (1000, {})
    assert len(stored.samples()) == 1000


def test_a_batch_waits_no_longer_than_it_should(collect, stored):
    running = collect('--batch-timeout=0.1', '--batch-size=1000')
    running.send(message(message_id='a'))
    wait_for(lambda: stored.sample('a'), 'the sample')
    assert running.end() == (1, {})


def test_what_a_sample_does_not_say_is_filled_in(collect, stored):
    running = collect()
    running.send(
        {
            name: value
            for name, value in message().items()
            if name in posted.MANDATORY
        }
    )
    assert running.end() == (1, {})
    (sample,) = stored.samples()
    assert sample.source == 'openstack'
    assert sample.message_id
    assert sample.project_id is None
    assert sample.timestamp == sample.recorded_at


MALFORMED = [
    (b'', 'not msgpack'),
    (b'\xc1', 'not msgpack'),
    (b'GET / HTTP/1.1\r\n\r\n', 'not msgpack'),
    (b'\x91' * 5000, 'not msgpack'),
    (msgpack.packb({1: 'x'}), 'not msgpack'),
    (msgpack.packb(message()) + b'\n', 'not msgpack'),
    (msgpack.packb([message()]), 'Each sample must be'),
    (message(counter_type='guess'), 'The counter type must be'),
    (message(counter_volume='much'), "Expected 'float', got 'str'"),
    (message(counter_volume=None), 'Mandatory field missing'),
    (message(counter_volume=float('nan')), 'The number is too large'),
    (message(resource_id='x' * 256), 'longer than 255 characters'),
    (message(resource_id='\0\x1b[31m\n'), r'\x1b[31m\n'),
    (message(message_id=7), 'field/attribute message_id'),
    (message(timestamp='noon'), 'invalid timestamp format'),
    (message(resource_metadata=['a']), 'field/attribute resource_metadata'),
    (message(color='red'), 'Unknown attribute: color'),
]


@pytest.mark.parametrize('style', STYLES)
def test_malformed_datagrams_are_told_once_in_an_interval(
    collect, style, stored
):
    running = collect('--log-interval=3600', '--batch-timeout=0', style=style)
    for item, _ in MALFORMED:
        running.send(item)
    running.send(message(message_id='good'))
    wait_for(lambda: stored.sample('good'), 'the good one')
    assert running.end() == (1, {'malformed': len(MALFORMED)})
    assert 'WARNING' not in running.command.err.read_text()


def test_the_reason_and_the_sender_are_told(collect):
    running = collect('--log-interval=0.1')
    port = running.socket.getsockname()[1]
    for number, (item, why) in enumerate(MALFORMED, 1):
        running.send(item)
        running.command.wait_for(
            r'WARNING .*Dropped: malformed 1 \(last: from 127\.0\.0\.1 port '
            rf'{port}: .*{re.escape(why)}.*\)\n',
            [each for _, each in MALFORMED[:number]].count(why),
        )


def test_random_bytes_do_no_harm(collect):
    running = collect()
    numbers = random.Random(4952)
    whole = msgpack.packb(message())
    for _ in range(300):
        running.send(numbers.randbytes(numbers.randrange(200)))
        torn = bytearray(whole)
        for _ in range(numbers.randrange(1, 5)):
            torn[numbers.randrange(len(torn))] = numbers.randrange(256)
        running.send(bytes(torn))
    stored, dropped = running.end()
    assert dropped['malformed'] > 300
    assert dropped.keys() <= {'malformed', 'refused by storage'}


def test_what_is_too_large_is_counted(collect):
    running = collect('--max-datagram-size=600', '--log-interval=0.1')
    running.send(message())
    running.send(message(resource_metadata={'a': 'b' * 600}))
    port = running.socket.getsockname()[1]
    running.command.wait_for(f'too large 1 .last: from 127.0.0.1 port {port}')
    assert running.end() == (1, {'too large': 1})


def test_the_largest_datagram_is_stored(collect, stored):
    running = collect()
    text = 'x' * (65507 - len(msgpack.packb(message())) - 10)
    running.send(message(resource_metadata={'a': text}))
    assert running.end() == (1, {})
    (sample,) = stored.samples()
    assert sample.resource_metadata == {'a': text}


def test_one_bad_sample_costs_no_other(collect, stored):
    running = collect('--batch-timeout=3600', '--log-interval=0.1')
    running.send(message(message_id='twice', resource_id='first'))
    running.send(message(resource_metadata={'a': float('inf')}))
    running.send(message(message_id='twice', resource_id='second'))
    running.send(message(resource_metadata={'a': b'bytes'}))
    for _ in range(10):
        running.send(message())
    assert running.end() == (11, {'refused by storage': 3})
    assert len(stored.samples()) == 11
    assert stored.sample('twice').resource_id == 'first'


def test_what_is_stored_already_is_refused(collect, stored):
    again = message(message_id='again')
    running = collect('--batch-timeout=0', '--log-interval=0.1')
    running.send(again)
    wait_for(lambda: stored.sample('again'), 'the first one')
    running.send(again)
    running.command.wait_for("refused by storage 1 .*'again' is already sto")
    assert running.end() == (1, {'refused by storage': 1})


def test_the_reader_drops_when_storing_is_slow(collect, locked, stored):
    running = collect(
        '--queue-size=20',
        '--batch-size=10',
        '--log-interval=0.1',
        '--writers=2',
    )
    with locked():
        for _ in range(100):
            running.send(message())
        # Two batches are being stored, and the queue is full.
        running.command.wait_for('Dropped: .*queue full')
    count, dropped = running.end()
    assert dropped.keys() == {'queue full'}
    assert count >= 20
    assert len(stored.samples()) == count


@pytest.mark.parametrize('style', STYLES)
def test_the_kernel_tells_what_nobody_read(collect, style, stored):
    running = collect('--receive-buffer=100000', style=style)
    running.command.signal(signal.SIGSTOP)
    for _ in range(2000):
        running.send(message())
    running.command.signal(signal.SIGCONT)
    count, dropped = running.end()
    assert count
    assert dropped['kernel']
    assert len(stored.samples()) == count


@pytest.fixture(params=databases.find())
def own_server(request, tmp_path, storage_of):
    """A server with tables, to be stopped and started."""
    server = databases.find()[request.param](tmp_path / request.param)
    with server:
        store = storage_of(server.url)
        store.upgrade()
        store.close()
        yield server


@pytest.mark.parametrize('style', STYLES)
def test_an_outage_costs_only_what_does_not_fit(
    collect, style, own_server, storage_of
):
    running = collect(
        '--queue-size=50',
        '--batch-size=10',
        '--batch-timeout=0.1',
        style=style,
        OS_DATABASE__CONNECTION=own_server.url,
    )
    first = message()
    running.send(first)
    store = storage_of(own_server.url)
    wait_for(lambda: store.sample(first['message_id']), 'the first one')
    store.close()
    own_server.stop()
    for _ in range(100):
        running.send(message())
    running.command.wait_for('WARNING .*Waiting for the database')
    own_server.start()
    running.command.wait_for('INFO .*Storing again')
    count, dropped = running.end()
    assert dropped.keys() == {'queue full'}
    assert count > 50
    assert len(store.samples()) == count
    store.close()


def test_a_stop_without_the_database_counts_what_is_left(collect, locked):
    running = collect('--shutdown-timeout=0.2', '--batch-size=5')
    with locked():
        for _ in range(20):
            running.send(message())
        running.ask_to_end()
        assert running.command.wait() == 1
    assert running.counts() == (0, {'not stored in time': 20})
    assert running.command.err.read_text().splitlines()[-1] == (
        'telemetry-collector: error: 20 samples were not stored within '
        '[collector] shutdown_timeout = 0.2 seconds'
    )


def test_a_second_signal_does_not_wait(collect, locked):
    running = collect('--batch-size=5')
    with locked():
        running.send(message())
        running.ask_to_end()
        wait_for(lambda: not listens(running), 'the closing of the port')
        running.ask_to_end()
        assert running.command.wait() == 128 + signal.SIGTERM


def listens(running):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(('127.0.0.1', int(running.listening[2])))
        except OSError:
            return True
        return False


def test_ctrl_c_stops_it_as_sigterm_does(collect):
    running = collect()
    running.send(message())
    running.command.signal(signal.SIGINT)
    assert running.command.wait() == 0
    assert running.counts() == (1, {})


def test_the_kernel_gives_less_than_asked_for(collect):
    running = collect('--receive-buffer=1073741824')
    running.command.wait_for('WARNING .*raise net.core.rmem_max')
    assert int(running.listening[3]) < 2 * 1073741824


def test_an_ipv6_address(collect):
    running = collect('--udp-address=::1')
    assert running.listening[1] == '[::1]'
    port = int(running.listening[2])
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.sendto(msgpack.packb(message()), ('::1', port))
    running.sent += 1
    assert running.end() == (1, {})


def test_the_address_is_taken(fail, database):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(('127.0.0.1', 0))
        port = taken.getsockname()[1]
        status, error = fail(
            'telemetry-collector', f'--udp-port={port}', **database
        )
    assert status == 1
    assert error == (
        'telemetry-collector: error: cannot listen on [collector] '
        f'udp_address = 127.0.0.1, udp_port = {port}: Address already in use'
    )


def test_without_tables_it_does_not_start(fail, root):
    status, error = fail(
        'telemetry-collector',
        OS_DATABASE__CONNECTION=f'sqlite:///{root}/empty.sqlite',
    )
    assert status == 1
    assert 'run telemetry-dbsync' in error


@pytest.mark.parametrize(
    'fields',
    [
        {'counter_volume': None},
        {'counter_type': 'guess'},
        {'counter_unit': 5},
        {'counter_volume': True},
        {'resource_id': 'x' * 256},
        {'timestamp': '9999-01-01'},
        {'user_id': '\0'},
        {'resource_metadata': 'text'},
        {'color': 'red'},
    ],
)
def test_a_post_is_refused_for_the_same_reason(fields):
    nobody = identity.Caller(None, None, None)
    sample = {
        name: value
        for name, value in message().items()
        if name not in posted.TRANSPORT_FIELDS | {'message_id'}
    } | fields
    with pytest.raises(exceptions.BadRequest) as by_post:
        posted.read([sample], 'cpu', nobody, 'openstack')
    with pytest.raises(exceptions.BadRequest) as by_message:
        posted.message(sample, 'openstack', None)
    assert by_message.value.description == by_post.value.description
