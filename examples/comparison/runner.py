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

"""Carries out a plan, and writes down each run."""

import collections
import datetime
import functools
import itertools
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import time
from importlib import metadata

from telemetry.api import deploy
from werkzeug.test import Client
from werkzeug.utils import import_string

from comparison import (
    ComparisonError,
    data,
    load,
    plan,
    requests,
    stores,
    trouble,
    watch,
)

PACKAGES = (
    'eventlet',
    'gunicorn',
    'oslo.db',
    'psycopg',
    'PyMySQL',
    'mysqlclient',
    'pyuwsgi',
    'SQLAlchemy',
    'Werkzeug',
)
_NUMBER = r'(\d+(?:\.\d+)+)'
_PROGRAMS = {
    'wrk': ('--version', _NUMBER),
    'h2load': ('--version', r'nghttp2/(\S+)'),
    'apache2': ('-v', _NUMBER),
    'nginx': ('-v', _NUMBER),
    'psql': ('--version', _NUMBER),
    'mariadb': ('--version', r'Distrib ' + _NUMBER),
}
#: A generator that is busy for more than this is what is measured.
GENERATOR_LIMIT = 0.9
#: What everything else may use of the machine's CPU.
OTHERS_LIMIT = 0.1
#: What a virtual machine may lose of its CPU to its neighbours. Styles take
#: turns in random order, so that a loss widens the intervals of all of them.
STEAL_LIMIT = 0.2
#: How often a run is made that the machine disturbs each time.
TRIES = 3
#: How many seconds to wait for a quiet machine before a run.
PATIENCE = 20
#: How many requests are sent, one by one, before what is measured, and for
#: how many seconds at most.
WARM_UP = 20, 2


class Runner:
    """Carries out blocks of runs.

    :param output: the data file, a :class:`pathlib.Path`
    :param say: a function for progress, which takes a line
    """

    def __init__(self, output, say):
        self._output = output
        self._say = say

    def run(self, blocks, settings, resume=False):
        """Make the runs that the data file lacks.

        :param blocks: of :mod:`comparison.plan`
        :param settings: what is the same for all runs, for the first line
        :param resume: go on with the file that is there
        :raises ComparisonError: a server is missing or does not start; the
            file is there, or is of other settings
        """
        runs = plan.runs(blocks)
        done = self._begin(settings, resume)
        missing = [
            (block, step) for block, step in runs if block.id(step) not in done
        ]
        self._total = sum(step.seconds + 1 for _, step in missing)
        self._began = time.monotonic()
        self._done = 0
        self._number = len(runs) - len(missing), len(runs)
        with tempfile.TemporaryDirectory(prefix='cmp') as folder:
            folder = pathlib.Path(folder)
            folder.chmod(0o755)
            with stores.Stores(folder) as databases:
                for block in blocks:
                    steps = [
                        step
                        for step in block.steps
                        if block.id(step) not in done
                    ]
                    if steps:
                        self._run_block(block, steps, databases, folder)

    def _begin(self, settings, resume):
        if not self._output.exists():
            data.append(self._output, settings)
            return set()
        if not resume:
            raise ComparisonError(
                f'{self._output} is there: go on with --resume, or name '
                'another file with --output'
            )
        data.mend(self._output)
        old = data.read(self._output)
        for name in ('plan', 'seed', 'machine', 'versions'):
            if old.settings[name] != settings[name]:
                raise ComparisonError(
                    f'{self._output} has {name} {old.settings[name]!r}, and '
                    f'this is {settings[name]!r}: name another file with '
                    '--output'
                )
        tries = collections.Counter(run['id'] for run in old.runs)
        return {
            run['id']
            for run in old.runs
            if not run['disturbed'] or tries[run['id']] >= TRIES
        }

    def _run_block(self, block, steps, databases, folder):
        store = block.store and databases.get(block.store, block.samples)
        root = pathlib.Path(tempfile.mkdtemp(dir=folder))
        root.chmod(0o755)
        server = block.style.server(
            block.application,
            root / 'host',
            environ=store.environ if store else {},
            python_path=[pathlib.Path.cwd()],
        )
        checks = Checks(block, store)
        try:
            with server:
                servers = server.versions()
                for step in steps:
                    self._say(self._progress(block, step))
                    for _ in range(TRIES):
                        watch.wait_until_quiet(PATIENCE)
                        record = one_run(
                            block, step, server, store, checks, root
                        )
                        record['servers'] = servers
                        data.append(self._output, record)
                        for mark in record['marks']:
                            self._say(f'    marked: {mark}')
                        if not record['disturbed']:
                            break
                    self._done += step.seconds + 1
                    self._number = self._number[0] + 1, self._number[1]
        finally:
            shutil.rmtree(root, ignore_errors=True)

    def _progress(self, block, step):
        """The line that tells what comes, and how long it all may take."""
        spent = time.monotonic() - self._began
        left = (
            spent / self._done * (self._total - self._done)
            if self._done
            else self._total * 1.5
        )
        return (
            f'{self._number[0] + 1}/{self._number[1]}, about '
            f'{left / 60:.0f} min left: {block.id(step)}'
        )


class Checks:
    """What right answers look like, as the application itself gives them."""

    def __init__(self, block, store):
        self._store = store
        self._application = block.application
        self._expected = functools.cache(self._ask)

    def _ask(self, request):
        """The content of a right answer, without a host.

        None, where each answer has a content of its own.
        """
        # What is on a store is the telemetry API, or pretends to be it.
        client = Client(
            deploy.load(self._store.conf())
            if self._store
            else import_string(self._application)
        )
        first, second = (
            client.get(request.path, headers=request.headers).get_data()
            for _ in range(2)
        )
        return first if first == second else None

    def ask(self, request, server):
        """Send a request to a host; give why the answer is wrong, or None."""
        try:
            response = request.send(server)
        except OSError as error:
            return f'{request.name}: {type(error).__name__}'
        return self._fault(request, response)

    def _fault(self, request, response):
        if response.status_code != request.status:
            return f'{request.name}: status {response.status_code}'
        if request.method == 'POST':
            return self._fault_of_post(request, response)
        if self._expected(request) not in (None, response.content):
            return f'{request.name}: the content is not as it should be'
        return None

    def _fault_of_post(self, request, response):
        def volumes(text):
            return [sample['counter_volume'] for sample in json.loads(text)]

        if volumes(response.text) != volumes(request.body):
            return f'{request.name}: the answer has other samples'
        return None

    def stored(self):
        """How many posted samples are in the store."""
        return self._store.count('posted')


def one_run(block, step, server, store, checks, folder):
    """Make one run, and give what is to be written down.

    :param server: the running host
    :param checks: the :class:`Checks` for its answers
    """
    record = {
        'kind': 'run',
        'id': block.id(step),
        'experiment': block.experiment,
        'style': block.style.name,
        'host': block.style.host,
        'processes': block.style.processes,
        'threads': block.style.threads,
        'pool': block.style.pool,
        'overflow': block.style.overflow,
        'store': block.store,
        'samples': block.samples,
        'application': block.application,
        'mode': step.mode,
        'traffic': step.traffic,
        'amount': step.amount,
        'repeat': block.repeat,
        'started': now(),
    }
    act, sent, probe = _actions(step, server, store, checks, folder)
    marks = []
    posts = _posted(sent)
    warm = time.monotonic() + WARM_UP[1]
    for request in itertools.islice(itertools.cycle(sent), WARM_UP[0]):
        if why := checks.ask(request, server):
            marks.append(f'before: {why}')
        if marks or time.monotonic() > warm:
            break
    before = checks.stored() if posts else 0
    usage = resource.getrusage(resource.RUSAGE_SELF)
    with watch.Watch(server, store, probe) as seen:
        measured, found = act()
    own = resource.getrusage(resource.RUSAGE_SELF)
    cpu_own = sum(own[:2]) - sum(usage[:2])
    record |= {
        'cpu_host': seen.cpu_host,
        'cpu_store': seen.cpu_store,
        'watched': seen.seconds,
        'lost': round(seen.steal, 3),
        'memory': seen.memory,
        'connections': seen.connections,
        'probes': seen.probes,
    }
    if found:
        record['found'] = found
    marks += [f'during: {why}' for why in dict.fromkeys(seen.wrong)]
    cpu_load = measured.cpu if measured else 0
    if measured:
        record |= {
            'requests': measured.requests,
            'seconds': measured.seconds,
            'errors': measured.errors,
            'latencies': measured.latencies,
            'cpu_generator': measured.cpu,
            'command': _without_paths(measured.command),
        }
        if not measured.requests:
            marks.append('no request was answered')
        if measured.errors:
            marks.append(f'{measured.errors} requests failed')
        if sent and measured.cpu > GENERATOR_LIMIT * seen.seconds:
            marks.append('the load generator had no CPU to spare')
        if posts:
            stored = checks.stored() - before
            if stored < due(measured.requests, sent, step.amount):
                marks.append(
                    f'{measured.requests} answers, but only {stored} samples '
                    'more are stored'
                )
    disturbed = machine_marks(
        seen, cpu_load + cpu_own + seen.cpu_host + seen.cpu_store
    )
    if one_at_a_time(block, step, seen.connections, store):
        marks.append(
            'each process had one connection to the database at most: '
            'requests waited for one another'
        )
    workers = len(server.workers())
    if not block.style.forks and workers != block.style.processes:
        marks.append(f'there are {workers} processes')
    return record | {
        'marks': marks + disturbed,
        'disturbed': bool(disturbed),
    }


def _posted(sent):
    """How many samples are in one request of each kind."""
    return sum(
        len(json.loads(request.body))
        for request in sent
        if request.method == 'POST'
    )


def one_at_a_time(block, step, connections, store):
    """Whether a host let only one request of each process to its database.

    A pool of 1 does that to threads. Green threads have one connection for
    another reason, a driver that blocks: that is a result, and no fault.

    :param connections: how many the host had at most
    """
    style = block.style
    return (
        step.mode == 'closed'
        and store is not None
        and store.server is not None
        and block.experiment != plan.SMALL_POOL
        and style.has_threads
        and connections <= style.processes < step.amount
    )


def due(answers, sent, at_a_time):
    """How many samples are stored at least after so many answers.

    :param sent: the requests, which were sent in turns
    :param at_a_time: how many are in progress when the load ends. With
        several kinds of requests, each of them may be one that posts.
    """
    if len(sent) > 1:
        answers -= at_a_time
    return max(answers // len(sent), 0) * _posted(sent)


def _actions(step, server, store, checks, folder):
    """What a step does, which requests it sends, and the probe for it."""
    if step.mode in trouble.BY_NAME:
        act = functools.partial(
            trouble.BY_NAME[step.mode], server, store, step, folder
        )
        # Answers are expected to fail, or tell nothing.
        return act, (), None
    sent = requests.traffic(step.traffic)
    probe = None
    # What was posted is looked at before, and counted afterwards.
    if asked := [one for one in sent if one.method == 'GET']:
        turns = itertools.cycle(asked)

        def probe():
            return checks.ask(next(turns), server)

    if step.mode == 'closed':
        act = functools.partial(
            load.closed, server, sent, step.amount, step.seconds, folder
        )
    else:
        act = functools.partial(
            load.open_loop, server, *sent, step.amount, step.seconds, folder
        )
    return lambda: (act(), None), sent, probe


def machine_marks(seen, known):
    """Say what else the machine did during a run, if that was too much.

    :param seen: the :class:`comparison.watch.Watch`
    :param known: seconds of CPU that belong to the run
    """
    marks = []
    whole = seen.seconds * os.cpu_count()
    if seen.cpu_machine - known > OTHERS_LIMIT * whole:
        share = (seen.cpu_machine - known) / whole
        marks.append(f'others used {share:.0%} of the machine')
    if seen.steal > STEAL_LIMIT * whole:
        marks.append(f'the machine lost {seen.steal / whole:.0%} of its CPU')
    return marks


def now():
    """The time, as it is written into the data."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')


def _without_paths(command):
    """The command line without this machine's folders."""
    return [
        part
        if part.startswith('http')
        else pathlib.Path(part).name
        if part.startswith('/')
        else '='.join(
            pathlib.Path(half).name if half.startswith('/') else half
            for half in part.split('=')
        )
        for part in map(str, command)
    ]


def machine():
    """What the machine is."""
    model = 'unknown'
    for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            model = line.partition(':')[2].strip()
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    return {
        'cpus': os.cpu_count(),
        'model': model,
        'memory_gb': round(memory / 1e9, 1),
        'system': platform.freedesktop_os_release()['PRETTY_NAME'],
        'kernel': platform.release(),
    }


def versions():
    """The versions of Python, packages, databases and generators."""
    found = {
        'Python': platform.python_version(),
        'SQLite': sqlite3.sqlite_version,
    }
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    path = f'{os.environ["PATH"]}:/usr/sbin'
    for name, (option, pattern) in _PROGRAMS.items():
        if program := shutil.which(name, path=path):
            done = subprocess.run(
                [program, option], capture_output=True, text=True
            )
            found[name] = re.search(pattern, done.stdout + done.stderr)[1]
    return found


def settings(name, seed, arguments):
    """The first line of a data file.

    :param name: the name of the plan
    :param arguments: the command line after the name of the command
    """
    return {
        'kind': 'settings',
        'version': 1,
        'plan': name,
        'seed': seed,
        'started': now(),
        'command': _without_paths(['python', '-m', 'comparison', *arguments]),
        'machine': machine(),
        'versions': versions(),
        'limits': {
            'generator': GENERATOR_LIMIT,
            'others': OTHERS_LIMIT,
            'steal': STEAL_LIMIT,
        },
    }
