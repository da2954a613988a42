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

"""Werkzeug: the development server, ``telemetry-api``, without eventlet."""

from hosts import driver


class Werkzeug(driver.Host):
    """The development server, with a thread for each request."""

    name = 'werkzeug'
    #: The console script that runs it.
    script = 'telemetry-api'
    cannot = {
        'proxy-header': 'A Proxy header reaches the application as '
        'HTTP_PROXY in its WSGI environment. This does no harm: it is not an '
        'environment variable of the process, which is where clients look '
        'for a proxy.',
        'version-hidden': 'The Server header tells the versions of Werkzeug '
        'and Python. In production take a WSGI host.',
        'keep-alive': 'The development server serves one request on each '
        'connection. In production take a WSGI host.',
        'prefix': 'The development server has the whole site. Put a proxy in '
        'front that sends X-Forwarded-Prefix, and let the telemetry API '
        'believe it with [oslo_middleware] enable_proxy_headers_parsing.',
        'reload': 'There is one process, and none to take over from it. It '
        'starts again on a changed source file with --reload. In production '
        'take a WSGI host.',
        'respawn': 'There is one process, and nothing watches over it. In '
        'production take a WSGI host.',
        'request-id': 'The log line of the server knows nothing of the '
        'answer. The application logs the id with its own lines.',
    }

    def command(self):
        if self.prefix:
            raise driver.HostError(self.cannot['prefix'])
        return [
            driver.executable(self.script, 'this package'),
            f'--application={self.application}',
            f'--host={self.address}',
            f'--port={self.port}',
        ]

    def versions(self):
        # It has no line in its log for this.
        product, *_ = self.get('/').headers['Server'].split()
        return {'Werkzeug': product.partition('/')[2]}

    def workers(self):
        return {self.main.pid}
