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

"""What the drivers promise, with the same tests on every host."""

import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

import hosts
import psutil
import pytest
import requests

from tests.requests import ceilometer_client, fixtures, running

# One host for each way of taking a prefix off the path.
EACH_KIND = ('apache-mod-wsgi', 'gunicorn', 'uwsgi')


def wait_for(condition, seconds=60):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, 'waited in vain'
        time.sleep(0.05)


@contextlib.contextmanager
def slow_request(server, folder, seconds=1.5):
    """Give the future answer to a request that the application works on."""
    arrived = folder / 'arrived'
    folder.chmod(0o777)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        path = f'/sleep?seconds={seconds}&arrived={arrived}'
        answer = pool.submit(server.get, path)
        wait_for(lambda: answer.done() or arrived.exists())
        yield answer


@contextlib.contextmanager
def load(server, clients=6):
    """Send requests all the time; give the list of what went wrong."""
    failures, finished = [], threading.Event()

    def client():
        with server.session() as session:
            while not finished.is_set():
                try:
                    session.get(
                        f'{server.base_url}/', timeout=60
                    ).raise_for_status()
                except requests.RequestException as error:
                    failures.append(error)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        for _ in range(clients):
            pool.submit(client)
        try:
            yield failures
        finally:
            finished.set()


@pytest.mark.behaviour('requests')
@pytest.mark.parametrize('name', running.FILES)
def test_answers_as_the_requests_say(telemetry, database, name):
    """Gives the answers of the HTTP behaviour reference."""
    assert running.run(name, database, url=telemetry.base_url)


@pytest.mark.behaviour('prefix')
def test_serves_below_a_path(start_telemetry, database, host):
    """Serves the telemetry API below a path such as /telemetry, with links
    that work."""
    with start_telemetry(database, prefix='/some/prefix') as server:
        for name in running.FILES if host.name in EACH_KIND else ['links']:
            assert running.run(name, database, url=server.base_url)


@pytest.fixture(scope='session')
def placement(tmp_path_factory):
    """The environment variables of a placement that is ready to start."""
    folder = tmp_path_factory.mktemp('placement')
    (folder / 'placement.conf').write_text(
        '[placement_database]\n'
        f'connection = sqlite:///{folder}/placement.sqlite\n'
        '[api]\n'
        'auth_strategy = noauth2\n'
    )
    environ = {'OS_PLACEMENT_CONFIG_DIR': str(folder)}
    # When it is imported, placement writes its standard names into the
    # database, and does not wait for another process that does the same on
    # SQLite: let one process do it before a host starts several.
    for command in (
        [
            pathlib.Path(sys.executable).with_name('placement-manage'),
            *('--config-file', folder / 'placement.conf', 'db', 'sync'),
        ],
        [sys.executable, '-c', 'import placement.wsgi.api'],
    ):
        subprocess.run(command, env={**os.environ, **environ}, check=True)
    return environ


@pytest.mark.behaviour('any-application')
def test_serves_an_application_of_others(start, host, placement):
    """Serves placement, a service of OpenStack, as it comes from PyPI."""
    with (
        start('placement.wsgi.api:application', environ=placement) as server,
        server.session() as session,
    ):
        url = f'{server.base_url}/resource_providers'
        session.headers.update(
            {
                'X-Auth-Token': 'admin',
                'OpenStack-API-Version': 'placement 1.39',
            }
        )
        name = {'name': f'rack of {host.name}'}
        made = session.post(url, json=name, timeout=60)
        assert made.status_code == 200, made.text
        found = session.get(url, params=name, timeout=60)
        assert found.json() == {'resource_providers': [made.json()]}


@pytest.mark.parametrize('host', ['uwsgi', 'werkzeug'], indirect=True)
def test_the_existing_client_works(telemetry, database):
    fixtures.EmptyDatabase.connection = database
    fixtures.EmptyDatabase().start_fixture()
    ceilometer_client.exercise(telemetry.base_url)


@pytest.mark.behaviour('large-body')
def test_passes_on_a_large_body(server):
    """Passes on a body of 300 kB unchanged."""
    body = os.urandom(300_000)
    with server.session() as session:
        answer = session.post(f'{server.base_url}/digest', body, timeout=60)
    assert answer.json() == {
        'length': len(body),
        'sha256': hashlib.sha256(body).hexdigest(),
    }


@pytest.mark.behaviour('unprivileged')
def test_runs_without_privileges(server):
    """Runs as a user without privileges, all processes of it."""
    assert server.get('/').json()['uid'] != 0
    assert {process.uids().real for process in server.processes()} == {
        server.get('/').json()['uid']
    }


def test_workers_are_those_that_answer(server):
    pids = {server.get('/').json()['pid'] for _ in range(30)}
    assert pids <= server.workers()


@pytest.mark.behaviour('request-id')
def test_logs_each_request_with_its_id(telemetry):
    """Writes the id that is in the answer into its own log line."""
    answer = telemetry.get('/v2/capabilities')
    request_id = answer.headers['X-Openstack-Request-Id']
    # The application itself names no protocol.
    line = re.compile(f'GET /v2/capabilities HTTP.*200.*{request_id}')
    wait_for(lambda: line.search(telemetry.log_text()), seconds=20)


@pytest.mark.behaviour('reload')
def test_reloads_without_a_failed_request(server):
    """Replaces all workers under load, and no request fails."""
    before = server.workers()
    with load(server) as failures:
        server.reload()
    assert not failures
    assert not before & server.workers()


@pytest.mark.behaviour('respawn')
def test_replaces_a_killed_worker(server):
    """Replaces a worker that was killed with SIGKILL."""
    before = server.workers()
    assert server.main.pid not in before
    killed = before.pop()
    os.kill(killed, 9)
    wait_for(
        lambda: (
            (now := server.workers()) > before
            and killed not in now
            and server.is_serving()
        )
    )


@pytest.mark.behaviour('database-restart')
def test_finds_a_database_that_restarts(start_telemetry, postgresql):
    """Answers 503 while the database is down, and finds it again when it is
    back, without a restart of the host."""

    def statuses():
        return {server.get('/v2/meters').status_code for _ in range(20)}

    with start_telemetry(postgresql.url) as server:
        workers = server.workers()
        # Each worker has connections that end with the database.
        assert statuses() == {200}
        postgresql.stop()
        try:
            assert statuses() == {503}
        finally:
            postgresql.start()
        assert statuses() == {200}
        assert server.workers() == workers


@pytest.mark.behaviour('stop')
def test_stop_answers_what_is_in_flight(start, tmp_path):
    """Asked to stop, answers the requests in flight first."""
    with start() as server, slow_request(server, tmp_path) as answer:
        main = server.main
        server.stop()
        assert answer.result().json()['pid']
    assert not main.is_running()


@pytest.mark.behaviour('import-error')
def test_an_application_that_cannot_be_imported(start):
    """Names an application that cannot be imported in its log."""
    with (
        pytest.raises(hosts.HostError, match='no_such_module'),
        start('no_such_module:application'),
    ):
        pass


def test_an_application_without_a_callable(host, tmp_path):
    with pytest.raises(ValueError, match="'json' is not module:callable"):
        host('json', tmp_path)


def test_nothing_is_left_when_its_starter_is_killed(host, tmp_path):
    program = (
        'import hosts, sys, time\n'
        f'host = hosts.find()[{host.name!r}]\n'
        f'server = host("wsgiref.simple_server:demo_app", {str(tmp_path)!r})\n'
        'server.start()\n'
        'print(*(one.pid for one in server.processes()), flush=True)\n'
        'time.sleep(300)\n'
    )
    starter = subprocess.Popen(
        [sys.executable, '-c', program],
        stdout=subprocess.PIPE,
        env={**os.environ, 'PYTHONPATH': str(hosts.FOLDER.parent)},
    )
    with starter:
        pids = map(int, starter.stdout.readline().split())
        left = [psutil.Process(pid) for pid in pids]
        starter.kill()
    # A worker may take all of the 60 seconds that it has to finish.
    wait_for(lambda: not any(one.is_running() for one in left), seconds=120)
