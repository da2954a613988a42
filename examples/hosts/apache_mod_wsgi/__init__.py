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

import re
import shutil

import psutil

from hosts import apache, driver


class ApacheModWSGI(apache.Apache):
    """Apache and mod_wsgi from the distribution, with its own Python."""

    name = 'apache-mod-wsgi'
    samples = (
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
        super().prepare()

    def values(self):
        return {
            'TELEMETRY_ADDRESS': self.host_and_port,
            'TELEMETRY_PREFIX': self.prefix or '/',
            'TELEMETRY_SCRIPT': self.script,
            'TELEMETRY_PYTHON_HOME': driver.distribution_venv(
                self.root / 'venv'
            ),
            'TELEMETRY_USER': driver.UNPRIVILEGED,
        }

    @property
    def script(self):
        return self.root / 'application.wsgi'

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
