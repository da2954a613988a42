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

"""Apache with mod_wsgi in daemon mode, both from the distribution."""

import pathlib
import re
import shutil
import signal

import psutil

from hosts import driver

MODULES = pathlib.Path('/usr/lib/apache2/modules')

# What the distribution has around the sites, and the values of this trial.
MAIN = """\
ServerRoot {root}
ServerName localhost
PidFile {root}/run/apache2.pid
ErrorLog {root}/log/error.log
LogLevel wsgi:info
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {modules}/mod_wsgi.so
<Directory />
    Require all denied
</Directory>
Define TELEMETRY_ADDRESS {address}
Define TELEMETRY_SCRIPT {root}/application.wsgi
Define TELEMETRY_PYTHON_HOME {python_home}
Define TELEMETRY_USER {user}
Include {sample}
"""


class ApacheModWSGI(driver.Host):
    """The module of Debian and Ubuntu, for the distribution's own Python."""

    name = 'apache-mod-wsgi'
    samples = ('telemetry-api.conf', 'telemetry-api.wsgi')
    stop_signal = signal.SIGWINCH
    cannot = {
        'chunked': 'mod_wsgi refuses chunks with 411, unless '
        'WSGIChunkedRequest says On and the application reads the body to '
        'its end.',
        'refuses-to-start': 'Apache starts, and answers each request with '
        '500. The log says "Failed to exec Python script file". Ask for a '
        'page after each start.',
    }

    def prepare(self):
        if self.application == 'telemetry.wsgi:application':
            shutil.copy(self.folder / 'telemetry-api.wsgi', self.script)
        else:
            module, _, attribute = self.application.partition(':')
            self.script.write_text(
                f'from {module} import {attribute} as application\n'
            )
        if not (MODULES / 'mod_wsgi.so').exists():
            raise driver.HostError(
                'There is no mod_wsgi.so on this machine: install '
                'libapache2-mod-wsgi-py3.'
            )
        (self.root / 'apache2.conf').write_text(
            MAIN.format(
                root=self.root,
                modules=MODULES,
                address=self.host_and_port,
                python_home=driver.distribution_venv(self.root / 'venv'),
                user=driver.UNPRIVILEGED,
                sample=self.folder / 'telemetry-api.conf',
            )
        )
        self.environ |= {
            'APACHE_LOG_DIR': str(self.root / 'log'),
            'APACHE_RUN_DIR': str(self.root / 'run'),
        }

    @property
    def script(self):
        return self.root / 'application.wsgi'

    def command(self):
        return [
            driver.executable('apache2', 'apache2'),
            '-DFOREGROUND',
            *('-f', self.root / 'apache2.conf'),
        ]

    def is_ready(self):
        # Apache goes on without an application: the log is what tells.
        if re.search(r'Failed to exec .*\n(.*\n)*.*Error: ', self.log_text()):
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
            r'mod_wsgi \(pid=(\d+)\): Starting process', self.log_text()
        )
        return children & set(map(int, daemons))

    def request_reload(self):
        self.script.touch()
