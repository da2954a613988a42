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

"""uWSGI as the whole server: HTTP in, telemetry API out."""

import re
import sys

from hosts import driver


class UWSGI(driver.Host):
    """uWSGI from PyPI, in the virtual environment of the application."""

    name = 'uwsgi'
    samples = ('uwsgi/telemetry-api.ini', 'uwsgi/telemetry-api.service')
    servers = {'uWSGI': r'Starting uWSGI (\S+)'}
    language = 'http'
    cannot = {
        'chunked': 'uWSGI does not decode chunks. The telemetry API refuses '
        'such a request with 411; an application that does not would lose '
        'the body. Put nginx in front, or let clients send the length.',
        'proxy-header': 'A Proxy header reaches the application as '
        'HTTP_PROXY in its WSGI environment. This does no harm: it is not an '
        'environment variable of the process, which is where clients look '
        'for a proxy.',
        'underscores': 'uWSGI takes X_User_Id for X-User-Id. Where identity '
        'comes in headers, put nginx or Apache in front: they drop such '
        'names.',
        'forwarded': 'uWSGI believes X-Forwarded-Proto, and takes its value '
        'for the scheme of the links in the answer to this client. Put nginx '
        'or Apache in front: they set the header.',
        'failure': 'uWSGI closes the connection without an answer. Let the '
        'application answer for itself, as the telemetry API does on any '
        'error.',
        'expect': 'uWSGI sends no interim answer on this socket. Clients '
        'send the body after a second or so. Put nginx in front.',
        'keep-alive': 'This socket serves one request on each connection, '
        'and says so. Put nginx in front.',
    }

    def command(self):
        # The first value of a placeholder wins: what is set before --ini
        # replaces the default in the sample.
        values = {
            'address': self.listen_address(),
            'language': self.language,
            'application': self.application,
            'prefix': self.prefix or '/',
            'python-home': self.python_home(),
            'run-directory': self.root / 'run',
        }
        command = [self.program()]
        for name, value in values.items():
            command += ['--set-placeholder', f'{name}={value}']
        return [*command, '--ini', self.folder / 'telemetry-api.ini']

    def listen_address(self):
        return self.host_and_port

    def program(self):
        return driver.executable('pyuwsgi', 'pyuwsgi from PyPI')

    def python_home(self):
        return sys.prefix

    def is_ready(self):
        return self.has_loaded() and super().is_ready()

    def has_loaded(self):
        # One worker that answers is not enough: uWSGI 2.0 does not act on
        # signals that come while another one still imports the application.
        log = self.log_text()
        loaded = re.findall(r'^WSGI app 0 .* pid: (\d+)', log, re.M)
        return (
            '(master-start)' in log  # after this all workers are there
            and self.workers() <= set(map(int, loaded))
            # Until then it does not take the next command to reload.
            and log.count('chain reload starting')
            == log.count('chain reloading complete')
        )

    def request_reload(self):
        (self.root / 'run' / 'control').write_text('c')


class DebianUWSGI(UWSGI):
    """uWSGI from Debian's packages, with Debian's Python."""

    name = 'uwsgi-debian'

    def program(self):
        # By this name uWSGI loads its python3 plugin before it reads options.
        return driver.executable('uwsgi_python3', 'uwsgi-plugin-python3')

    def python_home(self):
        return driver.distribution_venv(self.root / 'venv')


class BehindProxy(UWSGI):
    """The part of a host that a proxy talks to, over a socket of its own."""

    name = None
    samples = (*UWSGI.samples, 'uwsgi/behind-a-proxy.conf')
    language = 'uwsgi'

    def listen_address(self):
        return self.socket

    def is_ready(self):
        return self.has_loaded()
