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

"""nginx speaks HTTPS and passes requests to uWSGI over a socket."""

import pathlib
import signal

from hosts import driver, tls, uwsgi

# The file that the distribution has around the sites.
MAIN = """\
daemon off;
error_log stderr notice;
pid {root}/run/nginx.pid;
events {{}}
http {{
    client_body_temp_path {root}/run/body;
    proxy_temp_path {root}/run/proxy;
    fastcgi_temp_path {root}/run/fastcgi;
    uwsgi_temp_path {root}/run/uwsgi;
    scgi_temp_path {root}/run/scgi;
    include {sample};
}}
"""

LOCAL = """\
listen {address} ssl;
ssl_certificate {certificate};
ssl_certificate_key {key};
set $telemetry_api_socket unix:{socket};
access_log {root}/log/access.log telemetry_api;
"""


class NginxUWSGI(driver.Proxied):
    """nginx from the distribution, uWSGI from PyPI."""

    name = 'nginx-uwsgi'
    samples = (
        'telemetry-api.conf',
        'telemetry-api.local',
        'behind-a-proxy.conf',
    )
    behind = uwsgi.BehindProxy
    scheme = 'https'
    servers = {'nginx': r'nginx/(\S+)'}
    stop_signal = signal.SIGQUIT

    def prepare(self):
        self.certificate, key = tls.certificate(self.root, self.address)
        (self.root / 'telemetry-api.local').write_text(
            LOCAL.format(
                address=self.host_and_port,
                certificate=self.certificate,
                key=key,
                socket=self.backend.listen_address(),
                root=self.root,
            )
        )
        parameters = pathlib.Path('/etc/nginx/uwsgi_params')
        (self.root / parameters.name).symlink_to(parameters)
        (self.root / 'nginx.conf').write_text(
            MAIN.format(
                root=self.root, sample=self.folder / 'telemetry-api.conf'
            )
        )

    def command(self):
        return [
            driver.executable('nginx', 'nginx-light'),
            *('-e', 'stderr', '-p', self.root),
            *('-c', self.root / 'nginx.conf'),
        ]
