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

"""MariaDB: passwords for all but the administrator on its socket."""

import databases


class MariaDB(databases.Server):
    """A MariaDB server."""

    name = 'mariadb'
    package = 'mariadb-server'
    driver = 'mysql+pymysql'

    @property
    def _file(self):
        return self.root / 'my.cnf'

    def initialize(self):
        return [
            self.program('mariadb-install-db'),
            '--no-defaults',
            f'--datadir={self.data}',
            '--auth-root-authentication-method=normal',
            '--skip-test-db',
        ]

    def command(self):
        # Clients read this file, too, and believe it more than /etc.
        self._file.write_text(
            '[client-server]\n'
            f'port = {self.port}\n'
            f'socket = {self.sockets}/mariadb\n'
        )
        settings = {
            'bind_address': '127.0.0.1',
            # The data need not outlive the machine.
            'innodb_flush_log_at_trx_commit': 0,
            'innodb_flush_method': 'nosync',
            'innodb_doublewrite': 0,
            **self.settings,
        }
        return [
            self.program('mariadbd', '/usr/sbin', '/usr/libexec'),
            f'--defaults-file={self._file}',
            f'--datadir={self.data}',
            *(f'--{name}={value}' for name, value in settings.items()),
        ]

    def client(self):
        return [self.program('mariadb'), '-BN', '--user=root']

    def environment(self):
        return {
            'MYSQL_HOME': str(self.root),
            'MYSQL_TCP_PORT': str(self.port),
        }

    def set_password(self):
        return f"SET @password = '{databases.PASSWORD}';"


SERVER = MariaDB
