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

import collections
import datetime
import json
import re
import signal
import socket
import subprocess
import sys
import threading

import psutil
import pytest
import requests
from telemetry import conf as telemetry_conf
from telemetry.cmd import polling
from werkzeug import serving

STORED = r'(?m)^stored (\d+) samples of (\d+) meters$'

# The list in the administrator guide: meter -> (type, unit)
METERS = {
    'hardware.cpu.load.1min': ('gauge', 'process'),
    'hardware.cpu.load.5min': ('gauge', 'process'),
    'hardware.cpu.load.15min': ('gauge', 'process'),
    'hardware.cpu.util': ('gauge', '%'),
    'hardware.disk.size.total': ('gauge', 'KB'),
    'hardware.disk.size.used': ('gauge', 'KB'),
    'hardware.disk.read.bytes': ('gauge', 'B'),
    'hardware.disk.write.bytes': ('gauge', 'B'),
    'hardware.disk.read.requests': ('gauge', 'requests'),
    'hardware.disk.write.requests': ('gauge', 'requests'),
    'hardware.memory.total': ('gauge', 'KB'),
    'hardware.memory.used': ('gauge', 'KB'),
    'hardware.memory.buffer': ('gauge', 'KB'),
    'hardware.memory.cached': ('gauge', 'KB'),
    'hardware.memory.swap.total': ('gauge', 'KB'),
    'hardware.memory.swap.avail': ('gauge', 'KB'),
    'hardware.network.incoming.bytes': ('cumulative', 'B'),
    'hardware.network.outgoing.bytes': ('cumulative', 'B'),
    'hardware.network.outgoing.errors': ('cumulative', 'packet'),
}


@pytest.fixture
def api(start, database):
    """The URL of a telemetry API."""
    return start('telemetry-api', **database).url


@pytest.fixture
def poll(start):
    def poll(endpoint, *arguments, **variables):
        return start(
            'telemetry-polling',
            '--endpoint',
            endpoint,
            '--resource-id',
            'machine',
            *arguments,
            **variables,
        )

    return poll


@pytest.fixture
def busy():
    """Keep one processor busy."""
    process = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
    yield
    process.kill()
    process.wait()


def samples(url, **parameters):
    answer = requests.get(
        f'{url}/v2/samples',
        params={'limit': 10000, **parameters},
        timeout=60,
    )
    assert answer.status_code == 200
    return answer.json()


def test_one_round_holds_the_figures_of_this_machine(api, poll, busy):
    before = psutil.net_io_counters(pernic=True)
    started = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    command = poll(api, '--once')
    assert command.wait() == 0
    now = psutil.net_io_counters(pernic=True)

    found = samples(api)
    volumes = {(s['meter'], s['resource_id']): s['volume'] for s in found}
    assert len(volumes) == len(found)
    meters = {s['meter']: (s['type'], s['unit']) for s in found}
    assert meters.items() <= METERS.items()
    (match,) = re.finditer(STORED, command.out.read_text())
    assert [int(number) for number in match.groups()] == [
        len(found),
        len(meters),
    ]

    def volume(meter, part=''):
        return volumes[f'hardware.{meter}', f'machine{part}']

    # Without an interval before it, psutil's first reading is 0.
    assert 0 < volume('cpu.util') <= 100
    assert volume('cpu.load.1min') >= 0
    memory = psutil.virtual_memory().total / 1024
    assert volume('memory.total') == pytest.approx(memory)
    assert 0 < volume('memory.used') < memory
    swap = psutil.swap_memory().total / 1024
    assert volume('memory.swap.total') == pytest.approx(swap)
    for name in before.keys() & now.keys():
        assert (
            before[name].bytes_recv
            <= volume('network.incoming.bytes', f'.{name}')
            <= now[name].bytes_recv
        )
    assert volume('network.outgoing.bytes', '.lo') > 0
    disks = [s for s in found if s['meter'] == 'hardware.disk.size.total']
    assert disks
    for disk in disks:
        metadata = disk['metadata']
        size = psutil.disk_usage(metadata['mountpoint']).total / 1024
        assert disk['volume'] == pytest.approx(size)
        part = metadata['device'].removeprefix('/dev/')
        assert disk['resource_id'] == f'machine.{part}'

    (own,) = {
        tuple(s['metadata'].items())
        for s in found
        if s['resource_id'] == 'machine'
    }
    assert ('cpu_number', str(psutil.cpu_count())) in own

    (timestamp,) = {s['timestamp'] for s in found}
    timestamp = datetime.datetime.fromisoformat(timestamp)
    ended = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    assert started <= timestamp <= ended


def test_the_api_is_down(fail):
    with socket.create_server(('127.0.0.1', 0)) as closed:
        endpoint = f'http://127.0.0.1:{closed.getsockname()[1]}'
    status, error = fail('telemetry-polling', '--once', '--endpoint', endpoint)
    assert status == 1
    assert error == (
        f'telemetry-polling: error: POST {endpoint}/v2/meters/'
        'hardware.cpu.util: Connection refused'
    )


def test_the_endpoint_is_no_telemetry_api(fail, api):
    status, error = fail(
        'telemetry-polling', '--once', '--endpoint', f'{api}/wrong/'
    )
    assert status == 1
    assert f'POST {api}/wrong/v2/meters/' in error
    assert ': 404 ' in error


@pytest.mark.parametrize(
    ('argument', 'value'),
    [
        ('--interval', '0'),
        ('--interval', 'often'),
        ('--endpoint', 'ftp://127.0.0.1'),
    ],
)
def test_bad_value(fail, argument, value):
    status, error = fail('telemetry-polling', argument, value)
    assert status != 0
    assert argument in error
    assert value in error


def test_the_token_is_not_an_argument(start):
    command = start('telemetry-polling', '--help')
    assert command.wait() == 0
    text = command.out.read_text()
    assert '--project-id' in text
    assert 'token' not in text


def test_rounds_wait_for_an_api_that_is_down(start, database, poll):
    server = start('telemetry-api', **database)
    url = server.url
    command = poll(url, '--interval', '1')
    command.wait_for(STORED)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    command.wait_for(r'WARNING .*Connection refused; rounds waiting: 2')

    server = start(
        'telemetry-api', '--port', url.rpartition(':')[2], **database
    )
    assert server.url == url
    stored = len(command.wait_for(STORED, 4))
    command.wait_for(STORED, stored + 1)
    command.signal(signal.SIGTERM)
    assert command.wait() == 0

    # Each round is there once, also those from when the API was down.
    output = re.findall(STORED, command.out.read_text())
    utilization = samples(
        url, **{'q.field': 'meter', 'q.value': 'hardware.cpu.util'}
    )
    assert len(utilization) == len(output)
    times = sorted(
        datetime.datetime.fromisoformat(sample['timestamp'])
        for sample in utilization
    )
    assert len(set(times)) == len(times)
    assert len(samples(url)) == sum(int(count) for count, _ in output)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_stop_between_rounds(api, poll, number):
    command = poll(api, '--interval', '3600')
    command.wait_for(STORED)
    command.signal(number)
    assert command.wait() == 0
    assert command.err.read_text() == ''


class Recorder:
    """A server that keeps what it gets and answers as it is told."""

    def __init__(self):
        self.requests = []
        self.statuses = collections.defaultdict(list)  # meter -> to come

    def __call__(self, environ, start_response):
        length = int(environ['CONTENT_LENGTH'])
        body = json.loads(environ['wsgi.input'].read(length))
        meter = environ['PATH_INFO'].removeprefix('/v2/meters/')
        self.requests.append((meter, body, environ))
        queue = self.statuses[meter]
        status = queue.pop(0) if queue else '201 Created'
        start_response(status, [('Content-Type', 'application/json')])
        return [
            b'[]'
            if status.startswith('2')
            else b'{"error_message": {"faultstring": "no, because"}}'
        ]

    def meters(self):
        return [meter for meter, _, _ in self.requests]


@pytest.fixture
def recorder():
    recorder = Recorder()
    server = serving.make_server('127.0.0.1', 0, recorder)
    recorder.url = f'http://127.0.0.1:{server.port}'
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield recorder
    server.shutdown()
    thread.join()


def test_what_a_post_carries(recorder, poll):
    token = 'b9f1'  # noqa: S105
    command = poll(
        recorder.url,
        '--once',
        '--project-id',
        'p1',
        '--user-id',
        'u1',
        OS_POLLING__AUTH_TOKEN=token,
    )
    assert command.wait() == 0
    assert len(set(recorder.meters())) == len(recorder.meters())
    for meter, body, environ in recorder.requests:
        assert environ['REQUEST_METHOD'] == 'POST'
        assert environ['HTTP_X_AUTH_TOKEN'] == token
        for sample in body:
            assert sample['counter_name'] == meter
            assert sample['project_id'] == 'p1'
            assert sample['user_id'] == 'u1'
            assert sample['resource_metadata']['host'] == 'machine'
            assert all(
                isinstance(value, str)
                for value in sample['resource_metadata'].values()
            )


def test_what_is_refused_is_not_posted_again(recorder, poll):
    meter = 'hardware.memory.total'
    recorder.statuses[meter] = ['400 Bad Request']
    command = poll(recorder.url, '--interval', '1')
    command.wait_for(rf'POST .*{meter}: 400 no, because; rounds waiting: 0')
    first = recorder.meters()
    assert first.count(meter) == 1
    assert 'hardware.network.incoming.bytes' in first  # the last ones
    command.wait_for(STORED, 2)
    assert recorder.meters().count(meter) == 2


def test_what_failed_is_posted_again(recorder, poll):
    meter = 'hardware.memory.total'
    recorder.statuses[meter] = ['503 Service Unavailable']
    command = poll(recorder.url, '--interval', '1')
    command.wait_for(rf'POST .*{meter}: 503 no, because; rounds waiting: 1')
    command.wait_for(STORED, 2)
    posted = collections.Counter(
        (name, sample['timestamp'], sample['resource_id'])
        for name, body, _ in recorder.requests
        for sample in body
    )
    twice = [key for key, count in posted.items() if count > 1]
    assert [name for name, _, _ in twice] == [meter]


def test_once_fails_if_something_is_refused(recorder, poll):
    recorder.statuses['hardware.cpu.util'] = ['413 Too Large']
    command = poll(recorder.url, '--once')
    assert command.wait() == 1
    assert command.error.endswith('/hardware.cpu.util: 413 no, because')


def test_an_answer_that_does_not_come(poll):
    with socket.create_server(('127.0.0.1', 0)) as silent:
        url = f'http://127.0.0.1:{silent.getsockname()[1]}'
        command = poll(url, '--once', '--timeout', '0.5')
        assert command.wait() == 1
        assert command.error.endswith('hardware.cpu.util: timed out')


def test_so_many_rounds_wait(caplog):
    poller = polling.Poller(telemetry_conf.load().polling)
    for _ in range(polling.KEEP_ROUNDS):
        poller.read(threading.Event())
    oldest, second = poller.rounds[0], poller.rounds[1]
    size = sum(map(len, oldest.values()))
    assert not caplog.messages
    poller.read(threading.Event())
    assert len(poller.rounds) == polling.KEEP_ROUNDS
    assert poller.rounds[0] is second
    assert caplog.messages == [f'Dropped the oldest round: samples: {size}']


@pytest.mark.parametrize(
    ('now', 'expected'),
    [
        (100.0, 110),
        (100.2, 110),  # the usual case: no drift
        (109.9, 110),
        (110.0, 120),
        (137.0, 140),  # late: on with the next multiple
    ],
)
def test_rounds_do_not_drift(now, expected):
    assert polling.after(100, 10, now) == expected


class Services:
    """A server of many services: /200 and the like answer so, /wait when
    ``enough`` of them are asked at once, /hang never."""

    def __init__(self, enough):
        self.barrier = threading.Barrier(enough)
        self.asked = threading.Semaphore(0)
        self.end = threading.Event()
        self.lock = threading.Lock()
        self.now = self.most = 0

    def __call__(self, environ, start_response):
        what = environ['PATH_INFO'].split('/')[1]
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.asked.release()
        try:
            if what == 'hang':
                self.end.wait(60)
            elif what == 'wait':
                self.barrier.wait(60)
        finally:
            with self.lock:
                self.now -= 1
        status = what if what.isdigit() else '200'
        start_response(f'{status} Something', [])
        return [b'x']


@pytest.fixture
def services():
    services = Services(enough=5)
    server = serving.make_server('127.0.0.1', 0, services, threaded=True)
    services.url = f'http://127.0.0.1:{server.port}'
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield services
    services.end.set()
    server.shutdown()
    thread.join()


def answered(recorder):
    """Return {meter: {resource id: (volume, answer)}}."""
    return {
        meter: {
            sample['resource_id']: (
                sample['counter_volume'],
                sample['resource_metadata']['answer'],
            )
            for sample in body
        }
        for meter, body, _ in recorder.requests
        if meter.startswith('http.')
    }


def test_services_are_asked_whether_they_answer(recorder, poll, services):
    with socket.create_server(('127.0.0.1', 0)) as closed:
        nobody = f'http://127.0.0.1:{closed.getsockname()[1]}/'
    urls = {
        f'{services.url}/200': (1, '200'),
        f'{services.url}/302': (1, '302'),
        f'{services.url}/404': (1, '404'),
        f'{services.url}/503': (0, '503'),
        f'{services.url}/hang': (0, 'timed out'),
        nobody: (0, 'Connection refused'),
    }
    command = poll(
        recorder.url,
        '--once',
        '--check-timeout=0.5',
        f'--check-urls={",".join(urls)}',
    )
    assert command.wait() == 0
    found = answered(recorder)
    assert found['http.up'] == urls
    well = [url for url, (up, _) in urls.items() if up]
    assert list(found['http.time']) == well
    assert all(0 < time < 60 for time, _ in found['http.time'].values())


def test_so_many_services_are_asked_at_once(recorder, poll, services):
    urls = ','.join(f'{services.url}/wait/{number}' for number in range(20))
    command = poll(
        recorder.url,
        '--once',
        '--check-timeout=60',
        '--check-concurrency=5',
        f'--check-urls={urls}',
    )
    assert command.wait() == 0
    assert services.most == 5
    up = answered(recorder)['http.up']
    assert len(up) == 20
    assert set(up.values()) == {(1, '200')}


def test_a_stop_does_not_ask_on(recorder, poll, services):
    urls = ','.join(f'{services.url}/hang/{number}' for number in range(100))
    command = poll(
        recorder.url,
        '--check-timeout=2',
        '--check-concurrency=5',
        f'--check-urls={urls}',
    )
    assert services.asked.acquire(timeout=60)
    command.signal(signal.SIGTERM)
    assert command.wait() == 0
    # Those that it could ask at once, of a hundred.
    asked = 1
    while services.asked.acquire(blocking=False):
        asked += 1
    assert asked <= 5


def test_a_bad_url_is_named(fail):
    status, error = fail('telemetry-polling', '--check-urls=gopher://a')
    assert status != 0
    assert 'gopher' in error
