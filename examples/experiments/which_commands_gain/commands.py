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

"""The commands, what each of them waits for, and how each is measured."""

import dataclasses
import datetime
import http.client
import pathlib
import re
import socket
import statistics
import subprocess
import threading
import time

import msgpack
from hosts import driver

from experiments.which_commands_gain import processes

DAY = datetime.timedelta(days=1)
#: The status of telemetry-status tells what it found.
STATUSES = {'status': (0, 1, 2)}


@dataclasses.dataclass(frozen=True)
class Settings:
    """How much there is to do; kept with the data.

    :ivar delay: seconds of a packet to or from a server, in each direction
    :ivar expired: samples that telemetry-expirer removes
    :ivar services: those that telemetry-polling asks
    :ivar hanging: of them, those that never answer
    :ivar check_timeout: seconds for which each of them is waited
    :ivar steady: datagrams in a second that telemetry-collector can take
    :ivar flood: datagrams in a second that are too many
    :ivar seconds: how long a load lasts
    :ivar clients: how many connections ask telemetry-api at a time
    """

    delay: float = 0.005
    expired: int = 4000
    services: int = 200
    hanging: int = 10
    check_timeout: float = 2.0
    steady: int = 2000
    flood: int = 10000
    seconds: float = 3.0
    clients: int = 16


#: So little that it only shows that everything works.
QUICK = Settings(
    expired=100,
    services=20,
    hanging=1,
    check_timeout=1.2,
    steady=100,
    flood=1000,
    # Enough that even a busy machine answers the first requests within it.
    seconds=3.0,
    clients=4,
)


@dataclasses.dataclass(frozen=True)
class Measure:
    """One figure of the work of a command."""

    title: str
    more_is_better: bool


SECONDS = {'seconds': Measure('seconds for all of it', False)}


@dataclasses.dataclass
class Trial:
    """One run to be made.

    :ivar database: the processes.Database
    :ivar folder: for this run alone
    """

    command: str
    case: str
    style: str
    settings: Settings
    database: processes.Database
    surroundings: object
    folder: pathlib.Path

    def process(self, *arguments, log='command', **variables):
        """Start the command."""
        return processes.Process(
            self.command,
            self.style,
            arguments,
            {'OS_DATABASE__CONNECTION': self.database.url, **variables},
            self.folder / f'{log}.log',
        )

    def run(self, *arguments, **variables):
        """Run a command that ends by itself."""
        with self.process('--help', log='start') as process:
            startup = process.end()['seconds']
        with self.process(*arguments, **variables) as process:
            found = process.end(STATUSES.get(self.command, (0,)))
        return found | {
            'startup': startup,
            'work': {'seconds': found['seconds']},
        }


def dbsync(trial):
    trial.database.clear()
    return trial.run()


def expirer(trial):
    trial.database.fill(trial.settings.expired, 2 * DAY)
    found = trial.run('--time-to-live=86400', '--batch-size=500')
    if left := trial.database.count():
        raise processes.ExperimentError(f'{left} samples are still there')
    return found


def status(trial):
    trial.database.fill(0)
    return trial.run('upgrade', 'check')


def polling(trial):
    settings = trial.settings
    urls = trial.surroundings.services(settings.services, settings.hanging)
    places = 50 if trial.case == FEW_PLACES else settings.services
    return trial.run(
        '--once',
        f'--endpoint={trial.surroundings.sink}',
        f'--check-urls={",".join(urls)}',
        f'--check-concurrency={places}',
        f'--check-timeout={settings.check_timeout}',
    )


def collector(trial):
    trial.database.fill(0)
    found = {}
    work = {}
    for load in ('steady', 'flood'):
        rate = getattr(trial.settings, load)
        with trial.process(
            '--udp-port=0', log=load, OS_COLLECTOR__SHUTDOWN_TIMEOUT='60'
        ) as process:
            match, startup = process.wait_for(r'udp://127\.0\.0\.1:(\d+)')
            begin = time.monotonic()
            sent = _send(int(match[1]), rate, trial.settings.seconds)
            uss = process.uss()
            process.stop()
            last = process.end()
            seconds = time.monotonic() - begin
        match = re.search(
            r'Received (\d+) .* stored (\d+), .*kernel: (\d+)',
            process.log.read_text(),
        )
        received, stored, kernel = map(int, match.groups())
        if received + kernel != sent:
            raise processes.ExperimentError(
                f'{sent} datagrams were sent, {received} received and '
                f'{kernel} dropped by the kernel'
            )
        work |= {
            f'{load}_share': stored / sent,
            f'{load}_rate': stored / seconds,
        }
        found = {
            name: max(value, found.get(name, 0))
            for name, value in (last | {'uss': uss}).items()
        }
        found['startup'] = startup
    return found | {'work': work}


def _send(number_of_port, rate, seconds):
    """Send samples at a rate; return how many."""
    moment = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    messages = [
        msgpack.packb(
            {
                'source': 'openstack',
                'counter_name': f'meter {number % 10}',
                'counter_type': 'gauge',
                'counter_unit': '%',
                'counter_volume': number,
                'user_id': 'user',
                'project_id': 'project',
                'resource_id': f'resource {number}',
                'timestamp': moment.isoformat(),
                'resource_metadata': {'display_name': f'name {number}'},
            }
        )
        for number in range(50)
    ]
    count = int(rate * seconds)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(('127.0.0.1', number_of_port))
        begin = time.monotonic()
        for number in range(count):
            ahead = begin + number / rate - time.monotonic()
            if ahead > 0.001:
                time.sleep(ahead)
            sender.send(messages[number % len(messages)])
    return count


def api(trial):
    trial.database.fill(1000)
    settings = trial.settings
    number_of_port = processes.port()
    with trial.process(
        f'--port={number_of_port}',
        '--threads',
        OS_DATABASE__MAX_POOL_SIZE=str(settings.clients),
        # As a server in production: not a line for each request.
        OS_DEFAULT__DEFAULT_LOG_LEVELS='telemetry=WARNING',
    ) as process:
        _, startup = process.wait_for('server on http')
        with Probe(number_of_port) as probe:
            load = _wrk(number_of_port, settings)
        uss = process.uss()
        process.stop()
        found = process.end()
    return found | {
        'startup': startup,
        'uss': uss,
        'work': load | {'meanwhile_p99': probe.p99()},
    }


class Probe:
    """Asks for ``/`` twenty times a second, which needs no database."""

    def __init__(self, number_of_port):
        self._port = number_of_port
        self._end = threading.Event()
        self._seconds = []
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._end.set()
        self._thread.join()

    def _ask(self):
        while not self._end.wait(0.05):
            begin = time.monotonic()
            connection = http.client.HTTPConnection('127.0.0.1', self._port)
            connection.request('GET', '/')
            connection.getresponse().read()
            connection.close()
            self._seconds.append(time.monotonic() - begin)

    def p99(self):
        """Milliseconds that 99 of 100 took at most."""
        if len(self._seconds) < 2:
            return max(self._seconds) * 1000
        return (
            statistics.quantiles(self._seconds, n=100, method='inclusive')[98]
            * 1000
        )


def _wrk(number_of_port, settings):
    output = subprocess.run(
        [
            driver.executable('wrk', 'wrk'),
            '--threads=1',
            f'--connections={settings.clients}',
            f'--duration={settings.seconds:.0f}s',
            '--timeout=60s',
            '--latency',
            f'http://127.0.0.1:{number_of_port}/v2/samples?limit=20',
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if 'Non-2xx' in output or 'Socket errors' in output:
        raise processes.ExperimentError(f'some requests failed: {output}')
    latencies = {
        name: _milliseconds(re.search(rf'(?m)^ +{name}% +(\S+) *$', output)[1])
        for name in ('50', '99')
    }
    rate = float(re.search(r'Requests/sec:\s+(\S+)', output)[1])
    return {'rate': rate} | {f'p{name}': it for name, it in latencies.items()}


def _milliseconds(text):
    number, unit = re.fullmatch(r'([\d.]+)(us|ms|s|m)', text).groups()
    return float(number) * {'us': 0.001, 'ms': 1, 's': 1000, 'm': 60000}[unit]


@dataclasses.dataclass(frozen=True)
class Command:
    """One command of the experiment.

    :ivar waits: what it waits for, as a sentence
    :ivar work: what it does in a run, as a sentence
    :ivar measures: name in ``work`` of a run -> Measure
    """

    run: object
    waits: str
    work: str
    measures: dict
    cases: tuple = (
        processes.SQLITE,
        processes.POSTGRESQL,
        processes.MARIADB,
    )
    styles: tuple = (processes.THREADS, processes.EVENTLET)


FEW_PLACES = '50 services asked at a time'
ALL_PLACES = 'all services asked at a time'

COMMANDS = {
    'api': Command(
        api,
        'clients, and the database, for many of them at the same time',
        'answers lists of samples; meanwhile somebody asks for /, which '
        'needs no database',
        {
            'rate': Measure('requests in a second', True),
            'p50': Measure('median latency, ms', False),
            'p99': Measure('99 % latency, ms', False),
            'meanwhile_p99': Measure('99 % latency of / meanwhile, ms', False),
        },
    ),
    'collector': Command(
        collector,
        'datagrams, and the database, at the same time',
        'stores samples at a rate that it can take, and then at one that is '
        'too much for it',
        {
            'steady_share': Measure('share stored, at a steady rate', True),
            'flood_share': Measure('share stored, in a flood', True),
            'flood_rate': Measure('stored in a second, in a flood', True),
        },
    ),
    'polling': Command(
        polling,
        'services, many at the same time, and the API',
        'asks slow services, some of which hang, and posts one round',
        SECONDS,
        (FEW_PLACES, ALL_PLACES),
        (processes.THREADS, processes.EVENTLET, processes.ASYNCIO),
    ),
    'dbsync': Command(
        dbsync,
        'the database, one statement after the other',
        'makes all tables',
        SECONDS,
    ),
    'expirer': Command(
        expirer,
        'the database, one statement after the other',
        'removes old samples',
        SECONDS,
    ),
    'status': Command(
        status,
        'the database, one statement after the other',
        'checks an installation',
        SECONDS,
    ),
}
