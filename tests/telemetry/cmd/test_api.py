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


import concurrent.futures
import contextlib
import os
import pathlib
import re
import signal
import socket
import ssl
import urllib.parse
import urllib.request

import pytest
import requests
from conftest import wait_for
from werkzeug import serving

THREADS = ()
PROCESSES = ('--workers', '2')
SINGLE = ('--nothreads',)


#: command -> the first line that it prints, but for the port
SERVERS = {
    'telemetry-api': 'development server on http://127.0.0.1:PORT (threads); '
    'for production see "Choose a host" in the guide '
    '(install/choose-a-host)',
    'telemetry-api-eventlet': 'eventlet server on http://127.0.0.1:PORT '
    '(green threads); deprecated: see "Leave the eventlet server" in the '
    'guide (admin/leave-eventlet)',
}


@pytest.fixture(params=SERVERS)
def program(request):
    """The same code serves under eventlet, and must do the same there."""
    return request.param


@pytest.fixture
def serve(start, program):
    """Start a server with the trial application."""

    def serve(*arguments, **variables):
        return start(
            program,
            '--application',
            'trial:application',
            *arguments,
            **variables,
        )

    return serve


@pytest.fixture
def refuse(fail):
    """Start telemetry-api with options that it must refuse."""

    def refuse(*arguments, **variables):
        status, error = fail(
            'telemetry-api',
            '--application',
            'trial:application',
            *arguments,
            **variables,
        )
        assert status == 1
        return error

    return refuse


@pytest.fixture
def background():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        yield lambda url: pool.submit(requests.get, url, timeout=120)


@pytest.fixture
def release(root):
    """Release the held requests, at the latest when the test fails."""
    release = (root / 'release').touch
    yield release
    release()


def inside(root, count):
    """Wait until so many requests are held; return (process, thread)s."""

    def held():
        files = list(root.glob('inside-*'))
        return files if len(files) >= count else None

    files = wait_for(held, f'{count} requests inside')
    return [file.name.split('-')[1:] for file in files]


def address(url):
    parts = urllib.parse.urlsplit(url)
    return parts.hostname, parts.port


def is_refused(url):
    try:
        socket.create_connection(address(url), timeout=5).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # the port closed with this one in its queue
        return False
    return False


def test_start_line(serve, program):
    command = serve()
    assert requests.get(command.url, timeout=60).text.startswith('first ')
    (line,) = command.out.read_text().splitlines()
    line = re.sub(r':\d+ ', ':PORT ', line)
    assert line == f'{program}: {SERVERS[program]}'


@pytest.mark.parametrize(
    ('mode', 'shown', 'concurrency'),
    [
        (THREADS, 'threads)', ['multithread']),
        (PROCESSES, '(up to 2 processes)', ['multiprocess']),
        (SINGLE, '(one request at a time)', []),
    ],
)
def test_the_application_and_the_reader_learn_the_mode(
    serve, mode, shown, concurrency
):
    command = serve(*mode)
    text = requests.get(command.url, timeout=60).text
    assert text.split()[3:] == concurrency
    assert shown in command.out.read_text()


def test_threads_answer_at_the_same_time(serve, root, background, release):
    command = serve()
    answers = [background(f'{command.url}/hold') for _ in range(2)]
    processes, threads = zip(*inside(root, 2), strict=True)
    assert set(processes) == {str(command.process.pid)}
    assert len(set(threads)) == 2
    release()
    assert [answer.result().status_code for answer in answers] == [200, 200]


def test_workers_are_processes(serve, root, background, release):
    command = serve('--workers', '2')
    answers = [background(f'{command.url}/hold') for _ in range(2)]
    processes = {process for process, _ in inside(root, 2)}
    assert len(processes - {str(command.process.pid)}) == 2
    release()
    assert [answer.result().status_code for answer in answers] == [200, 200]


def test_threads_and_processes_together_are_refused(refuse):
    assert refuse('--threads', '--workers', '2') == (
        'telemetry-api: error: [api] workers = 2 and threads = true: the '
        'development server takes several processes or threads, not both; '
        'unset one of them'
    )


def test_port_in_use(refuse):
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        assert refuse('--port', str(port)) == (
            'telemetry-api: error: cannot listen on [api] host = 127.0.0.1, '
            f'port = {port}: Address already in use'
        )


@pytest.mark.parametrize('program', SERVERS)
def test_the_api_fails_with_one_line(fail, database, program):
    """Its warnings are for a server that starts."""
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = str(other.getsockname()[1])
        status, error = fail(program, '--port', port, **database)
    assert status == 1
    assert error.startswith(f'{program}: error: cannot listen on ')
    status, error = fail(
        'telemetry-api', '--workers', '2', '--threads', **database
    )
    assert status == 1
    assert 'several processes or threads, not both' in error


def test_unknown_host(refuse):
    # Kept for this by RFC 6761.
    assert refuse('--host', 'host.invalid').startswith(
        'telemetry-api: error: cannot listen on [api] host = host.invalid, '
        'port = 0: '
    )


def test_bad_value_of_an_argument(fail):
    status, error = fail('telemetry-api', '--port', 'http')
    assert status != 0
    assert '--port' in error
    assert 'http' in error


def test_bad_value_in_the_environment(refuse):
    error = refuse(OS_API__WORKERS='many')
    assert 'workers in OS_API__WORKERS is not valid' in error
    assert 'many' in error


def test_bad_value_in_the_file(refuse, root):
    file = root / 'telemetry.conf'
    file.write_text('[api]\nworkers = 0\n')
    assert f'workers in {file} is not valid' in refuse()


def test_bad_value_that_the_command_does_not_use(refuse):
    assert 'max_pool_size' in refuse(OS_DATABASE__MAX_POOL_SIZE='some')


@pytest.mark.parametrize(
    'application', ['nowhere:application', 'trial:nothing', 'no word']
)
def test_application_that_is_not_there(fail, application):
    status, error = fail('telemetry-api', '--application', application)
    assert status == 1
    assert error.startswith(
        f'telemetry-api: error: cannot load the application {application!r}: '
    )


@pytest.fixture
def certificate(tmp_path):
    """Files of a certificate and its key."""
    return serving.make_ssl_devcert(str(tmp_path / 'trial'), host='localhost')


@pytest.mark.parametrize('mode', [THREADS, PROCESSES])
def test_tls(serve, certificate, mode):
    cert, key = certificate
    command = serve('--tls-cert', cert, '--tls-key', key, *mode)
    assert command.url.startswith('https://127.0.0.1:')
    # A client that stays silent before the handshake holds up nobody.
    with socket.create_connection(address(command.url)):
        shown = ssl.get_server_certificate(address(command.url))
        assert shown.split() == pathlib.Path(cert).read_text().split()
        trust = ssl.create_default_context(cafile=cert)
        trust.check_hostname = False
        with urllib.request.urlopen(command.url, context=trust) as answer:  # noqa: S310
            assert answer.read().split()[2] == b'https'
        command.signal(signal.SIGTERM)
        assert command.wait() == 0


def test_tls_files_that_cannot_be_used(refuse, certificate, root):
    cert, key = certificate
    nowhere = str(root / 'nowhere')
    assert refuse('--tls-cert', nowhere) == (
        f'telemetry-api: error: cannot use [api] tls_cert = {nowhere}: '
        'No such file or directory'
    )
    assert f'tls_key = {cert}' in refuse('--tls-cert', cert, '--tls-key', cert)
    assert 'tls_key needs tls_cert' in refuse('--tls-key', key)


def test_ipv6(serve):
    command = serve('--host', '::1')
    assert command.url.startswith('http://[::1]:')
    assert requests.get(command.url, timeout=60).status_code == 200


def test_reload(serve, root):
    command = serve('--reload')
    url = command.url
    before = requests.get(url, timeout=60).text
    file = root / 'trial.py'
    source = file.read_text()

    file.write_text(source + '(')
    command.wait_for('not reloading')
    assert requests.get(url, timeout=60).text == before

    file.write_text(source.replace("'first'", "'second'"))
    command.wait_for('server on', count=2)
    assert command.url == url
    assert requests.get(url, timeout=60).text.startswith('second ')

    command.signal(signal.SIGTERM)
    assert command.wait() == 0


def test_reload_finishes_requests_in_flight(serve, root, background, release):
    command = serve('--reload')
    held = background(f'{command.url}/hold')
    inside(root, 1)
    file = root / 'trial.py'
    file.write_text(file.read_text().replace("'first'", "'second'"))
    command.wait_for('changed: reloading')
    waiting = background(command.url)
    release()
    assert held.result().text.startswith('first ')
    assert waiting.result().text.startswith('second ')


@pytest.mark.parametrize('mode', [THREADS, PROCESSES, SINGLE])
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_stop_finishes_the_request_in_flight(
    serve, root, background, release, mode, number
):
    command = serve(*mode)
    url = command.url
    held = background(f'{url}/hold')
    inside(root, 1)
    command.signal(number)
    if mode is not SINGLE:  # which is inside the request, not at its port
        command.wait_for(f'{number.name}: stopping')
        wait_for(lambda: is_refused(url), 'closed port')
    release()
    assert held.result().status_code == 200
    assert command.wait() == 0
    assert is_refused(url)
    assert 'Traceback' not in command.err.read_text()


def test_ctrl_c_reaches_the_worker_too(serve, root, background, release):
    command = serve(*PROCESSES)
    held = background(f'{command.url}/hold')
    ((worker, _),) = inside(root, 1)
    os.kill(int(worker), signal.SIGINT)
    command.signal(signal.SIGINT)
    command.wait_for('SIGINT: stopping')
    release()
    assert held.result().status_code == 200
    assert command.wait() == 0


SLOW_LOG = """
import logging
import threading
import time

from trial import application

lock = threading.Lock()


class Slow(logging.Handler):
    def emit(self, record):
        with lock:
            time.sleep(0.3)


logging.getLogger('telemetry.cmd.api').addHandler(Slow())
"""


def test_no_worker_waits_for_a_lock_that_the_log_had(start, root):
    (root / 'slow_log.py').write_text(SLOW_LOG)
    command = start(
        'telemetry-api', '--application', 'slow_log:application', *PROCESSES
    )
    url = command.url
    command.signal(signal.SIGTERM)
    while not is_refused(url):
        # It is answered or not: the port is about to close.
        with (
            contextlib.suppress(ConnectionError),
            socket.create_connection(address(url)) as client,
        ):
            client.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    assert command.wait() == 0


def test_a_second_signal_does_not_wait(serve, root, background, release):
    command = serve()
    held = background(f'{command.url}/hold')
    inside(root, 1)
    command.signal(signal.SIGTERM)
    command.wait_for('SIGTERM: stopping')
    command.signal(signal.SIGTERM)
    assert command.wait() == 128 + signal.SIGTERM
    with pytest.raises(requests.ConnectionError):
        held.result()


@pytest.mark.parametrize('mode', [THREADS, PROCESSES])
def test_stop_does_not_wait_for_silent_clients(serve, mode):
    command = serve(*mode)
    with socket.create_connection(address(command.url)) as silent:
        # Connections are accepted in turn, so the silent one is by now.
        assert requests.get(command.url, timeout=60).status_code == 200
        command.signal(signal.SIGTERM)
        assert command.wait() == 0
        assert silent.recv(1) == b''


@pytest.mark.parametrize('mode', [THREADS, PROCESSES])
def test_stop_does_not_wait_for_clients_that_stay_after_the_answer(
    serve, mode
):
    command = serve(*mode)
    with socket.create_connection(address(command.url)) as client:
        # After the answer Werkzeug reads what else comes, until the client
        # closes the connection.
        client.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n' + bytes(65536))
        assert client.recv(1)
        command.wait_for('"GET / HTTP/1.1" 200')
        command.signal(signal.SIGTERM)
        assert command.wait() == 0


def test_tells_a_client_once_to_continue(serve):
    command = serve()
    with socket.create_connection(address(command.url)) as client:
        client.sendall(
            b'GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n'
        )
        lines = client.makefile().readlines()
    assert [line.split()[1] for line in lines if 'HTTP/1.1' in line] == [
        '100',
        '200',
    ]


def test_access_log(serve):
    command = serve()
    with socket.create_connection(address(command.url)) as client:
        client.sendall(b'GET /\x1b[31mred HTTP/1.0\r\n\r\n')
        client.makefile().read()
    requests.get(f'{command.url}/plain?limit=1', timeout=60)
    command.wait_for(r'127\.0\.0\.1 "GET /plain\?limit=1 HTTP/1\.1" 200')
    text = command.err.read_text()
    assert r'"GET /\x1b[31mred HTTP/1.0" 200' in text
    assert '\x1b' not in text


def test_the_telemetry_api(start, database):
    command = start('telemetry-api', **database)
    assert requests.get(f'{command.url}/v2/meters', timeout=60).json() == []


def test_the_telemetry_api_with_a_file_of_its_own(start, database, root):
    (root / 'telemetry.conf').write_text('[database]\nconnection = none:\n')
    (root / 'own.conf').write_text(
        f'[database]\nconnection = {database["OS_DATABASE__CONNECTION"]}\n'
    )
    command = start('telemetry-api', '--config-file', 'own.conf')
    assert requests.get(f'{command.url}/v2/meters', timeout=60).json() == []


@pytest.mark.parametrize(
    ('connection', 'said'),
    [
        ('sqlite:////nowhere/telemetry.sqlite', 'unable to open'),
        ('postgresql+nodriver://127.0.0.1/telemetry', '[database] connection'),
        ('nonsense', '[database] connection'),
    ],
)
def test_database_that_cannot_be_reached(fail, connection, said):
    status, error = fail('telemetry-api', OS_DATABASE__CONNECTION=connection)
    assert status == 1
    assert said in error


def test_database_without_tables(fail, root):
    status, error = fail(
        'telemetry-api', OS_DATABASE__CONNECTION=f'sqlite:///{root}/new'
    )
    assert status == 1
    assert 'telemetry-dbsync' in error


def test_help(start):
    command = start('telemetry-api', '--help')
    assert command.wait() == 0
    text = command.out.read_text()
    for name in ('host', 'port', 'workers', 'threads', 'tls-cert', 'reload'):
        assert f' --{name} ' in text
