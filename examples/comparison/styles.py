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

"""What is compared: a host with its processes, its threads and a pool."""

import dataclasses
import functools
import re
import shutil

import hosts

from comparison import ComparisonError
from comparison.eventlet_wsgi import EventletWsgi

WERKZEUG = 'werkzeug'
EVENTLET = 'werkzeug-eventlet'
# In the samples of all hosts these are lines of their own.
_NUMBERS = re.compile(r'^(\s*(processes|workers|threads)\s*=\s*)\d+', re.M)


@dataclasses.dataclass(frozen=True)
class Style:
    """One way to run the application.

    :ivar name: how tables and data call it
    :ivar host: the host, one of :func:`hosts.find` or the server of eventlet
    :ivar processes: how many processes answer; the two servers of Werkzeug
        fork one for each request if there are more than one
    :ivar threads: how many threads each process has, or 0 where each
        request gets one of its own
    :ivar pool: ``[database] max_pool_size``
    :ivar overflow: ``[database] max_overflow``
    :ivar without: what begins the lines of the samples that are left out
    """

    name: str
    host: str
    processes: int = 1
    threads: int = 0
    pool: int = 8
    overflow: int = 0
    without: tuple[str, ...] = ()

    @property
    def forks(self):
        """Whether each request is answered in a process of its own."""
        return self.processes > 1 and self.host in (WERKZEUG, EVENTLET)

    @property
    def has_threads(self):
        """Whether a process answers several requests at a time, in threads
        of the system."""
        return (
            self.threads != 1
            and not self.forks
            and self.host not in (EVENTLET, EventletWsgi.name)
        )

    def server(self, application, root, environ, python_path=()):
        """Make the host, not yet started.

        :param environ: environment variables of the application
        :raises ComparisonError: there is no such host
        """
        found = {**hosts.find(), EventletWsgi.name: EventletWsgi}
        if self.host not in found:
            raise ComparisonError(
                f'There is no host {self.host!r}; there are: '
                f'{", ".join(found)}'
            )
        environ = {
            'OS_DATABASE__MAX_POOL_SIZE': str(self.pool),
            'OS_DATABASE__MAX_OVERFLOW': str(self.overflow),
            'OS_API__WORKERS': str(self.processes),
            **environ,
        }
        host = found[self.host]
        if self.threads:
            host = sized(host, self.processes, self.threads, self.without)
        return host(
            application, root, environ=environ, python_path=python_path
        )


def sized(host, processes, threads, without=()):
    """Give the same host with other numbers in its samples.

    The samples are copied for the run, and nothing but the numbers of
    processes and threads is changed.

    :param without: what begins the lines that are left out

    :param host: a class of :func:`hosts.find`
    """

    class Sized(host):
        # The folder of the host is found by its module.
        __module__ = host.__module__

        @functools.cached_property
        def folder(self):
            copy = self.root / 'samples'
            shutil.copytree(
                super().folder,
                copy,
                ignore=shutil.ignore_patterns('__*__*'),
            )
            for sample in copy.iterdir():
                text = _NUMBERS.sub(
                    lambda match: (
                        match[1]
                        + str(threads if match[2] == 'threads' else processes)
                    ),
                    sample.read_text(),
                )
                lines = text.splitlines(keepends=True)
                sample.write_text(
                    ''.join(
                        line for line in lines if not line.startswith(without)
                    )
                )
            return copy

    if getattr(host, 'behind', None):
        Sized.behind = sized(host.behind, processes, threads, without)
    return Sized


def three(processes, threads, pool, overflow=0):
    """The WSGI hosts of one size."""
    return [
        Style(
            f'{host} {processes}x{threads}',
            host,
            processes,
            threads,
            pool,
            overflow,
        )
        for host in ('uwsgi', 'gunicorn', 'apache-mod-wsgi')
    ]


#: The baseline of all ratios: Werkzeug without eventlet.
BASELINE = Style('werkzeug threads', WERKZEUG)
#: Werkzeug with eventlet.
GREEN = Style('werkzeug eventlet', EVENTLET)
#: The server that services have which were written for eventlet.
EVENTLET_WSGI = Style('eventlet.wsgi', EventletWsgi.name)
#: Werkzeug with a process for each request. A process has one connection.
FORKING = Style('werkzeug fork', WERKZEUG, processes=8, pool=1)
#: All with one process, eight requests at a time, and a pool of eight; the
#: one that forks has eight processes instead.
EQUAL = [
    BASELINE,
    GREEN,
    FORKING,
    *three(1, 8, 8),
]
#: As found in the wild: the defaults of servers, old samples, and of oslo.db
#: (a pool of 5 and 50 more).
WILD = [
    Style('werkzeug threads, as found', WERKZEUG, pool=5, overflow=50),
    Style('werkzeug eventlet, as found', EVENTLET, pool=5, overflow=50),
    Style(
        'werkzeug fork, as found', WERKZEUG, processes=2, pool=5, overflow=50
    ),
    Style('uwsgi 1x1, as found', 'uwsgi', 1, 1, 5, 50),
    Style('gunicorn 1x1, as found', 'gunicorn', 1, 1, 5, 50),
    Style('apache-mod-wsgi 2x10, as found', 'apache-mod-wsgi', 2, 10, 5, 50),
]
#: As this guide's samples have it: two processes of four threads.
PROPER = [
    *three(2, 4, 5),
    *(
        Style(f'{host} 2x4', host, 2, 4, 5)
        for host in ('nginx-uwsgi', 'nginx-gunicorn', 'apache-uwsgi')
    ),
]
#: Eventlet with as many processes, and pools of the same size.
EVENTLET_PROPER = Style(
    'eventlet.wsgi, 2 processes', EventletWsgi.name, processes=2, pool=5
)
#: uWSGI that says what it says by default about clients that hang up.
LOUD = Style(
    'uwsgi 1x16, as found',
    'uwsgi',
    1,
    16,
    without=('ignore-sigpipe', 'ignore-write-errors', 'disable-write'),
)
