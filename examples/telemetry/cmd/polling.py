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


"""``telemetry-polling``: this machine's figures, posted to the API.

Meter names, types and units are those that the administrator guide of
OpenStack Telemetry lists for hosts ("Measurements", SNMP based meters), as
far as psutil knows the figure. KB is 1024 bytes. Services elsewhere can be
asked, too, whether they answer; the names of those two meters are our own.
"""

import collections
import concurrent.futures
import dataclasses
import datetime
import os
import pathlib
import platform
import signal
import socket
import threading
import time

import psutil
import requests
from oslo_config import cfg
from oslo_log import log

from telemetry import conf as telemetry_conf
from telemetry.cmd import shell

LOG = log.getLogger(__name__)

CLI_OPTS = [
    cfg.BoolOpt(
        'once',
        default=False,
        help='Post one round and end, with status 1 if it was not stored. '
        'Without it, the command posts a round every interval.',
    ),
]

# A secret on a command line can be read by everyone who can run ps.
SETTINGS = [opt for opt in telemetry_conf.POLLING_OPTS if not opt.secret]

#: So many rounds wait for an API that does not answer; the oldest go first.
KEEP_ROUNDS = 60

#: Seconds over which the first round measures the use of the processors.
FIRST_READING = 1


def main(argv=None):
    """Run the command and return its exit status."""
    return shell.run(
        'telemetry-polling',
        poll,
        argv,
        cli_opts=CLI_OPTS,
        settings=('polling', SETTINGS),
        description='Post the processor, memory, disk and network figures '
        'of this machine to the telemetry API.',
    )


class NotStored(shell.CommandError):
    """The API did not take samples."""


def poll(conf):
    """Post one round of figures, or one every interval until a signal.

    A round that the API does not answer waits for the next one, and at most
    60 wait. A post whose answer got lost is posted again, so its samples may
    be stored twice. What the API refuses (4xx) is not posted again.

    :raises NotStored: with ``conf.once``.
    """
    stop = threading.Event()
    if not conf.once:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
    poller = Poller(conf.polling)
    due = time.monotonic() + FIRST_READING
    while not stop.wait(due - time.monotonic()):
        poller.read(stop)
        try:
            while poller.rounds and not stop.is_set():
                poller.post_oldest()
        except NotStored as error:
            if conf.once:
                raise
            LOG.warning('%s; rounds waiting: %d', error, len(poller.rounds))
        if conf.once:
            return
        due = after(due, conf.polling.interval, time.monotonic())


def after(due, interval, now):
    """Return when the round after that of ``due`` starts, in seconds.

    It is the next multiple of the interval: rounds do not drift, and after
    one that took too long they do not catch up.
    """
    return due + ((now - due) // interval + 1) * interval


class Poller:
    """Reads rounds of samples and posts them.

    :param options: the options of ``[polling]``.
    """

    def __init__(self, options):
        self.options = options
        self.host = options.resource_id or socket.gethostname()
        #: rounds not yet stored, oldest first: meter name -> samples
        self.rounds = collections.deque()
        self.session = requests.Session()
        if options.auth_token:
            self.session.headers['X-Auth-Token'] = options.auth_token
        psutil.cpu_percent()  # the first reading starts here

    def read(self, stop):
        """Read one round. All its samples have the same timestamp.

        :param stop: a threading.Event; when it is set, services that were
            not asked yet are left out.
        """
        now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        meters = collections.defaultdict(list)
        for figure in [*figures(), *answers(self.options, stop)]:
            resource = figure.resource or '.'.join(
                filter(None, [self.host, figure.part])
            )
            meters[figure.meter].append(
                {
                    'counter_name': figure.meter,
                    'counter_type': figure.type,
                    'counter_unit': figure.unit,
                    'counter_volume': figure.volume,
                    'resource_id': resource,
                    'project_id': self.options.project_id,
                    'user_id': self.options.user_id,
                    'timestamp': now.isoformat(timespec='microseconds'),
                    'resource_metadata': {
                        'host': self.host,
                        **figure.metadata,
                    },
                }
            )
        if len(self.rounds) == KEEP_ROUNDS:
            dropped = self.rounds.popleft()
            LOG.warning(
                'Dropped the oldest round: samples: %d',
                sum(map(len, dropped.values())),
            )
        self.rounds.append(dict(meters))

    def post_oldest(self):
        """Post the round that waits longest, and print what was stored.

        :raises NotStored: what is left of the round is still waiting if the
            API did not answer or failed, and gone if the API refused it.
        """
        meters = self.rounds[0]
        stored = []
        refused = None
        for meter in list(meters):
            try:
                self._post(meter, meters[meter])
                stored.append(len(meters[meter]))
            except _Refused as error:
                refused = error
            del meters[meter]
        self.rounds.popleft()
        if stored:
            print(
                f'stored {sum(stored)} samples of {len(stored)} meters',
                flush=True,
            )
        if refused:
            raise refused

    def _post(self, meter, samples):
        url = f'{self.options.endpoint.rstrip("/")}/v2/meters/{meter}'
        try:
            response = self.session.post(
                url, json=samples, timeout=self.options.timeout
            )
        except requests.RequestException as error:
            raise NotStored(f'POST {url}: {_reason(error)}') from error
        if not response.ok:
            kind = _Refused if response.status_code < 500 else NotStored
            raise kind(
                f'POST {url}: {response.status_code} {_fault(response)}'
            )


class _Refused(NotStored):
    """The API will not take these samples, however often it is asked."""


def _reason(error):
    """The cause inside of what requests and urllib3 wrap around it."""
    while error.__context__:
        error = error.__context__
    return getattr(error, 'strerror', None) or str(error)


def _fault(response):
    try:
        return response.json()['error_message']['faultstring']
    except (ValueError, KeyError, TypeError):  # not from a telemetry API
        return response.reason


@dataclasses.dataclass
class Figure:
    """One measured figure.

    ``part`` is the disk or interface of this machine, ``resource`` the id of
    what is not of this machine.
    """

    meter: str
    type: str
    unit: str
    volume: float
    metadata: dict[str, str]
    part: str | None = None
    resource: str | None = None


def figures():
    """Yield this machine's figures as they are now.

    The use of the processors is the mean since the call before.
    """
    # The same for all of the machine's own meters: they share a resource.
    metadata = {
        'cpu_number': str(psutil.cpu_count()),
        'architecture': platform.machine(),
    }
    yield from _processors(metadata)
    yield from _memory(metadata)
    yield from _disks()
    yield from _interfaces()


def answers(options, stop):
    """Return whether services answer, and how fast, as a list of Figures.

    :param options: those of ``[polling]``. Its ``check_concurrency`` bounds
        how many services are asked at the same time.
    :param stop: a threading.Event that ends it early
    """
    if not options.check_urls:
        return []

    def ask(url):
        return [] if stop.is_set() else _answer(url, options.check_timeout)

    places = min(len(options.check_urls), options.check_concurrency)
    with concurrent.futures.ThreadPoolExecutor(places) as pool:
        return [
            figure
            for figures in pool.map(ask, options.check_urls)
            for figure in figures
        ]


def _answer(url, timeout):
    started = time.monotonic()
    try:
        # The head of the answer will do; the body may be large.
        with requests.get(
            url, timeout=timeout, stream=True, allow_redirects=False
        ) as response:
            answer = str(response.status_code)
            well = response.status_code < 500
    except requests.RequestException as error:
        # It may quote what the service sent, whatever that is.
        answer = _reason(error).encode('unicode_escape').decode()[:255]
        well = False
    seconds = time.monotonic() - started
    metadata = {'answer': answer}
    up = Figure('http.up', 'gauge', 'up', int(well), metadata, None, url)
    if not well:
        return [up]
    return [
        up,
        Figure('http.time', 'gauge', 's', seconds, metadata, None, url),
    ]


def _processors(metadata):
    yield Figure(
        'hardware.cpu.util', 'gauge', '%', psutil.cpu_percent(), metadata
    )
    for minutes, load in zip((1, 5, 15), psutil.getloadavg(), strict=True):
        meter = f'hardware.cpu.load.{minutes}min'
        yield Figure(meter, 'gauge', 'process', load, metadata)


def _memory(metadata):
    memory = psutil.virtual_memory()
    swap = psutil.swap_memory()
    for name, size in {
        'total': memory.total,
        'used': memory.used,
        'buffer': memory.buffers,
        'cached': memory.cached,
        'swap.total': swap.total,
        'swap.avail': swap.free,
    }.items():
        meter = f'hardware.memory.{name}'
        yield Figure(meter, 'gauge', 'KB', size / 1024, metadata)


def _disks():
    counters = psutil.disk_io_counters(perdisk=True) or {}
    for disk in _file_systems():
        part = disk.device.removeprefix('/dev/')
        metadata = {
            'device': disk.device,
            'mountpoint': disk.mountpoint,
            'fstype': disk.fstype,
        }
        try:
            usage = psutil.disk_usage(disk.mountpoint)
        except OSError as error:  # unmounted meanwhile, or not for this user
            LOG.debug('%s: %s', disk.mountpoint, error)
            continue
        for name, size in {'total': usage.total, 'used': usage.used}.items():
            meter = f'hardware.disk.size.{name}'
            yield Figure(meter, 'gauge', 'KB', size / 1024, metadata, part)
        # /dev/mapper/NAME is a link to the name that the kernel counts under.
        io = counters.get(pathlib.Path(os.path.realpath(disk.device)).name)
        if io is None:
            continue
        for name, unit, count in (
            ('read.bytes', 'B', io.read_bytes),
            ('write.bytes', 'B', io.write_bytes),
            ('read.requests', 'requests', io.read_count),
            ('write.requests', 'requests', io.write_count),
        ):
            # Since boot, and yet a gauge: the list of meters has it so.
            meter = f'hardware.disk.{name}'
            yield Figure(meter, 'gauge', unit, count, metadata, part)


def _file_systems():
    """One mounted file system per device; in a container that sees none,
    the one at the root."""
    found = psutil.disk_partitions() or [
        disk
        for disk in psutil.disk_partitions(all=True)
        if disk.mountpoint == '/'
    ]
    return {disk.device: disk for disk in reversed(found)}.values()


def _interfaces():
    for name, count in psutil.net_io_counters(pernic=True).items():
        metadata = {'interface': name}
        for meter, unit, volume in (
            ('hardware.network.incoming.bytes', 'B', count.bytes_recv),
            ('hardware.network.outgoing.bytes', 'B', count.bytes_sent),
            ('hardware.network.outgoing.errors', 'packet', count.errout),
        ):
            yield Figure(meter, 'cumulative', unit, volume, metadata, name)
