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
"""Figures about requests and the database, for Prometheus.

Each process keeps its own in files of ``[metrics] directory``, so that none is
lost with the process, and ``telemetry-metrics`` adds them up. Import this only
where that option is set: the library needs the folder at once.
"""

import contextlib

import prometheus_client
import sqlalchemy as sa
from prometheus_client import values

# Files, whoever imported the library before the folder was known.
values.ValueClass = values.MultiProcessValue()

REQUESTS = prometheus_client.Counter(
    'telemetry_http_requests',
    'Requests that the application has answered.',
    ('method', 'route', 'status'),
    registry=None,
)
DURATION = prometheus_client.Histogram(
    'telemetry_http_request_duration_seconds',
    'From the start of a request to the end of its answer.',
    ('method', 'route'),
    registry=None,
)
IN_PROGRESS = prometheus_client.Gauge(
    'telemetry_http_requests_in_progress',
    'Requests that the application is answering.',
    registry=None,
    multiprocess_mode='livesum',
)
IN_USE = prometheus_client.Gauge(
    'telemetry_database_connections_in_use',
    'Database connections that requests hold.',
    registry=None,
    multiprocess_mode='livesum',
)
POOL_SIZE = prometheus_client.Gauge(
    'telemetry_database_pool_size',
    'Database connections that the processes keep at most.',
    registry=None,
    multiprocess_mode='livesum',
)

# Clients may send any method, and each value of a label takes memory.
METHODS = ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS')


def observer(conf):
    """Return what observes requests for telemetry.api.watch.

    :param conf: the configuration
    """
    pool_size = conf.database.max_pool_size

    @contextlib.contextmanager
    def observe(seen):
        # Not only once: a process may be forked after this is imported.
        POOL_SIZE.set(pool_size)
        try:
            with IN_PROGRESS.track_inprogress():
                yield
        finally:
            method = seen.method if seen.method in METHODS else 'other'
            route = seen.route or 'none'
            REQUESTS.labels(method, route, seen.status).inc()
            DURATION.labels(method, route).observe(seen.duration)

    return observe


@sa.event.listens_for(sa.pool.Pool, 'checkout')
def _taken(connection, record, proxy):
    record.record_info[IN_USE] = True
    IN_USE.inc()


@sa.event.listens_for(sa.pool.Pool, 'checkin')
def _given_back(connection, record):
    # This comes alone where a lost connection could not be opened again.
    if record.record_info.pop(IN_USE, False):
        IN_USE.dec()
