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

"""The surface that every WSGI host is driven through."""

import contextlib
import functools
import inspect
import os
import pathlib
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time

import psutil
import requests

EXAMPLES = pathlib.Path(__file__).parent.parent
UNPRIVILEGED = 'nobody'
#: Where free ports are looked for: below those that Linux gives to outgoing
#: connections, any of which could take one before a server does.
PORTS = range(10000, 32768)


class HostError(Exception):
    """A host did not do what it was asked; the message ends with its log."""


class Host:
    """One WSGI host that serves one application on a free port.

    Use it as a context manager: entering starts the host and waits until it
    answers, leaving stops it and nothing of it is left behind, even when
    the program that started it is killed. It never runs as root: a host
    that root starts runs as ``nobody``.

    :param application: the WSGI application, as ``module:callable``
    :param root: a folder for the run: logs, sockets, temporary files. It is
                 made where it is missing.
    :param environ: environment variables for the application. Nothing else
                    is passed on but ``PATH`` and a UTF-8 locale.
    :param python_path: folders that the application is imported from, before
                        this repository's ``examples``
    :param address: the address to listen on, IPv4 or IPv6
    :param prefix: the path below which the application is, such as
                   ``/telemetry``; by default it has the whole site
    """

    #: The name of the host, unique among the hosts.
    name = None
    #: The files that a reader copies, as paths in the folder of all hosts.
    samples = ()
    #: The scheme of the URL.
    scheme = 'http'
    #: The certificate that an https URL is checked with, as a path.
    certificate = None
    #: The signal that stops the host once requests in flight are answered.
    stop_signal = signal.SIGTERM
    #: The servers of the host: name to where the log tells the version.
    servers = {}
    #: Behaviours the host cannot have: name to reason and what to do instead.
    cannot = {}
    #: Seconds to wait for a start, a reload or a stop.
    patience = 60

    def __init__(
        self,
        application,
        root,
        environ=None,
        python_path=(),
        address='127.0.0.1',
        prefix='',
    ):
        module, _, attribute = application.partition(':')
        if not (module and attribute):
            raise ValueError(f'{application!r} is not module:callable')
        self.application = application
        self.root = pathlib.Path(root)
        self.environ = dict(environ or {})
        self.python_path = [*map(str, python_path), str(EXAMPLES)]
        self.address = address
        self.prefix = prefix
        self.port = free_port(address)
        self.process = None

    # What a host has to say for itself.

    def command(self):
        """Give the command that runs the host in the foreground."""
        raise NotImplementedError

    def request_reload(self):
        """Ask the running host to replace its workers, and do not wait."""
        raise NotImplementedError(self.cannot['reload'])

    def is_ready(self):
        """Tell whether all of the host is there; overridden where this takes
        more than one good answer.

        :raises requests.RequestException: where it does not answer yet
        """
        return self.get('/').status_code < 500

    def processes(self):
        """Give all processes of the host, as :class:`psutil.Process`."""
        return [self.main, *self.main.children(recursive=True)]

    def workers(self):
        """Give the ids of the processes that run the application."""
        return {child.pid for child in self.main.children()}

    # What works alike on all hosts.

    @property
    def folder(self):
        """The folder of the host, with the samples that are its own."""
        return pathlib.Path(inspect.getfile(type(self))).parent

    @property
    def socket(self):
        """The unix socket of a host that a proxy is in front of."""
        return self.root / 'run' / 'socket'

    @property
    def host_and_port(self):
        """The listen address in the form that configurations take."""
        host = f'[{self.address}]' if ':' in self.address else self.address
        return f'{host}:{self.port}'

    @property
    def base_url(self):
        """The URL of the application, without a slash at the end."""
        return f'{self.scheme}://{self.host_and_port}{self.prefix}'

    @property
    def main(self):
        """The main process, as a :class:`psutil.Process`."""
        return psutil.Process(self.process.pid)

    @property
    def logs(self):
        """The log files written so far, in the order of their names."""
        return sorted(self.root.rglob('*.log'))

    def log_text(self):
        """Give the text of all log files."""
        return ''.join(log.read_text(errors='replace') for log in self.logs)

    def versions(self):
        """Give the versions of the running servers, as they say themselves.

        :returns: a dict of the name of the server to its version
        """
        return {
            name: re.search(pattern, self.log_text())[1]
            for name, pattern in self.servers.items()
        }

    def session(self):
        """Give an HTTP client that trusts the host and ignores proxies."""
        session = requests.Session()
        session.trust_env = False
        session.verify = self.certificate or True
        return session

    def get(self, path, headers=None):
        """GET a path of the application on a connection of its own."""
        with self.session() as session:
            return session.get(
                self.base_url + path, headers=headers, timeout=self.patience
            )

    def prepare(self):
        """Make what the host needs before it starts."""

    def start(self):
        """Start the host and wait until it serves the application.

        :raises HostError: where the host ends, or does not answer in time
        """
        for folder in (self.root, self.root / 'log', self.root / 'run'):
            folder.mkdir(parents=True, exist_ok=True)
            if os.geteuid() == 0:
                shutil.chown(folder, UNPRIVILEGED)
        self.prepare()
        with (self.root / 'log' / 'main.log').open('ab') as log:
            self.process = subprocess.Popen(
                [*tied_and_unprivileged(), *map(str, self.command())],
                cwd=self.root,
                env={
                    'PATH': os.environ['PATH'],
                    'LANG': 'C.UTF-8',
                    'PYTHONPATH': os.pathsep.join(self.python_path),
                    'PYTHONDONTWRITEBYTECODE': '1',
                    # Otherwise libraries make one in the home of the user.
                    'XDG_CACHE_HOME': cache().name,
                    **self.environ,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self.wait('did not start serving', self.is_serving)
        except BaseException:
            self._end()
            raise
        return self

    def is_serving(self):
        """Tell whether the host serves the application by now.

        :raises HostError: where the host has ended
        """
        if self.process.poll() is not None:
            raise self.error(f'ended with status {self.process.returncode}')
        try:
            return self.is_ready()
        except (requests.RequestException, psutil.NoSuchProcess):
            return False

    def reload(self):
        """Replace all workers, and wait until new ones serve.

        :raises HostError: where an old worker is still there after the wait
        """
        old = self.workers()
        self.request_reload()
        self.wait(
            'did not replace its workers',
            # Some hosts replace a worker when its next request comes.
            lambda: (
                self.is_serving() and (new := self.workers()) and not new & old
            ),
        )

    def stop(self):
        """Stop the host once it has answered the requests in flight.

        :raises HostError: where it is still there after the wait
        """
        try:
            if self.process.poll() is None:
                self.process.send_signal(self.stop_signal)
                self.wait(
                    f'did not stop on {self.stop_signal.name}',
                    lambda: self.process.poll() is not None,
                )
        finally:
            self._end()

    def _end(self):
        """Leave no process behind, whatever state the host is in."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self, failure, condition):
        """Wait until a condition holds.

        :param failure: what to say where it does not in time
        :raises HostError: with the failure and the end of the log
        """
        limit = time.monotonic() + self.patience
        while not condition():
            if time.monotonic() > limit:
                raise self.error(f'{failure} within {self.patience} s')
            time.sleep(0.05)

    def error(self, what):
        """Make the error that says what happened, with the logs' ends."""
        message = [f'{self.name} {what}.']
        for log in self.logs:
            lines = log.read_text(errors='replace').splitlines()
            # Two tracebacks of the host may come after that of the reason.
            message += [f'The end of {log.name}:', *lines[-100:]]
        return HostError('\n'.join(message))

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc_info):
        self.stop()


class Proxied(Host):
    """A host of two servers: a proxy that speaks HTTP, and one behind it."""

    #: The class of the server behind the proxy.
    behind = None

    def __init__(self, application, root, **options):
        super().__init__(application, root, **options)
        self.backend = self.behind(
            application, self.root / 'behind', **options
        )

    def processes(self):
        return super().processes() + self.backend.processes()

    def workers(self):
        return self.backend.workers()

    def request_reload(self):
        self.backend.request_reload()

    def is_ready(self):
        return self.backend.is_serving() and super().is_ready()

    def versions(self):
        return super().versions() | self.backend.versions()

    def start(self):
        self.backend.start()
        try:
            return super().start()
        except BaseException:
            self.backend.stop()
            raise

    def stop(self):
        # The proxy goes first: it still has an answer to wait for.
        try:
            super().stop()
        finally:
            self.backend.stop()


@functools.cache
def cache():
    """Make a temporary folder that libraries of all hosts share.

    stevedore keeps what it finds of all packages there, which takes it as
    long as all else of a start.
    """
    folder = tempfile.TemporaryDirectory(prefix='hosts-')
    pathlib.Path(folder.name).chmod(0o777)
    return folder


def free_port(address):
    """Find a TCP port of an address on which nothing listens now.

    :raises HostError: where there is none, or the address is not one of this
        machine
    """
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    for port in random.sample(PORTS, len(PORTS)):
        with contextlib.suppress(OSError), socket.socket(family) as probe:
            probe.bind((address, port))
            return port
    raise HostError(f'There is no free port of {address}.')


def tied_and_unprivileged():
    """Give the start of a command that ties the rest to this process.

    When this process dies, however that happens, the command is told to
    end. Root's privileges are given up on the way. One is kept, to read and
    write files regardless of their mode, since a clone in root's home is
    closed to others.
    """
    tied = ['setpriv', '--pdeathsig', 'TERM']
    if os.geteuid() != 0:
        return tied
    user = pwd.getpwnam(UNPRIVILEGED)
    return [
        *tied,
        f'--reuid={user.pw_uid}',
        f'--regid={user.pw_gid}',
        '--clear-groups',
        '--inh-caps=-all,+dac_override',
        '--ambient-caps=-all,+dac_override',
        '--bounding-set=-all,+dac_override',
        # Without this access(2) knows nothing of the privilege.
        '--securebits=+no_setuid_fixup',
    ]


def executable(name, package):
    """Find a host's program: beside this Python first, then on the path.

    :param name: the file name of the program
    :param package: what to install where it is missing, for the message
    :raises HostError: where there is no such program
    """
    here = str(pathlib.Path(sys.executable).parent)
    path = os.pathsep.join([here, os.environ['PATH'], '/usr/sbin'])
    if found := shutil.which(name, path=path):
        return found
    raise HostError(f'There is no {name} on this machine: install {package}.')


def distribution_venv(folder):
    """Give a virtual environment of the distribution's own Python.

    Servers from the distribution are linked with its Python and serve
    nothing else. Where this Python is another build of the same version,
    the environment takes the packages that are installed here.

    :param folder: where to make the environment if need be
    :raises HostError: where the distribution's Python has another version
    """
    python = '/usr/bin/python3'
    if sys.base_prefix == '/usr':
        return pathlib.Path(sys.prefix)
    version = subprocess.run(
        [python, '-c', 'import sys; print(sys.version_info[:2])'],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    if version != str(sys.version_info[:2]):
        raise HostError(
            f'{python} has version {version}, this is '
            f'{sys.version_info[:2]}: run this in a virtual environment '
            f'that {python} made.'
        )
    if not folder.exists():
        subprocess.run(
            [python, '-m', 'venv', '--without-pip', folder], check=True
        )
        packages = folder / sysconfig.get_path('purelib', vars={'base': '.'})
        (packages / 'here.pth').write_text(sysconfig.get_path('purelib'))
    return folder
