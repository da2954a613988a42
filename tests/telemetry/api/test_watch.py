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
"""Each request is one line of the log, whatever becomes of it."""

import contextlib
import functools
import io
import json
import logging

import pytest
from oslo_log import formatters
from telemetry.api import app, watch

SAMPLE = {
    'counter_name': 'load',
    'counter_type': 'gauge',
    'counter_unit': 'process',
    'counter_volume': 1,
    'resource_id': 'node-1',
}
# The number that a test's clock shows first.
START = 100.0


class Log:
    """What is logged, in one of the formats of oslo.log."""

    def __init__(self, formatter):
        self._stream = io.StringIO()
        self.handler = logging.StreamHandler(self._stream)
        self.handler.setFormatter(formatter)

    @property
    def text(self):
        return self._stream.getvalue()

    @property
    def lines(self):
        """The lines about requests."""
        return [
            line for line in self.text.splitlines() if watch.__name__ in line
        ]

    def json(self, logger=watch.__name__):
        """All that one logger said."""
        said = map(json.loads, self.text.splitlines())
        return [line for line in said if line['name'].startswith(logger)]


@contextlib.contextmanager
def logged(formatter):
    log = Log(formatter)
    root = logging.getLogger()
    level = root.level
    root.addHandler(log.handler)
    root.setLevel(logging.INFO)
    try:
        yield log
    finally:
        root.setLevel(level)
        root.removeHandler(log.handler)


@pytest.fixture
def client(client):
    """That of the other tests, which closes an answer once it has it."""
    client.open = functools.partial(client.open, buffered=True)
    return client


@pytest.fixture
def log(client):
    with logged(formatters.JSONFormatter()) as log:
        yield log


@pytest.fixture
def text_log(client, conf):
    with logged(formatters.ContextFormatter(config=conf)) as log:
        yield log


@pytest.mark.parametrize(
    ('method', 'path', 'status', 'route'),
    [
        ('GET', '/', 200, '/'),
        ('GET', '/healthcheck', 200, '/healthcheck'),
        ('GET', '/v2/meters', 200, '/v2/meters'),
        ('HEAD', '/v2/meters', 200, '/v2/meters'),
        ('GET', '/v2/meters/a/b', 200, '/v2/meters/{meter_name}'),
        ('POST', '/v2/meters/load', 201, '/v2/meters/{meter_name}'),
        ('GET', '/v2/samples/1', 404, '/v2/samples/{sample_id}'),
        ('GET', '/v2/nothing', 404, None),
        ('DELETE', '/v2/meters', 405, None),
    ],
)
def test_a_line_for_each_request(client, log, method, path, status, route):
    body = [SAMPLE] if method == 'POST' else None
    answer = client.open(path, method=method, json=body)
    assert answer.status_code == status
    (line,) = log.json()
    seconds = line['extra']['duration']
    assert 0 < seconds < 60
    assert line['extra'] == {
        **line['extra'],
        'method': method,
        'path': path,
        'route': route,
        'status': status,
        'bytes': len(answer.data),
    }
    assert line['message'] == (
        f'"{method} {path}" status: {status} len: {len(answer.data)} '
        f'time: {seconds:.4f}'
    )
    assert (
        line['context']['request_id']
        == answer.headers['X-Openstack-Request-Id']
    )


def test_the_text_has_who_and_which(client, text_log):
    from_before = 'req-12345678-1234-1234-1234-123456789abc'
    answer = client.get(
        '/v2/meters',
        headers={
            'X-User-Id': 'ann',
            'X-Project-Id': 'lab',
            'X-Openstack-Request-Id': from_before,
        },
    )
    key = answer.headers['X-Openstack-Request-Id']
    (line,) = text_log.lines
    assert (
        f' INFO telemetry.api.watch [{from_before} {key} ann lab - - - -] '
        '"GET /v2/meters" status: 200 len: 2 time: 0.' in line
    )


def test_each_request_has_a_caller_of_its_own(client, log):
    client.get('/v2/meters', headers={'X-User-Id': 'ann'})
    client.get('/v2/meters')
    # This one is not asked who it is.
    client.get('/', headers={'X-User-Id': 'bob'})
    assert [line['context']['user'] for line in log.json()] == [
        'ann',
        None,
        None,
    ]
    assert len({line['context']['request_id'] for line in log.json()}) == 3


@pytest.mark.parametrize('form', ['log', 'text_log'])
def test_no_secret_is_in_a_line(client, form, request):
    log = request.getfixturevalue(form)
    for path in ('/v2/meters?token=s3cr3t', '/v2/none?q.value=s3cr3t'):
        client.get(
            path,
            headers={
                'X-Auth-Token': 's3cr3t',
                'X-Service-Token': 's3cr3t',
                'Authorization': 'Basic s3cr3t',
            },
        )
    assert len(log.lines) == 2
    assert 's3cr3t' not in log.text


def test_a_client_cannot_write_lines_of_its_own(client, text_log):
    path = '/v2/meters/a\nINFO "\x1b[31mred\xff'
    client.get('/', environ_overrides={'PATH_INFO': path})
    (line,) = text_log.lines
    assert '/v2/meters/a%0AINFO%20%22%1B%5B31mred%FF" status: 400' in line
    client.get('/v2/meters', headers={'X-User-Id': 'b\x1b[31mr\xe9d'})
    _, line = text_log.lines
    assert r' b\x1b[31mr\xe9d ' in line


def test_a_request_that_fails_inside(client, log, monkeypatch):
    def fail(request):
        raise RuntimeError('something')

    monkeypatch.setattr(app, '_answer', fail)
    answer = client.get('/v2/meters')
    assert answer.status_code == 500
    (line,) = log.json()
    assert line['extra']['status'] == 500
    (told,) = log.json('telemetry.api.app')
    assert 'RuntimeError: something' in told['traceback']
    # What is logged on the way belongs to the request, too.
    assert told['context'] == line['context']


class Clock:
    """Stands still unless it is told to go on."""

    now = START

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(watch, 'time', clock)
    return clock


def start(parts, method='GET'):
    """Start a request to an application whose answer has these parts."""

    def application(environ, start_response):
        start_response('200 OK', [])
        return parts

    def start_response(status, headers, exc_info=None):
        pass

    watched = watch.Watch(application, [watch.log_line])
    return watched({'REQUEST_METHOD': method}, start_response)


class Parts:
    """An answer that takes a second for each part, and for its end."""

    def __init__(self, clock, *parts):
        self._clock = clock
        self._parts = iter(parts)
        self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        self._clock.now += 1
        return next(self._parts)

    def close(self):
        self._clock.now += 1
        self.closed += 1


def test_the_time_is_that_of_the_whole_answer(clock, log):
    parts = Parts(clock, b'one', b'three')
    answer = start(parts)
    assert b''.join(answer) == b'onethree'
    assert log.json() == []
    clock.now += 10  # the host sends it
    answer.close()
    (line,) = log.json()
    assert (line['extra']['bytes'], line['extra']['duration']) == (8, 14)
    assert parts.closed == 1


@pytest.mark.parametrize('taken', [0, 1])
def test_a_client_that_hangs_up(clock, log, taken):
    """Then the host closes the answer before its end."""
    parts = Parts(clock, b'one', b'three')
    answer = start(parts)
    for _ in range(taken):
        next(answer)
    answer.close()
    (line,) = log.json()
    assert line['extra']['bytes'] == 3 * taken
    assert parts.closed == 1


def test_an_answer_that_fails_on_the_way(log):
    def parts():
        yield b'one'
        raise RuntimeError

    answer = start(parts())
    with contextlib.closing(answer), pytest.raises(RuntimeError):
        list(answer)
    (line,) = log.json()
    assert line['extra']['bytes'] == 3


def test_an_application_that_fails(log):
    def application(environ, start_response):
        raise RuntimeError

    watched = watch.Watch(application, [watch.log_line])
    with pytest.raises(RuntimeError):
        watched({'REQUEST_METHOD': 'GET'}, None)
    (line,) = log.json()
    assert (line['extra']['status'], line['extra']['bytes']) == (500, 0)


def test_the_sql_of_a_request_has_its_id(client, conf, log, monkeypatch):
    logger = logging.getLogger('sqlalchemy.engine')
    monkeypatch.setattr(logger, 'level', logger.level)  # put it back
    conf.set_override('connection_debug', 50, 'database')
    client.get('/v2/samples')
    (line,) = log.json()
    sql = log.json('sqlalchemy.engine')
    assert any('FROM sample' in told['message'] for told in sql)
    ids = {told['context']['request_id'] for told in sql}
    assert ids == {line['context']['request_id']}
