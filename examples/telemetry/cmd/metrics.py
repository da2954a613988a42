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
"""``telemetry-metrics``: what the processes of the API count, for Prometheus.

It is a process of its own with a port of its own. So Prometheus gets an answer
while all workers of the API are busy, and the port of the API, which others
reach, never tells about it.
"""

import pathlib
import signal
import threading

import prometheus_client
import psutil
from prometheus_client import multiprocess

from telemetry import conf as telemetry_conf
from telemetry.cmd import shell

PROG = 'telemetry-metrics'


def main(argv=None):
    """Run the command and return its exit status."""
    return shell.run(
        PROG,
        serve,
        argv,
        settings=('metrics', telemetry_conf.METRICS_OPTS),
        description='Answer Prometheus with what all processes of the API '
        'have counted, until SIGTERM.',
    )


def serve(conf):
    """Answer until SIGTERM or SIGINT.

    :raises telemetry.cmd.shell.CommandError: there is no folder to read, or
        the address cannot be used
    """
    options = conf.metrics
    if not options.directory:
        raise shell.CommandError(
            '[metrics] directory is not set: without it the API counts nothing'
        )
    registry = prometheus_client.CollectorRegistry()
    registry.register(Processes(telemetry_conf.metrics_directory(conf)))
    try:
        server, _ = prometheus_client.start_http_server(
            options.port, options.host, registry
        )
    except OSError as error:
        raise shell.CommandError(
            f'cannot listen on [metrics] host = {options.host}, port = '
            f'{options.port}: {error.strerror}'
        ) from error
    host = f'[{options.host}]' if ':' in options.host else options.host
    print(
        f'{PROG}: listening on http://{host}:{server.server_port}/metrics',
        flush=True,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    server.shutdown()


class Processes:
    """A collector of what all processes have counted in the files of a
    folder, also those that have ended."""

    def __init__(self, directory):
        self._directory = pathlib.Path(directory)

    def collect(self):
        # What a process was doing when it was killed is over.
        for file in self._directory.glob('gauge_live*.db'):
            pid = int(file.stem.rpartition('_')[2])
            if not psutil.pid_exists(pid):
                file.unlink(missing_ok=True)
        return multiprocess.MultiProcessCollector.merge(
            [str(file) for file in self._directory.glob('*.db') if full(file)]
        )


def full(file):
    """Whether there is something in a file.

    A process makes it empty first. prometheus_client cannot read that, and a
    process that is killed there leaves it so.
    """
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:  # of a process that has ended meanwhile
        return False
