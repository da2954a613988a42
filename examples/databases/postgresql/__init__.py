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

"""PostgreSQL: passwords over TCP, the administrator on its socket."""

import pathlib
import signal

import databases


class PostgreSQL(databases.Server):
    """A PostgreSQL server."""

    name = 'postgresql'
    package = 'postgresql'
    driver = 'postgresql+psycopg'
    # SIGTERM would wait until all clients have gone.
    stop_signal = signal.SIGINT

    def initialize(self):
        return [
            self._program('initdb'),
            f'--pgdata={self.data}',
            '--username=postgres',
            '--auth-local=trust',
            '--auth-host=scram-sha-256',
            '--no-sync',
        ]

    def command(self):
        settings = {
            'listen_addresses': '127.0.0.1',
            'port': self.port,
            'unix_socket_directories': self.sockets,
            # The data need not outlive the machine.
            'fsync': 'off',
            **self.settings,
        }
        return [
            self._program('postgres'),
            f'-D{self.data}',
            *(f'--{name}={value}' for name, value in settings.items()),
        ]

    def client(self):
        return [self.program('psql'), '--no-psqlrc', '--quiet', '-At']

    def environment(self):
        return {
            'PGHOST': str(self.sockets),
            'PGPORT': str(self.port),
            'PGUSER': 'postgres',
        }

    def set_password(self):
        return f"\\set password '{databases.PASSWORD}'"

    def _program(self, name):
        # Debian keeps those of the server apart, by version.
        folders = pathlib.Path('/usr/lib/postgresql').glob('*/bin')
        newest = sorted(folders, key=lambda path: float(path.parent.name))
        return self.program(name, *reversed(newest))


SERVER = PostgreSQL
