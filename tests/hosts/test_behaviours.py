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

"""How hosts treat requests at the edge: the lines of the support matrix."""

import collections
import json
import platform
import re
import socket
import ssl
import struct
import sys
import time

import hosts
import psutil
import pytest
import requests

from tests.hosts import conftest

SAMPLE = {
    'counter_name': 'edge',
    'counter_type': 'gauge',
    'counter_unit': 'request',
    'counter_volume': 1,
    'resource_id': 'node/1',
    'resource_metadata': {},
}

ACCESS_LINE = r'"GET /\S* HTTP/1.1" \d{3}\b'


def connect(server):
    """Open a connection on which a test writes HTTP by itself."""
    plain = socket.create_connection((server.address, server.port), 60)
    if server.scheme == 'http':
        return plain
    context = ssl.create_default_context(cafile=server.certificate)
    return context.wrap_socket(plain, server_hostname=server.address)


def request(server, method, path, *headers):
    """Give the head of a request as it goes over the wire."""
    lines = [
        f'{method} {path} HTTP/1.1',
        f'Host: {server.host_and_port}',
        *headers,
    ]
    return '\r\n'.join([*lines, '', '']).encode()


def read_answer(connection):
    """Give the status, the headers and the body.

    100 Continue is an answer of its own.
    """
    answer = connection.makefile('rb')
    line = answer.readline()
    assert line, 'the connection was closed without an answer'
    headers = requests.structures.CaseInsensitiveDict()
    while (header := answer.readline()) not in (b'\r\n', b''):
        name, _, value = header.decode().partition(':')
        headers[name] = value.strip()
    body = answer.read(int(headers.get('Content-Length', 0)))
    return int(line.split()[1]), headers, body


def raw(server, data):
    """Give all that comes back until the connection is closed."""
    with connect(server) as connection:
        connection.sendall(data)
        return connection.makefile('rb').read().decode('latin-1')


def stored(telemetry, meter):
    return len(telemetry.get(f'/v2/meters/{meter}').json())


def chunks():
    body = json.dumps([{**SAMPLE, 'counter_name': 'chunked'}]).encode()
    yield body[:30]
    yield body[30:]


def post_chunked(telemetry):
    with telemetry.session() as session:
        answer = session.post(
            f'{telemetry.base_url}/v2/meters/chunked',
            data=chunks(),
            headers={'Content-Type': 'application/json'},
            timeout=60,
        )
    return answer.status_code


@pytest.mark.behaviour('chunked-not-lost')
def test_chunked_samples_are_not_lost(telemetry):
    """Loses no samples that come in chunks: stores or refuses all."""
    before = stored(telemetry, 'chunked')
    status = post_chunked(telemetry)
    assert status in (201, 411)
    assert stored(telemetry, 'chunked') == before + (status == 201)


@pytest.mark.behaviour('chunked')
def test_stores_chunked_samples(telemetry):
    """Stores samples that come in chunks."""
    assert post_chunked(telemetry) == 201


@pytest.mark.behaviour('two-lengths')
def test_refuses_two_lengths(telemetry):
    """Refuses a request that gives its length in two ways."""
    body = json.dumps([{**SAMPLE, 'counter_name': 'two'}]).encode()
    with connect(telemetry) as connection:
        connection.sendall(
            request(
                telemetry,
                'POST',
                '/v2/meters/two',
                'Content-Type: application/json',
                f'Content-Length: {len(body)}',
                'Transfer-Encoding: chunked',
            )
            + b'%x\r\n%s\r\n0\r\n\r\n' % (len(body), body)
        )
        status, _, _ = read_answer(connection)
    assert 400 <= status < 500
    assert stored(telemetry, 'two') == 0


@pytest.mark.behaviour('big-token')
def test_takes_a_token_of_32_kilobytes(server):
    """Takes a header of 32 kB, such as a large token."""
    token = 'x' * 32768
    answer = server.get('/environ', {'X-Auth-Token': token})
    assert answer.json()['HTTP_X_AUTH_TOKEN'] == token


@pytest.mark.behaviour('authorization')
def test_passes_authorization(server):
    """Passes the Authorization header to the application."""
    answer = server.get('/environ', {'Authorization': 'Basic eDp5'})
    assert answer.json()['HTTP_AUTHORIZATION'] == 'Basic eDp5'


@pytest.mark.behaviour('proxy-header')
def test_drops_the_proxy_header(server):
    """Keeps a Proxy header of the client from the application."""
    answer = server.get('/environ', {'Proxy': 'http://evil.example'})
    assert not answer.json().get('HTTP_PROXY')


@pytest.mark.behaviour('underscores')
def test_drops_header_names_with_underscores(server):
    """Keeps headers from the application that are spelled with underscores,
    so that X_User_Id does not pass for X-User-Id."""
    answer = server.get('/environ', {'X_User_Id': 'admin'})
    assert 'HTTP_X_USER_ID' not in answer.json()


@pytest.mark.behaviour('forwarded')
def test_believes_no_client_about_itself(server):
    """Takes scheme, host, path and address from the connection and the
    request, not from what a client says of itself in X-Forwarded headers."""
    other = {'http': 'https', 'https': 'http'}[server.scheme]
    told = {
        'X-Forwarded-Proto': other,
        'X-Forwarded-Protocol': {'https': 'ssl'}.get(other, other),
        'X-Forwarded-Ssl': {'https': 'on', 'http': 'off'}[other],
        'X-Forwarded-Host': 'evil.example',
        'X-Forwarded-Port': '1',
        'X-Forwarded-Prefix': '/evil',
        'X-Forwarded-For': '192.0.2.1',
        'X-Real-IP': '192.0.2.1',
        'X-Script-Name': '/evil',
    }
    without, with_it = (
        server.get('/environ', headers).json() for headers in (None, told)
    )
    for name in (
        'wsgi.url_scheme',
        'HTTP_HOST',
        'SERVER_NAME',
        'SERVER_PORT',
        'SCRIPT_NAME',
        'PATH_INFO',
        'REMOTE_ADDR',
    ):
        assert with_it[name] == without[name], name
    assert without['wsgi.url_scheme'] == server.scheme


@pytest.mark.behaviour('head')
def test_answers_head_without_a_body(telemetry):
    """Answers HEAD as GET, but without the body."""
    path = '/v2/capabilities'
    answer = raw(
        telemetry, request(telemetry, 'HEAD', path, 'Connection: close')
    )
    head, _, body = answer.partition('\r\n\r\n')
    assert ' 200 ' in head.splitlines()[0]
    assert body == ''
    if length := re.search(r'content-length: (\d+)', head, re.I):
        assert int(length[1]) == len(telemetry.get(path).content)


@pytest.mark.behaviour('encoded-slash')
@pytest.mark.parametrize(
    'path', ['a%2Fb%3A%20c%26d%3F%25', 'a%2fb:%20c&d%3f%25']
)
def test_takes_ids_with_encoded_slashes(telemetry, path):
    """Takes resource ids with slashes, spaces and other signs, encoded."""
    resource = {**SAMPLE, 'counter_name': 'id', 'resource_id': 'a/b: c&d?%'}
    with telemetry.session() as session:
        session.post(
            f'{telemetry.base_url}/v2/meters/id', json=[resource], timeout=60
        ).raise_for_status()
    answer = telemetry.get(f'/v2/resources/{path}')
    assert answer.json()['resource_id'] == 'a/b: c&d?%'


@pytest.mark.behaviour('body-limit')
def test_refuses_a_body_of_100_megabytes(telemetry):
    """Refuses a body of 100 MB with status 413."""
    length = 100 * 1024 * 1024
    with connect(telemetry) as connection:
        connection.sendall(
            request(
                telemetry,
                'POST',
                '/v2/meters/large',
                'Content-Type: application/json',
                f'Content-Length: {length}',
            )
        )
        connection.settimeout(8)
        try:
            status, _, _ = read_answer(connection)
        except TimeoutError:  # this one wants to see it
            connection.settimeout(60)
            for _ in range(length // 2**20):
                connection.sendall(bytes(2**20))
            status, _, _ = read_answer(connection)
    assert status == 413


@pytest.mark.behaviour('slow-body')
def test_takes_a_slow_body_beside_other_requests(server):
    """Takes a body that arrives over three seconds, while other requests
    begin and end."""
    part = bytes(20_000)
    parts = 15
    with connect(server) as connection:
        connection.sendall(
            request(
                server,
                'POST',
                '/digest',
                f'Content-Length: {parts * len(part)}',
                'Connection: close',
            )
        )
        for _ in range(parts):
            assert server.get('/').status_code == 200
            connection.sendall(part)
            time.sleep(0.2)
        status, _, body = read_answer(connection)
    assert status == 200
    assert json.loads(body)['length'] == parts * len(part)


@pytest.mark.behaviour('expect')
def test_answers_expect_100_continue(server):
    """Tells a client that waits for it to go on with the body."""
    with connect(server) as connection:
        connection.sendall(
            request(
                server,
                'POST',
                '/digest',
                'Content-Length: 4',
                'Expect: 100-continue',
                'Connection: close',
            )
        )
        connection.settimeout(5)
        status, _, _ = read_answer(connection)
        assert status == 100
        connection.sendall(b'body')
        status, _, body = read_answer(connection)
    assert (status, json.loads(body)['length']) == (200, 4)


@pytest.mark.behaviour('keep-alive')
def test_answers_twice_on_one_connection(server):
    """Answers several requests on one connection."""
    with connect(server) as connection:
        connection.settimeout(5)
        for _ in range(2):
            connection.sendall(request(server, 'GET', '/'))
            status, _, _ = read_answer(connection)
            assert status == 200


@pytest.mark.behaviour('says-close')
def test_says_when_it_closes_the_connection(server):
    """Says so where it closes a connection after the answer, so that no
    client sends the next request into it."""
    with connect(server) as connection:
        connection.settimeout(5)
        connection.sendall(request(server, 'GET', '/'))
        _, headers, _ = read_answer(connection)
        if headers.get('Connection', '').lower() != 'close':
            connection.sendall(request(server, 'GET', '/'))
            status, _, _ = read_answer(connection)
            assert status == 200


@pytest.mark.behaviour('ipv6')
def test_listens_on_ipv6(start):
    """Listens on an IPv6 address."""
    with start(address='::1') as server:
        assert server.get('/').status_code == 200


@pytest.mark.behaviour('refuses-to-start')
def test_refuses_to_start_without_the_application(start):
    """Ends with a message when the application cannot be imported."""
    with (
        pytest.raises(Exception, match='ended with status .*[^0]'),
        start('no_such_module:application'),
    ):
        pass


@pytest.fixture(scope='module')
def hang_ups(server):
    """The workers before, and the lines that the log has for 100 clients
    that hang up early."""
    workers = server.workers()

    def descriptors():
        return sum(psutil.Process(pid).num_fds() for pid in workers)

    server.get('/')
    before = descriptors()
    lines = collections.Counter(server.log_text().splitlines())
    for _ in range(100):
        with connect(server) as connection:
            connection.sendall(request(server, 'GET', '/large'))
            connection.recv(1000)
            # Hang up at once, with the answer on its way.
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)
            )
    server.wait(
        'did not answer as before',
        lambda: server.is_serving() and descriptors() <= before + 8,
    )
    return workers, collections.Counter(server.log_text().splitlines()) - lines


@pytest.mark.behaviour('hang-up')
def test_survives_clients_that_hang_up(server, hang_ups):
    """Survives 100 clients that hang up early: the workers are the same, and
    no descriptor is lost."""
    workers, _ = hang_ups
    assert server.workers() == workers


@pytest.mark.behaviour('hang-up-quiet')
def test_logs_only_the_request_of_clients_that_hang_up(hang_ups):
    """Logs no more than the request of a client that hangs up early."""
    _, lines = hang_ups
    assert any('/large' in line for line in lines)
    assert not [line for line in lines if not re.search(ACCESS_LINE, line)]


@pytest.fixture(scope='module')
def answers(server):
    """All of a good answer and of several bad ones."""
    return [
        raw(server, data)
        for data in (
            request(server, 'GET', '/', 'Connection: close'),
            request(server, 'GET', '/fail', 'Connection: close'),
            request(server, 'GET', '/%00', 'Connection: close'),
            b'no request at all\r\n\r\n',
        )
    ]


@pytest.mark.behaviour('version-hidden')
def test_does_not_tell_versions(server, answers):
    """Does not tell its version or that of Python."""
    versions = [*server.versions().values(), platform.python_version()]
    for answer in answers:
        head, _, body = answer.partition('\r\n\r\n')
        # The body of the good one is that of the application.
        told = head if '200 OK' in head else answer
        assert not [version for version in versions if version in told]


@pytest.mark.behaviour('environment-hidden')
def test_does_not_tell_its_environment(server, answers):
    """Tells nothing of its environment, paths or program, even when the
    application fails."""
    assert '200 OK' in answers[0]
    for answer in answers:
        for secret in (
            conftest.UNTOLD,
            str(server.root),
            sys.prefix,
            str(hosts.FOLDER),
            'Traceback',
        ):
            assert secret not in answer


@pytest.mark.behaviour('failure')
def test_answers_500_when_the_application_fails(server):
    """Answers 500 when the application raises an error."""
    assert server.get('/fail').status_code == 500
