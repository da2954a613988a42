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
"""Hosts with the numbers of telemetry-size answer as many as it says."""

import concurrent.futures
import contextlib
import time

import pytest
import sqlalchemy as sa
from comparison import styles
from telemetry import sizing

from tests.databases.conftest import hang_up

LIMIT = 60
TASK = sizing.Task(
    rate=60,
    cpu_ms=15,
    wait_ms=50,
    cores=2,
    memory_mb=4000,
    worker_mb=90,
    connections=97,
)
IN_DATABASE = """
    SELECT count(*) FILTER (WHERE wait_event_type = 'Lock'), count(*)
    FROM pg_stat_activity WHERE usename = 'telemetry';
    """


@pytest.fixture
def counts(postgresql):
    """Return a function: how many queries wait, and the connections."""

    def counts():
        return tuple(map(int, postgresql.sql(IN_DATABASE).split('|')))

    return counts


@contextlib.contextmanager
def storage_that_waits(url):
    """Let each query wait until this is left."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                'LOCK TABLE meter, series, sample IN ACCESS EXCLUSIVE MODE'
            )
        )
        yield
    engine.dispose()


@pytest.mark.parametrize('host', ['uwsgi', 'gunicorn', 'apache-mod-wsgi'])
def test_so_many_requests_overlap_in_the_database(
    host, postgresql, counts, tmp_path
):
    size = sizing.size(TASK)
    places = size.processes * size.threads
    assert places == size.connections == 12
    style = styles.Style(
        host, host, size.processes, size.threads, pool=size.pool
    )
    environ = {
        'OS_DATABASE__CONNECTION': postgresql.url,
        'OS_TELEMETRY_CONFIG_DIR': str(tmp_path),
    }
    hang_up(postgresql)
    with (
        style.server(
            'telemetry.wsgi:application', tmp_path / 'host', environ
        ) as server,
        concurrent.futures.ThreadPoolExecutor(100) as callers,
    ):

        def call():
            answer = server.get('/v2/meters?limit=1')
            return answer.status_code, answer.json()

        with storage_that_waits(postgresql.url):
            calls = [callers.submit(call) for _ in range(3 * places)]
            limit = time.monotonic() + LIMIT
            while counts()[0] < places:
                assert time.monotonic() < limit, counts()
                # A process may have taken more than its threads answer,
                # while another one has threads that are free.
                if len(calls) < 100:
                    calls.append(callers.submit(call))
            waiting, connections = counts()
            assert waiting == places
            # One is that of the lock.
            assert connections == 1 + size.connections
            assert not any(one.done() for one in calls)
        assert {one.result(LIMIT)[0] for one in calls} == {200}
        assert counts()[1] <= size.connections
