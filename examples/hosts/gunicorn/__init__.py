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

"""gunicorn with threads: the simplest WSGI host to set up."""

import signal

from hosts import driver


class Gunicorn(driver.Host):
    """gunicorn from PyPI, in the virtual environment of the application."""

    name = 'gunicorn'
    samples = ('gunicorn/gunicorn.conf.py', 'gunicorn/telemetry-api.service')
    servers = {'gunicorn': r'Starting gunicorn (\S+)'}
    cannot = {
        'proxy-header': 'A Proxy header reaches the application as '
        'HTTP_PROXY in its WSGI environment. This does no harm: it is not an '
        'environment variable of the process, which is where clients look '
        'for a proxy.',
    }

    # More than graceful_timeout: gunicorn waits that long for a worker that
    # missed SIGTERM because it was being forked.
    patience = 90

    def prepare(self):
        self.environ['SCRIPT_NAME'] = self.prefix

    def command(self):
        # The command line comes after the file and replaces its values.
        return [
            driver.executable('gunicorn', 'gunicorn from PyPI'),
            f'--config={self.folder / "gunicorn.conf.py"}',
            *self.listen_options(),
            self.application,
        ]

    def listen_options(self):
        return [f'--bind={self.host_and_port}']

    def request_reload(self):
        self.process.send_signal(signal.SIGHUP)


class BehindProxy(Gunicorn):
    """The part of a host that a proxy talks to, over a socket of its own."""

    name = None
    samples = (*Gunicorn.samples, 'gunicorn/behind-a-proxy.conf')

    def listen_options(self):
        return [f'--bind=unix:{self.socket}', '--umask=007']

    def is_ready(self):
        # The proxy is what asks it for a page.
        return self.socket.is_socket()
