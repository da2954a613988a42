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

"""Apache with mod_wsgi in daemon mode, of the distribution or from PyPI."""

import grp
import pwd
import re
import shutil
import subprocess
import sys

import psutil

from hosts import apache, driver


class ApacheModWSGI(apache.Apache):
    """Apache and mod_wsgi from the distribution, with its own Python."""

    name = 'apache-mod-wsgi'
    samples = (
        *apache.Apache.samples,
        'apache_mod_wsgi/telemetry-api.conf',
        'apache_mod_wsgi/telemetry-api.wsgi',
    )
    servers = {**apache.Apache.servers, 'mod_wsgi': r'mod_wsgi/(\S+)'}
    modules = {'wsgi': 'libapache2-mod-wsgi-py3'}
    cannot = {
        'chunked': 'mod_wsgi refuses chunks with 411, unless '
        'WSGIChunkedRequest says On and the application reads the body to '
        'its end.',
        'refuses-to-start': 'Apache starts, and answers each request with '
        '500. The log says "Failed to exec Python script file", with '
        'mod_wsgi 6.1 "Unable to execute Python script file". Ask for a page '
        'after each start.',
    }

    def prepare(self):
        if self.application == 'telemetry.wsgi:application':
            shutil.copy(self.folder / 'telemetry-api.wsgi', self.script)
        else:
            module, _, attribute = self.application.partition(':')
            self.script.write_text(
                f'from {module} import {attribute} as application\n'
            )
        super().prepare()

    def values(self):
        user = pwd.getpwnam(driver.UNPRIVILEGED)
        return {
            'TELEMETRY_ADDRESS': self.host_and_port,
            'TELEMETRY_PREFIX': self.prefix or '/',
            'TELEMETRY_SCRIPT': self.script,
            'TELEMETRY_PYTHON_HOME': self.python_home(),
            'TELEMETRY_USER': user.pw_name,
            'TELEMETRY_GROUP': grp.getgrgid(user.pw_gid).gr_name,
        }

    def python_home(self):
        return driver.distribution_venv(self.root / 'venv')

    @property
    def script(self):
        return self.root / 'application.wsgi'

    def is_ready(self):
        # Apache goes on without an application: the log is what tells.
        failed = r'(Failed to exec|Unable to execute) .*\n(.*\n)*.*Error: '
        if re.search(failed, self.log_text()):
            raise self.error('cannot import the application')
        sample = (self.folder / 'telemetry-api.conf').read_text()
        processes = int(re.search(r'processes=(\d+)', sample)[1])
        # A process makes its threads once it has imported the application.
        # It would not notice a change of the script before that.
        imported = [
            pid
            for pid in self.workers()
            if psutil.Process(pid).num_threads() > 1
        ]
        return len(imported) == processes and super().is_ready()

    def workers(self):
        children = {child.pid for child in self.main.children()}
        daemons = re.findall(
            r'\[pid (\d+):.* Starting (?:daemon )?process', self.log_text()
        )
        return children & set(map(int, daemons))

    def request_reload(self):
        self.script.touch()


class PyPIModWSGI(ApacheModWSGI):
    """Apache from the distribution, mod_wsgi from PyPI, any Python."""

    name = 'apache-mod-wsgi-pypi'

    def file(self, module, package):
        if module != 'wsgi':
            return super().file(module, package)
        program = driver.executable('mod_wsgi-express', 'mod_wsgi from PyPI')
        return subprocess.run(
            [program, 'module-location'],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    def python_home(self):
        return sys.prefix
