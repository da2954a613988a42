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
"""A real Keystone, on SQLite, served by one of the hosts."""

import os
import pathlib
import subprocess
import sys

from hosts import driver, uwsgi
from keystoneauth1 import session
from keystoneauth1.identity import v3
from keystoneclient.v3 import client

REGION = 'RegionOne'
PASSWORD = 'a-password'  # noqa: S105
FILES = pathlib.Path(driver.EXAMPLES, 'identity')
CONF = """
[database]
connection = sqlite:///{root}/keystone.sqlite
[fernet_tokens]
key_repository = {root}/fernet
[fernet_receipts]
key_repository = {root}/fernet
[credential]
key_repository = {root}/credential
[identity]
# The least there is: the tests check many passwords.
password_hash_rounds = 4
"""


class OneWorker(uwsgi.UWSGI):
    """Each worker of Keystone takes seconds to start."""

    folder = pathlib.Path(uwsgi.__file__).parent

    def command(self):
        return [*super().command(), '--processes=1']


class Keystone:
    """Keystone with an administrator; a context manager.

    :param root: an empty folder
    """

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.host = OneWorker(
            'keystone.wsgi.api:application',
            self.root / 'host',
            environ={'OS_KEYSTONE_CONFIG_DIR': str(self.root)},
        )
        self.url = f'{self.host.base_url}/v3'

    def __enter__(self):
        for name in ('fernet', 'credential'):
            (self.root / name).mkdir(mode=0o700)
        (self.root / 'keystone.conf').write_text(CONF.format(root=self.root))
        self._manage('db_sync')
        user = ('--keystone-user', str(os.getuid()))
        group = ('--keystone-group', str(os.getgid()))
        self._manage('fernet_setup', *user, *group)
        self._manage(
            'bootstrap',
            *('--bootstrap-password', PASSWORD),
            *('--bootstrap-public-url', self.url),
            *('--bootstrap-internal-url', self.url),
            *('--bootstrap-region-id', REGION),
        )
        if os.geteuid() == 0:
            # The host gives root's privileges up.
            (self.root / 'keystone.sqlite').chmod(0o666)
            self.root.chmod(0o777)
        self.host.start()
        self.admin = client.Client(session=self.session('admin', 'admin'))
        return self

    def __exit__(self, *exc_info):
        self.host.stop()

    def _manage(self, *arguments):
        subprocess.run(
            [
                pathlib.Path(sys.executable).with_name('keystone-manage'),
                *('--config-dir', self.root),
                *arguments,
            ],
            check=True,
            timeout=120,
            capture_output=True,
        )

    def options(self):
        """Return what in examples/identity/keystone.conf is a placeholder."""
        return {
            'OS_KEYSTONE_AUTHTOKEN__AUTH_URL': self.url,
            'OS_KEYSTONE_AUTHTOKEN__WWW_AUTHENTICATE_URI': self.url,
            'OS_KEYSTONE_AUTHTOKEN__PASSWORD': PASSWORD,
        }

    def environ(self, user, project):
        """Return the OS_* variables of a user for command-line clients."""
        return {
            'OS_AUTH_URL': self.url,
            'OS_IDENTITY_API_VERSION': '3',
            'OS_USERNAME': user,
            'OS_PASSWORD': PASSWORD,
            'OS_USER_DOMAIN_ID': 'default',
            'OS_REGION_NAME': REGION,
            'OS_PROJECT_NAME': project,
            'OS_PROJECT_DOMAIN_ID': 'default',
        }

    def tools(self, telemetry_url):
        """Return the other variables that the files of the guide need."""
        return {
            'PATH': f'{pathlib.Path(sys.executable).parent}:'
            f'{os.environ["PATH"]}',
            'LANG': 'C.UTF-8',
            'TELEMETRY_URL': telemetry_url,
            'TELEMETRY_PASSWORD': PASSWORD,
        }

    def session(self, user, project=None):
        """Return a keystoneauth session; of no project if none is named."""
        scope = {}
        if project:
            scope = {'project_name': project, 'project_domain_id': 'default'}
        return session.Session(
            v3.Password(
                self.url,
                username=user,
                password=PASSWORD,
                user_domain_id='default',
                unscoped=not project,
                **scope,
            )
        )

    def add_user(self, name, project):
        """Make a member of a new project; return the ids of both."""
        role = self.admin.roles.list(name='member')[0]
        project = self.admin.projects.create(project, 'default')
        user = self.admin.users.create(name, password=PASSWORD)
        self.admin.roles.grant(role, user=user, project=project)
        return user.id, project.id

    def validations(self):
        """Return how often a service has asked about a token."""
        return self.host.log_text().count('"GET /v3/auth/tokens ')

    def register(self, telemetry_url):
        """Run the file that the guide shows."""
        subprocess.run(
            ['sh', FILES / 'register.sh'],
            check=True,
            timeout=300,
            env=self.tools(telemetry_url) | self.environ('admin', 'admin'),
        )
