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
"""``telemetry-size``: reckons processes, threads and connections."""

import os

import psutil
from oslo_config import cfg

from telemetry import sizing, storage
from telemetry.cmd import shell

OPTIONS = [
    cfg.FloatOpt(
        'rate',
        required=True,
        help='Requests a second at the busiest time.',
    ),
    cfg.FloatOpt(
        'cpu-ms',
        required=True,
        help='Milliseconds of CPU that the host takes for one request.',
    ),
    cfg.FloatOpt(
        'wait-ms',
        required=True,
        help='Milliseconds that one request waits for the database.',
    ),
    cfg.FloatOpt(
        'worker-mb',
        required=True,
        help='Megabytes of memory of one process of the host under load.',
    ),
    cfg.IntOpt(
        'cores',
        help='Cores that the API may use. When unset, all that this command '
        'may use.',
    ),
    cfg.FloatOpt(
        'memory-mb',
        help='Megabytes of memory that the API may use. When unset, all of '
        'this machine.',
    ),
    cfg.IntOpt(
        'connections',
        help='Connections that the database allows the API. When unset, the '
        'database of [database] connection is asked.',
    ),
]

TEXT = """\
{task.rate:g} requests a second, {task.cpu_ms:g} ms of CPU and \
{task.wait_ms:g} ms of waiting each, on {task.cores} cores:

  in progress on average     {found.in_progress:.1f}
  processes                  {found.processes}
  threads of each            {found.threads}
  connections to the database
    with all threads busy    {found.connections}
    while replacing          {connections}{allowed}
  memory
    all processes            {found.memory_mb:.0f} MB
    while replacing          {memory:.0f} MB, of {task.memory_mb:.0f} MB
  most requests a second     {highest:g}

# uWSGI: telemetry-api.ini
processes = {found.processes}
threads = {found.threads}

# gunicorn: gunicorn.conf.py
workers = {found.processes}
threads = {found.threads}

# Apache with mod_wsgi: telemetry-api.conf, in WSGIDaemonProcess
processes={found.processes} \\
threads={found.threads} \\

# with each of them: telemetry.conf
[database]
max_pool_size = {found.pool}
max_overflow = 0
"""


def main(argv=None):
    """Run the command and return its exit status."""
    return shell.run(
        'telemetry-size',
        size,
        argv,
        cli_opts=OPTIONS,
        description='Reckon how many processes and threads an API needs for '
        'a rate of requests, and how many connections and how much memory '
        'these take. Print the lines for the files of the WSGI host.',
    )


def size(conf):
    """Print what the API needs.

    :raises telemetry.cmd.shell.CommandError: a value makes no sense, or one
        machine cannot meet the rate
    :raises telemetry.storage.errors.StorageError: the database is to be
        asked, and does not answer
    """
    connections = conf.connections
    if connections is None:
        connections = storage.Storage(conf).connection_limit()
    cores = conf.cores
    if cores is None:
        cores = len(os.sched_getaffinity(0))
    memory_mb = conf.memory_mb
    if memory_mb is None:
        memory_mb = psutil.virtual_memory().total // 10**6
    try:
        task = sizing.Task(
            conf.rate,
            conf.cpu_ms,
            conf.wait_ms,
            cores,
            memory_mb,
            conf.worker_mb,
            connections,
        )
        found = sizing.size(task)
    except sizing.SizingError as error:
        raise shell.CommandError(str(error)) from None
    print(_text(task, found), end='')


def _text(task, found):
    allowed = ''
    if task.connections is not None:
        allowed = f', of {task.connections}'
    return TEXT.format(
        task=task,
        found=found,
        allowed=allowed,
        connections=sizing.GENERATIONS * found.connections,
        memory=sizing.GENERATIONS * found.memory_mb,
        highest=sizing.highest_rate(task),
    )
