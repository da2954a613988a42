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

"""Processes under test, and the databases they use."""

import contextlib
import dataclasses
import datetime
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import databases
import psutil
import sqlalchemy as sa
from hosts import driver
from telemetry import conf as telemetry_conf
from telemetry import storage
from telemetry.storage import base

EXAMPLES = pathlib.Path(__file__).parents[2]
THREADS, EVENTLET, ASYNCIO = 'threads', 'eventlet', 'asyncio'
SQLITE = 'SQLite, C driver'
POSTGRESQL = 'PostgreSQL far away, C driver'
MARIADB = 'MariaDB far away, cooperative driver'
SERVERS = {POSTGRESQL: 'postgresql', MARIADB: 'mariadb'}
#: Commands that have a module of their own in the eventlet room.
IN_THE_ROOM = ('api',)
#: Seconds after which a process has failed.
PATIENCE = 120
_BATCH = 1000


class ExperimentError(Exception):
    """Something did not do what was asked; the message says what."""


class Process:
    """A command of this project in one style.

    :param name: of the command, without ``telemetry-``
    :param style: THREADS, EVENTLET or ASYNCIO
    :param arguments: of the command line
    :param environ: variables for it
    :param log: the file that gets all it writes
    """

    def __init__(self, name, style, arguments, environ, log):
        self.log = log
        self.started = time.monotonic()
        with log.open('w') as output:
            self._process = subprocess.Popen(
                [sys.executable, *_program(name, style), *arguments],
                cwd=log.parent,
                env={
                    'PATH': os.environ['PATH'],
                    'PYTHONPATH': str(EXAMPLES),
                    'LC_ALL': 'C.UTF-8',
                    # The one whose waiting eventlet cannot see.
                    'PSYCOPG_IMPL': 'binary',
                    # Not a configuration of this machine.
                    'OS_TELEMETRY_CONFIG_DIR': str(log.parent),
                    **environ,
                },
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._rss = 0
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._ended.set()
        self._watcher.join()
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()

    def _watch(self):
        """Keep the kernel's mark of the most memory; end what is stuck.

        The mark that wait4(2) gives is of no use: a child begins with that
        of its parent.
        """
        status = pathlib.Path(f'/proc/{self._process.pid}/status')
        limit = time.monotonic() + PATIENCE
        while not self._ended.wait(0.02):
            if match := re.search(r'VmHWM:\s*(\d+) kB', status.read_text()):
                self._rss = int(match[1]) * 1024
            if time.monotonic() > limit:
                self._process.kill()

    def wait_for(self, pattern):
        """Wait until it wrote a text; return the match and the seconds that
        this took from the start."""
        while not (match := re.search(pattern, self.log.read_text())):
            if self._process.poll() is not None:
                raise self._error('ended')
            time.sleep(0.005)
        return match, time.monotonic() - self.started

    def uss(self):
        """Bytes of memory that it shares with nobody."""
        return psutil.Process(self._process.pid).memory_full_info().uss

    def stop(self):
        """Ask it to end, as an operator does."""
        self._process.send_signal(signal.SIGTERM)

    def end(self, good=(0,)):
        """Wait for the end; return what is known of any process.

        :param good: the exit statuses of success
        """
        # The watcher still finds it, until it is taken away.
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        seconds = time.monotonic() - self.started
        self._ended.set()
        self._watcher.join()
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode not in good:
            raise self._error(f'ended with {self._process.returncode}')
        return {
            'seconds': seconds,
            'rss': self._rss,
            'cpu': usage.ru_utime + usage.ru_stime,
            'tracebacks': self.log.read_text().count('Traceback (most rec'),
        }

    def _error(self, what):
        end = self.log.read_text()[-2000:]
        return ExperimentError(f'{self.log.stem} {what}; it wrote:\n{end}')


def _program(name, style):
    if style == ASYNCIO:
        return ['-m', f'{__package__}.asyncio_{name}']
    room = style == EVENTLET
    module = (
        f'telemetry.cmd.eventlet.{name}'
        if room and name in IN_THE_ROOM
        else f'telemetry.cmd.{name}'
    )
    return [
        '-c',
        ('import telemetry.cmd.eventlet; ' if room else '')
        + f'import sys; from {module} import main; sys.exit(main())',
    ]


@dataclasses.dataclass
class Database:
    """A database under test.

    :ivar near: its URL for the preparation
    :ivar url: its URL for the command, behind a delay if it is a server
    """

    near: str
    url: str

    def fill(self, number, age=datetime.timedelta()):
        """Make it new, with tables and so many samples of an age."""
        self.clear()
        conf = telemetry_conf.new()
        conf([], default_config_files=[], default_config_dirs=[])
        conf.set_override('connection', self.near, 'database')
        with contextlib.closing(storage.Storage(conf)) as store:
            store.upgrade()
            moment = datetime.datetime.now(datetime.UTC) - age
            moment = moment.replace(tzinfo=None)
            for start in range(0, number, _BATCH):
                store.add_samples(
                    [
                        _sample(index, moment)
                        for index in range(start, min(start + _BATCH, number))
                    ]
                )

    def clear(self):
        """Take all tables away."""
        engine = sa.create_engine(self.near)
        tables = sa.MetaData()
        with engine.begin() as connection:
            tables.reflect(connection)
            tables.drop_all(connection)
        engine.dispose()

    def count(self):
        """How many samples are in it."""
        engine = sa.create_engine(self.near)
        with engine.connect() as connection:
            number = connection.scalar(sa.text('SELECT count(*) FROM sample'))
        engine.dispose()
        return number


def _sample(number, moment):
    return base.Sample(
        message_id=f'{number}',
        source='openstack',
        counter_name=f'meter {number % 10}',
        counter_type='gauge',
        counter_unit='%',
        counter_volume=number,
        user_id='user',
        project_id='project',
        resource_id=f'resource {number % 50}',
        timestamp=moment,
        recorded_at=moment,
        resource_metadata={'display_name': f'name {number % 50}'},
    )


class Servers:
    """The database servers; use it as a context manager.

    :param folder: where their data may be
    """

    def __init__(self, folder):
        self._folder = folder
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._servers = {
                title: stack.enter_context(
                    databases.find()[name](self._folder / name)
                )
                for title, name in SERVERS.items()
            }
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info):
        self._stack.close()

    def ports(self):
        """Return {title: the port where the server really is}."""
        return {title: it.port for title, it in self._servers.items()}

    def versions(self):
        """Return the versions that the databases give themselves."""
        found = {'SQLite': sqlite3.sqlite_version}
        for title, server in self._servers.items():
            version = server.sql('SELECT version();')
            found[title.split()[0]] = re.search(r'\d+\.[\d.]+', version)[0]
        return found

    def databases(self, ports):
        """Return {title: Database}.

        :param ports: title -> the port where a server is far away
        """
        file = f'sqlite:///{self._folder}/telemetry.sqlite'
        found = {SQLITE: Database(file, file)}
        for title, server in self._servers.items():
            near = server.url
            far = near.replace(f':{server.port}/', f':{ports[title]}/')
            found[title] = Database(near, far)
        return found


def port():
    """A TCP port on which nothing listens now."""
    return driver.free_port('127.0.0.1')
