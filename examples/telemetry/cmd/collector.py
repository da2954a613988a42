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

"""``telemetry-collector``: stores the samples that come by UDP.

A datagram is one sample: a dict in msgpack, as the UDP publisher of the
original sends it. What cannot be stored is dropped and counted with the
reason; the counts of a run add up to what was received.
"""

import collections
import contextlib
import os
import pathlib
import queue
import select
import signal
import socket
import sys
import threading
import time

import msgpack
from oslo_log import log
from oslo_utils import timeutils
from werkzeug import exceptions

from telemetry import conf as telemetry_conf
from telemetry import storage
from telemetry.api import posted
from telemetry.cmd import shell
from telemetry.storage import errors

LOG = log.getLogger(__name__)

PROG = 'telemetry-collector'

# Why samples are dropped.
FAILED = 'failed'
MALFORMED = 'malformed'
NOT_STORED = 'not stored in time'
QUEUE_FULL = 'queue full'
REFUSED = 'refused by storage'
TOO_LARGE = 'too large'

#: So many datagrams are read before the writers get their turn.
BURST = 100

#: Each datagram takes at least so many bytes of the kernel's buffer.
SMALLEST = 512

#: Seconds from one attempt to use the database to the next.
RETRY_SECONDS = 1

_END = object()


def main(argv=None):
    """Run the command and return its exit status."""
    return shell.run(
        PROG,
        collect,
        argv,
        settings=('collector', telemetry_conf.COLLECTOR_OPTS),
        description='Store the samples that come by UDP, as msgpack, until '
        'SIGTERM.',
    )


def collect(conf):
    """Store what comes until SIGTERM or SIGINT.

    The first signal closes the port and waits for what was received to be
    stored, at most ``[collector] shutdown_timeout``; a second one does not
    wait.

    :raises telemetry.cmd.shell.CommandError: the address cannot be used, or
        not all that was received could be stored in time
    :raises telemetry.storage.errors.StorageError: the database cannot be
        used at the start. Later it may come and go.
    """
    with contextlib.closing(storage.Storage(conf)) as store:
        store.check()
        with _listen(conf.collector) as listener:
            collector = Collector(conf, store, listener)
            with collector.ended_by_signals() as wake_up:
                host, port, *_ = listener.getsockname()
                host = f'[{host}]' if ':' in host else host
                print(
                    f'{PROG}: listening on udp://{host}:{port}, receive '
                    f'buffer {_buffer_size(listener)} bytes',
                    flush=True,
                )
                collector.receive(wake_up)
                collector.receive_rest()
        collector.drain(conf.collector.shutdown_timeout)
    LOG.info('%s', collector.counts)
    if left := collector.counts.dropped[NOT_STORED]:
        raise shell.CommandError(
            f'{left} samples were not stored within [collector] '
            f'shutdown_timeout = {conf.collector.shutdown_timeout:g} seconds'
        )


def _listen(options):
    """Return a UDP socket that does not block."""
    address, port = options.udp_address, options.udp_port
    try:
        family, *_, place = socket.getaddrinfo(
            address, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_DGRAM)
        listener.bind(place)
    except OSError as error:
        raise shell.CommandError(
            f'cannot listen on [collector] udp_address = {address}, udp_port '
            f'= {port}: {error.strerror}'
        ) from error
    listener.setblocking(False)
    if options.receive_buffer:
        listener.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, options.receive_buffer
        )
        # The kernel takes twice of what it is asked for.
        given = _buffer_size(listener) // 2
        if given < options.receive_buffer:
            LOG.warning(
                '[collector] receive_buffer: asked for %d bytes, the kernel '
                'gives %d; raise net.core.rmem_max',
                options.receive_buffer,
                given,
            )
    return listener


def _buffer_size(listener):
    return listener.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def dropped_by_kernel(listener):
    """Return how many datagrams did not fit into a socket's buffer.

    proc_net_udp(5) of Linux tells them for each socket, by its inode.
    """
    inode = str(os.fstat(listener.fileno()).st_ino)
    for name in ('udp', 'udp6'):
        table = pathlib.Path('/proc/net', name)
        for line in table.read_text().splitlines() if table.exists() else ():
            columns = line.split()
            if columns[9] == inode:
                return int(columns[12])
    return 0


class Counts:
    """What became of the datagrams; each is received, and then either stored
    or dropped. The kernel drops before anybody receives."""

    def __init__(self):
        self.received = 0
        self.stored = 0
        #: reason -> how many
        self.dropped = collections.Counter()
        self.dropped_by_kernel = 0
        self._last = {}
        self._told = collections.Counter()
        self._lock = threading.Lock()

    def store(self, number):
        with self._lock:
            self.stored += number

    def drop(self, reason, example=None, number=1):
        """Count a drop; ``example`` tells one of this reason in full."""
        with self._lock:
            self.dropped[reason] += number
            if example:
                self._last[reason] = example

    def rest(self):
        """How many are neither stored nor dropped."""
        with self._lock:
            return self.received - self.stored - self.dropped.total()

    def news(self):
        """Return a text about what was dropped since it was last asked."""
        with self._lock:
            now = self.dropped + collections.Counter(
                {'by the kernel': self.dropped_by_kernel}
            )
            new, self._told = now - self._told, now
            return ', '.join(
                f'{reason} {number}'
                + (
                    f' (last: {self._last[reason]})'
                    if reason in self._last
                    else ''
                )
                for reason, number in sorted(new.items())
            )

    def __str__(self):
        reasons = ', '.join(
            f'{reason} {number}'
            for reason, number in sorted(self.dropped.items())
        )
        return (
            f'Received {self.received} datagrams: stored {self.stored}, '
            f'dropped {self.dropped.total()}'
            + (f' ({reasons})' if reasons else '')
            + f'. Dropped by the kernel: {self.dropped_by_kernel}.'
        )


class Collector:
    """Reads datagrams in one thread and stores their samples in others.

    What waits between them is bounded. When the database is slower than the
    network, the newest datagrams are dropped, here and not by the kernel,
    so that they are counted and the reason is told.

    :param conf: the configuration; the options are those of ``[collector]``.
    :param store: the telemetry.storage.Storage.
    :param listener: a bound UDP socket that does not block.
    """

    def __init__(self, conf, store, listener):
        self.options = conf.collector
        self.default_source = conf.api.sample_source
        self.store = store
        self.listener = listener
        self.counts = Counts()
        # Its bound is kept by the one who fills it: the end always fits.
        self._queue = queue.Queue()
        self._stopping = False
        self._abandoned = threading.Event()
        self._trouble = None
        self._next_news = time.monotonic() + self.options.log_interval
        self._writers = [
            threading.Thread(target=self._write, daemon=True)
            for _ in range(self.options.writers)
        ]
        for writer in self._writers:
            writer.start()

    @contextlib.contextmanager
    def ended_by_signals(self):
        """Give a socket that wakes up :meth:`receive` when a signal came."""

        def on_signal(number, frame):
            if self._stopping:
                sys.exit(128 + number)
            self._stopping = True

        wake_up, signalled = socket.socketpair()
        with wake_up, signalled:
            signalled.setblocking(False)
            signal.set_wakeup_fd(signalled.fileno())
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, on_signal)
            try:
                yield wake_up
            finally:
                signal.set_wakeup_fd(-1)

    def receive(self, wake_up):
        """Take datagrams until a signal comes."""
        while not self._stopping:
            self._tell_news()
            wait = max(0, self._next_news - time.monotonic())
            select.select([self.listener, wake_up], [], [], wait)
            self._read_burst()

    def receive_rest(self):
        """Take what the kernel has received, and no more than that."""
        bursts = _buffer_size(self.listener) // SMALLEST // BURST + 1
        for _ in range(bursts):
            if not self._read_burst():
                break
        self._look_at_kernel()

    def drain(self, seconds):
        """Wait until all that was received is stored."""
        self._queue.put(_END)
        limit = time.monotonic() + seconds
        for writer in self._writers:
            writer.join(max(0, limit - time.monotonic()))
        self._abandoned.set()
        if left := self.counts.rest():
            self.counts.drop(NOT_STORED, number=left)

    def _read_burst(self):
        """Read datagrams that are there; tell whether there may be more."""
        # Under eventlet the writers run only when this one pauses.
        time.sleep(0)
        counts, options = self.counts, self.options
        for _ in range(BURST):
            try:
                # One byte more than it may have shows that it is too large.
                datagram, sender = self.listener.recvfrom(
                    options.max_datagram_size + 1
                )
            except BlockingIOError:
                return False
            counts.received += 1
            if len(datagram) > options.max_datagram_size:
                counts.drop(TOO_LARGE, _from(sender))
            elif self._queue.qsize() >= options.queue_size:
                counts.drop(QUEUE_FULL)
            else:
                self._queue.put((datagram, sender, timeutils.utcnow()))
        return True

    def _tell_news(self):
        if time.monotonic() < self._next_news:
            return
        self._next_news = time.monotonic() + self.options.log_interval
        self._look_at_kernel()
        if news := self.counts.news():
            LOG.warning('Dropped: %s', news)

    def _look_at_kernel(self):
        self.counts.dropped_by_kernel = dropped_by_kernel(self.listener)

    def _write(self):
        """Store batches until the end of the queue."""
        while batch := self._next_batch():
            while batch:
                batch = self._store(batch)

    def _next_batch(self):
        """Wait for samples and return them; none mean the end."""
        batch = []
        limit = None
        while len(batch) < self.options.batch_size:
            try:
                item = self._queue.get(
                    timeout=limit and max(0, limit - time.monotonic())
                )
            except queue.Empty:
                break
            if item is _END:
                self._queue.put(_END)  # for the other writers
                break
            if sample := self._sample(*item):
                batch.append(sample)
                limit = limit or time.monotonic() + self.options.batch_timeout
        return batch

    def _sample(self, datagram, sender, moment):
        """Return the sample of a datagram, or count why it is none."""
        try:
            item = msgpack.unpackb(datagram)
        except (ValueError, msgpack.UnpackException) as error:
            why = f'not msgpack: {error}'
        else:
            try:
                return posted.message(item, self.default_source, moment)
            except exceptions.BadRequest as error:
                why = error.description
        self.counts.drop(MALFORMED, f'{_from(sender)}: {_one_line(why)}')
        return None

    def _store(self, batch):
        """Store samples; return those with which to try again."""
        try:
            try:
                self.store.add_samples(batch)
            except errors.SampleError:
                return self._without_faults(batch)
        except errors.StorageError as error:
            self._tell_trouble(str(error))
            return [] if self._abandoned.wait(RETRY_SECONDS) else batch
        except Exception:
            # One bad batch must not end the storing of all others.
            LOG.exception('A batch could not be stored')
            self.counts.drop(FAILED, number=len(batch))
        else:
            self._tell_trouble(None)
            self.counts.store(len(batch))
        return []

    def _tell_trouble(self, trouble):
        """Log when the database goes, and when it comes back."""
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if trouble:
            LOG.warning('Waiting for the database: %s', trouble)
        else:
            LOG.info('Storing again; samples waiting: %d', self._queue.qsize())

    def _without_faults(self, batch):
        faults = {fault.index: fault for fault in self.store.faults(batch)}
        for fault in faults.values():
            why = _one_line(f'{fault.field}: {fault.why}')
            self.counts.drop(REFUSED, why)
        return [
            sample for index, sample in enumerate(batch) if index not in faults
        ]


def _from(sender):
    return f'from {sender[0]} port {sender[1]}'


def _one_line(text):
    """What a stranger sent must neither steer a terminal nor fill the log."""
    text = text.encode('unicode_escape').decode()
    return text if len(text) <= 200 else f'{text[:90]} ... {text[-100:]}'
