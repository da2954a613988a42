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

"""Database servers for tests and experiments, each started on its own.

pifpaf does this for the telemetry community, but not for this guide: as
root its PostgreSQL does not start, its MariaDB takes every user without a
password and listens on no port, and neither restarts with its data.
"""

import importlib
import inspect
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from hosts import driver

PASSWORD = 'secret'  # noqa: S105


class ServerError(Exception):
    """A server did not do what it was asked; the message ends with its log."""


class Server:
    """A database server on a free port of the loopback address.

    Use it as a context manager: entering makes its data and the user and
    database ``telemetry``, with the same file that a reader copies; leaving
    stops it. It ends with the program that started it, and never runs as
    root.

    :param root: a folder for data and log. It is made where it is missing.
    :param settings: settings of the server by their own names, such as
                     ``max_connections=20``
    """

    #: The name of the server, and of its folder.
    name = None
    #: The Debian package of the server.
    package = None
    #: The first part of the database URL.
    driver = None
    #: The signal that stops the server without waiting for its clients.
    stop_signal = signal.SIGTERM
    #: Seconds to wait for a start or a stop.
    patience = 60

    def __init__(self, root, **settings):
        self.root = pathlib.Path(root).resolve()
        self.settings = settings
        self.port = driver.free_port('127.0.0.1')
        self.process = None

    # What a server has to say for itself.

    def initialize(self):
        """Give the command that makes the data in ``self.data``."""
        raise NotImplementedError

    def command(self):
        """Give the command that runs the server in the foreground."""
        raise NotImplementedError

    def client(self):
        """Give the command that runs SQL from its input as administrator."""
        raise NotImplementedError

    def environment(self):
        """Give the variables that lead clients without arguments here."""
        raise NotImplementedError

    def set_password(self):
        """Give the line that sets the password for ``create.sql``."""
        raise NotImplementedError

    # What works alike on all servers.

    @property
    def data(self):
        return self.root / 'data'

    @property
    def log(self):
        return self.root / 'server.log'

    @property
    def url(self):
        """The database URL, as ``[database] connection`` takes it."""
        return (
            f'{self.driver}://telemetry:{PASSWORD}@127.0.0.1:{self.port}'
            '/telemetry'
        )

    def start(self):
        """Start the server, on the data it has or on new data.

        :raises ServerError: it is not installed, or does not answer in time
        """
        # Sockets have a place of their own: their paths must be short.
        self.sockets = pathlib.Path(tempfile.mkdtemp(prefix='db'))
        try:
            self._give_away(self.sockets)
            if not self.data.exists():
                self._initialize()
            with self.log.open('ab') as log:
                self.process = subprocess.Popen(
                    self._unprivileged(self.command()),
                    cwd=self.data,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        """Stop the server, whoever is connected; do nothing if it is down.

        :raises ServerError: it is still there after the wait
        """
        process, self.process = self.process, None
        try:
            if process is not None:
                process.send_signal(self.stop_signal)
                process.wait(self.patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise self._error('did not stop') from None
        finally:
            shutil.rmtree(self.sockets, ignore_errors=True)

    def create(self):
        """Make the user and the database with the file for readers."""
        folder = pathlib.Path(inspect.getfile(type(self))).parent
        sample = folder / 'create.sql'
        self.sql(f'{self.set_password()}\n{sample.read_text()}')

    def sql(self, text):
        """Run SQL as administrator and return what the client prints.

        :raises ServerError: the client does not return 0
        """
        return self._run(self.client(), text)

    def _initialize(self):
        self.data.mkdir(parents=True, mode=0o700)
        self._give_away(self.data)
        try:
            self._run(self._unprivileged(self.initialize()))
        except BaseException:
            shutil.rmtree(self.data)
            raise

    def _wait_until_it_answers(self):
        limit = time.monotonic() + self.patience
        while True:
            try:
                return self.sql('SELECT 1;')
            except ServerError:
                if self.process.poll() is not None:
                    raise self._error('ended') from None
                if time.monotonic() > limit:
                    raise
                time.sleep(0.05)

    def _run(self, command, text=''):
        done = subprocess.run(
            command,
            env=os.environ | self.environment(),
            cwd=self.root,
            input=text,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise self._error(f'did not take it: {done.stdout}{done.stderr}')
        return done.stdout

    def _error(self, what):
        log = self.log.read_text() if self.log.exists() else ''
        return ServerError(
            '\n'.join([f'{self.name} {what}', *log.splitlines()[-20:]])
        )

    def _unprivileged(self, command):
        return [*driver.tied_and_unprivileged(), *map(str, command)]

    def _give_away(self, folder):
        if os.geteuid() == 0:
            shutil.chown(folder, driver.UNPRIVILEGED)

    def program(self, name, *folders):
        """Find a program of the server in these folders, then on the path.

        :raises ServerError: it is missing; the message names the package
        """
        path = os.pathsep.join([*map(str, folders), os.environ['PATH']])
        if found := shutil.which(name, path=path):
            return found
        raise ServerError(
            f'There is no {name} on this machine: install {self.package}.'
        )

    def __enter__(self):
        self.start()
        self.create()
        return self

    def __exit__(self, *exc_info):
        self.stop()


def find():
    """Give the servers that there are: name to class."""
    folder = pathlib.Path(__file__).parent
    modules = [
        importlib.import_module(f'databases.{path.parent.name}')
        for path in sorted(folder.glob('*/__init__.py'))
    ]
    return {module.SERVER.name: module.SERVER for module in modules}
