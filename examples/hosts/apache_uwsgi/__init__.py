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

"""Apache speaks HTTP and passes requests to uWSGI over a socket."""

from hosts import apache, driver, uwsgi


class ApacheUWSGI(apache.Apache, driver.Proxied):
    """Apache from the distribution, uWSGI from PyPI."""

    name = 'apache-uwsgi'
    samples = (
        *apache.Apache.samples,
        'apache_uwsgi/telemetry-api.conf',
        *uwsgi.BehindProxy.samples,
    )
    behind = uwsgi.BehindProxy
    modules = {
        'headers': 'apache2-bin',
        'proxy': 'apache2-bin',
        'proxy_uwsgi': 'apache2-bin',
    }
    cannot = {
        'chunked': 'mod_proxy_uwsgi refuses chunks with 411. Put nginx in '
        'front, or let clients send the length.',
    }

    def values(self):
        return {
            'TELEMETRY_ADDRESS': self.host_and_port,
            'TELEMETRY_SOCKET': self.backend.socket,
        }
