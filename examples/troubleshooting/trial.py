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

"""Real servers for the problems: good ones to share, and faulty ones."""

import contextlib
import functools
import importlib.metadata
import inspect
import itertools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent import futures

import databases
import hosts
from hosts import driver

from troubleshooting import shows

APPLICATION = 'troubleshooting.program:application'
#: Not a text of the log: the host is there when it gives any answer.
ANSWERS = object()


def changed(host, copy, until=None):
    """Give a class of host that takes the samples from another folder.

    :param host: the class of the host
    :param copy: a folder like that of all hosts
    :param until: a text of the log that tells that the host is there; by
                  default it is when it serves the application, and with
                  ``ANSWERS`` when it gives any answer
    """
    own = copy / pathlib.Path(inspect.getfile(host)).parent.name

    class Changed(host):
        folder = own
        behind = getattr(host, 'behind', None) and changed(host.behind, copy)

        def prepare(self):
            super().prepare()
            site = self.root / 'nginx.conf'
            if site.exists():
                text = site.read_text()
                site.write_text(text.replace(str(hosts.FOLDER), str(copy)))

        def is_ready(self):
            if until is ANSWERS:
                return bool(self.get('/').status_code)
            if until:
                return until in self.log_text()
            return super().is_ready()

    return Changed


class Trial:
    """Starts what a problem needs, and tells what is seen.

    Use it as a context manager: leaving it stops all servers.

    :param root: a folder for all of them
    """

    #: How long to wait for a text, in seconds.
    patience = 90

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.root.chmod(0o755)
        #: The versions of what has been used: name to version.
        self.versions = {}
        #: The text that is to be seen next.
        self.awaited = ''
        self._stack = contextlib.ExitStack()
        self._numbers = itertools.count()
        self._marks = {}
        # One of each, for as long as the trial lasts.
        self._good = functools.cache(self._start)
        self._database = functools.cache(self._start_database)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._stack.close()

    def folder(self):
        """Make a new folder, which servers can write to."""
        folder = self.root / str(next(self._numbers))
        folder.mkdir()
        folder.chmod(0o777)
        return folder

    # Servers.

    def good(self, name):
        """Give a running host with the very samples of this guide."""
        server = self._good(name)
        self.versions |= server.versions()
        self._marks[server] = {
            log: len(log.read_bytes()) for log in server.logs
        }
        return server

    def _start(self, name):
        server = hosts.find()[name](APPLICATION, self.folder())
        return self._stack.enter_context(server)

    @contextlib.contextmanager
    def faulty(
        self,
        name,
        changes=None,
        until=None,
        application=APPLICATION,
        modules=None,
        port=None,
        **options,
    ):
        """Run a host whose samples are changed.

        :param changes: as for :func:`copy_of_samples`
        :param until: as for :func:`changed`
        :param modules: the modules of Apache, instead of those of the host
        :param port: the port to listen on, instead of a free one
        :param options: as for :class:`hosts.Host`
        """
        root = self.folder()
        copy = copy_of_samples(root / 'hosts', changes or {})
        make = changed(hosts.find()[name], copy, until)
        server = make(application, root / 'run', **options)
        if modules is not None:
            server.modules = modules
        server.port = port or server.port
        with server:
            if until is None:
                self.versions |= server.versions()
            yield server
            if until is not None:
                # A worker that still starts may not hear that it shall stop.
                kill(server)

    @contextlib.contextmanager
    def uwsgi(self, pattern, name='uwsgi-debian', program=None):
        """Run uWSGI with a file of one's own.

        In it ``$(PORT)`` is the port to listen on.

        :param program: the name of the program, instead of that of the host
        """

        class Own(hosts.find()[name]):
            def prepare(self):
                self.environ['PORT'] = str(self.port)
                (self.root / 'own.ini').write_text(pattern)

            def command(self):
                path = program and driver.executable(program, 'uwsgi-core')
                return [path or self.program(), self.root / 'own.ini']

            def is_ready(self):
                return 'spawned uWSGI ' in self.log_text()

        with Own(APPLICATION, self.folder() / 'run') as server:
            self.versions |= server.versions()
            try:
                yield server
            finally:
                kill(server)

    def refusal(self, starting):
        """Give what a host says that ends instead of serving.

        :param starting: what :meth:`faulty` or :meth:`uwsgi` gives
        :raises AssertionError: where it serves
        """
        try:
            with starting as server:
                raise AssertionError(f'{server.name} serves')
        except hosts.HostError as error:
            return str(error)

    def with_and_without(self, name, changes, look, **options):
        """Yield what is seen with changed samples, and with the good."""
        with self.faulty(name, changes, **options) as server:
            yield look(server)
        yield look(self.good(name))

    def database(self, name):
        """Give a running database server with 10 connections."""
        server = self._database(name)
        said = server.sql('SELECT version();')
        self.versions[type(server).__name__] = re.search(r'[\d.]+', said)[0]
        return server

    def _start_database(self, name):
        server = databases.find()[name](self.folder(), max_connections=10)
        return self._stack.enter_context(server)

    # What is seen.

    def look(self, server, path='/', *options):
        """Ask for a page with curl, and give its answer and the log.

        The log is that since the server was handed out.

        :param options: for curl
        """
        answer = self.curl(server, path, *options)
        self.versions |= server.versions()
        return self.wait_for(lambda: answer + self.log(server))

    def curl(self, server, path='/', *options):
        """Give what curl prints: headers, body, and its own errors."""
        if server.certificate:
            options = ('--cacert', server.certificate, *options)
        return self.command(
            *('curl', '--silent', '--show-error', '--include'),
            *('--noproxy', '*', '--max-time', '30', *options),
            f'{server.base_url}{path}',
        )

    def log(self, server):
        """Give what a host has logged since it was handed out."""
        marks = self._marks.get(server, {})
        return '\n'.join(
            log.read_bytes()[marks.get(log, 0) :].decode(errors='replace')
            for log in server.logs
        )

    def wait_for(self, seen):
        """Wait until what is awaited is seen, and give all that is seen."""
        limit = time.monotonic() + self.patience
        while not shows(self.awaited, text := seen()):
            if time.monotonic() > limit:
                break
            time.sleep(0.05)
        return text

    def stop_meanwhile(self, server):
        """Stop a host during a request, and give what curl prints."""
        arrived = self.folder() / 'arrived'
        page = f'/sleep?seconds=1&arrived={arrived}'
        with futures.ThreadPoolExecutor() as pool:
            answer = pool.submit(self.curl, server, page)
            while not (answer.done() or arrived.exists()):
                time.sleep(0.05)
            server.process.send_signal(server.stop_signal)
            return answer.result()

    def command(self, *command, **environ):
        """Run a command to its end, and give all that it prints."""
        done = subprocess.run(
            list(map(str, command)),
            env={
                'PATH': os.pathsep.join(
                    [str(pathlib.Path(sys.executable).parent)]
                    + [os.environ['PATH']]
                ),
                'LANG': 'C.UTF-8',
                'PYTHONPATH': str(driver.EXAMPLES),
                **environ,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return done.stdout

    def python(self, program, *packages, **environ):
        """Run a Python program, and take note of the packages it is about."""
        for package in packages:
            self.versions[package] = importlib.metadata.version(package)
        return self.command(sys.executable, '-c', program, **environ)


def kill(server):
    """End a server at once, as the kernel does for want of memory."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()


def copy_of_samples(folder, changes):
    """Copy the samples of all hosts and change them.

    :param folder: where to put the copies
    :param changes: file to ``{what is there: what is there instead}``, or
                    to all that is to be there
    :raises ValueError: where a sample has not, or not once, what is there
    """
    shutil.copytree(
        hosts.FOLDER,
        folder,
        ignore=shutil.ignore_patterns('*.py[co]', '__*__*'),
    )
    for name, pairs in changes.items():
        file = folder / name
        if isinstance(pairs, str):
            file.write_text(pairs)
            continue
        text = file.read_text()
        for old, new in pairs.items():
            if text.count(old) != 1:
                raise ValueError(f'{name} does not have {old!r} once')
            text = text.replace(old, new)
        file.write_text(text)
    return folder
