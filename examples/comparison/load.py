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

"""The load generators: wrk for throughput, h2load for latency.

wrk is a closed loop: each of its connections sends the next request once it
has the answer. That finds how much a host can do, and nothing about waiting.
h2load opens a new connection for each request when it is due, whether or not
earlier ones have been answered, and writes down each request. A latency here
starts when the request was due.
"""

import collections
import dataclasses
import json
import math
import pathlib
import resource
import subprocess

from hosts import driver

from comparison import ComparisonError

_SCRIPT = pathlib.Path(__file__).with_name('load.lua')


@dataclasses.dataclass
class Load:
    """What a generator saw.

    :ivar requests: how many requests have been answered
    :ivar seconds: how long that took
    :ivar errors: how many had no answer, or not one of the right kind
    :ivar latencies: how many requests had which latency in microseconds,
        rounded to 2 %; empty for a closed loop
    :ivar cpu: seconds of CPU that the generator used
    :ivar command: the command line
    """

    requests: int
    seconds: float
    errors: int
    latencies: dict
    cpu: float
    command: list


def closed(server, requests, concurrency, seconds, folder):
    """Keep connections busy for some time, with wrk.

    :param server: a running :class:`hosts.Host`
    :param requests: the requests, sent in turn
    :param concurrency: how many connections
    :param folder: where files of the run may be
    :raises ComparisonError: wrk is missing or fails
    """
    file = folder / 'requests.lua'
    file.write_text(
        'return {'
        + ','.join(
            f'{{method={_lua(request.method)}, path={_lua(request.path)}, '
            f'body={_lua(request.body)}, headers={{'
            + ','.join(
                f'[{_lua(name)}]={_lua(value)}'
                for name, value in request.headers.items()
            )
            + '}}'
            for request in requests
        )
        + '}\n'
    )
    command = [
        driver.executable('wrk', 'wrk'),
        '--threads=1',
        f'--connections={concurrency}',
        f'--duration={math.ceil(seconds)}s',
        '--timeout=60s',
        f'--script={_SCRIPT}',
        server.base_url,
        '--',
        str(file),
    ]
    output, cpu = _run(command)
    found = json.loads(output.rpartition('RESULT ')[2])
    return Load(
        requests=found['requests'],
        seconds=found['microseconds'] / 1e6,
        errors=found['errors'],
        latencies={},
        cpu=cpu,
        command=command,
    )


def open_loop(server, request, rate, seconds, folder):
    """Send requests at a fixed rate, with h2load.

    :param rate: requests in a second: 1000 divided by a whole number
    :raises ComparisonError: h2load is missing or fails
    """
    period = 1000 // rate
    number = math.ceil(seconds * rate)
    log = folder / 'requests.tsv'
    log.unlink(missing_ok=True)
    command = [
        driver.executable('h2load', 'nghttp2-client'),
        '--h1',
        f'--requests={number}',
        f'--clients={number}',
        '--rate=1',
        f'--rate-period={period}ms',
        '--connection-active-timeout=60s',
        f'--log-file={log}',
    ]
    for name, value in request.headers.items():
        command.append(f'--header={name}: {value}')
    if request.body:
        data = folder / 'body'
        data.write_text(request.body)
        command.append(f'--data={data}')
    command.append(server.base_url + request.path)
    _, cpu = _run(command)
    rows = [
        tuple(map(int, line.split('\t')[:3]))
        for line in log.read_text().splitlines()
    ]
    good = [row for row in rows if row[1] == request.status]
    return Load(
        requests=len(good),
        seconds=number / rate,
        errors=number - len(good),
        latencies=histogram(waits(good, period * 1000)),
        cpu=cpu,
        command=command,
    )


def waits(rows, period):
    """Give the latencies from when each request was due, in microseconds.

    The generator starts one request in each period, unless it or the
    machine is late; the time from due to started is part of the latency.

    :param rows: (start, status, duration) of each request, times in
        microseconds
    :param period: microseconds between two requests
    """
    rows = sorted(rows)
    first = min(
        (row[0] - index * period for index, row in enumerate(rows)),
        default=0,
    )
    return [
        start + duration - (first + index * period)
        for index, (start, _, duration) in enumerate(rows)
    ]


def histogram(values):
    """Count values, each rounded to one of steps 2 % apart."""
    steps = collections.Counter(
        round(math.log(max(value, 1)) / math.log(1.02)) for value in values
    )
    return {round(1.02**step): steps[step] for step in sorted(steps)}


def _run(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise ComparisonError(
            f'{pathlib.Path(command[0]).name} ended with status '
            f'{done.returncode}: {done.stderr.strip() or done.stdout.strip()}'
        )
    cpu = sum(after[:2]) - sum(before[:2])
    return done.stdout, round(cpu, 3)


def _lua(text):
    """Write text as Lua does: the escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)
