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
lost with the process, and ``telemetry-metrics`` adds them up.
"""

import contextlib
import functools
import os

import prometheus_client
import sqlalchemy as sa
from prometheus_client import values

from telemetry import conf as telemetry_conf

# Clients may send any method, and each value of a label takes memory.
METHODS = ('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS')


def observer(conf):
    """Return what observes requests for telemetry.api.watch.

    :param conf: the configuration, with ``[metrics] directory``
    :raises oslo_config.cfg.Error: the folder cannot be used
    """
    figures = _figures(str(telemetry_conf.metrics_directory(conf)))
    pool_size = conf.database.max_pool_size

    @contextlib.contextmanager
    def observe(seen):
        # Not only once: a process may be forked after the start.
        figures.pool_size.set(pool_size)
        try:
            with figures.in_progress.track_inprogress():
                yield
        finally:
            method = seen.method if seen.method in METHODS else 'other'
            route = seen.route or 'none'
            figures.requests.labels(method, route, seen.status).inc()
            figures.duration.labels(method, route).observe(seen.duration)

    return observe


@functools.cache
def _figures(folder):
    """The figures of this process; it has each only once."""
    os.environ['PROMETHEUS_MULTIPROC_DIR'] = folder
    # Files, whoever imported the library before the folder was known.
    values.ValueClass = values.MultiProcessValue()
    return _Figures()


class _Figures:
    """What is counted. The library opens its files at once."""

    def __init__(self):
        self.requests = prometheus_client.Counter(
            'telemetry_http_requests',
            'Requests that the application has answered.',
            ('method', 'route', 'status'),
            registry=None,
        )
        self.duration = prometheus_client.Histogram(
            'telemetry_http_request_duration_seconds',
            'From the start of a request to the end of its answer.',
            ('method', 'route'),
            registry=None,
        )
        self.in_progress = _sum_of_living(
            'telemetry_http_requests_in_progress',
            'Requests that the application is answering.',
        )
        self.in_use = _sum_of_living(
            'telemetry_database_connections_in_use',
            'Database connections that requests hold.',
        )
        self.pool_size = _sum_of_living(
            'telemetry_database_pool_size',
            'Database connections that the processes keep at most.',
        )
        sa.event.listen(sa.pool.Pool, 'checkout', self._taken)
        sa.event.listen(sa.pool.Pool, 'checkin', self._given_back)

    def _taken(self, connection, record, proxy):
        record.record_info[self] = True
        self.in_use.inc()

    def _given_back(self, connection, record):
        # This comes alone where a lost connection could not be opened again.
        if record.record_info.pop(self, False):
            self.in_use.dec()


def _sum_of_living(name, text):
    return prometheus_client.Gauge(
        name, text, registry=None, multiprocess_mode='livesum'
    )
