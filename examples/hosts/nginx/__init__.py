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

"""What the hosts with nginx have in common: the site, and a trial of it."""

import pathlib
import signal
import subprocess

from hosts import driver, tls

FOLDER = pathlib.Path(__file__).parent

# The file that the distribution has around the sites.
MAIN = """\
daemon off;
error_log stderr;
pid {root}/run/nginx.pid;
events {{}}
http {{
    client_body_temp_path {root}/run/body;
    proxy_temp_path {root}/run/proxy;
    fastcgi_temp_path {root}/run/fastcgi;
    uwsgi_temp_path {root}/run/uwsgi;
    scgi_temp_path {root}/run/scgi;
    include {site};
}}
"""


class Nginx(driver.Proxied):
    """nginx from the distribution, before another server on a socket."""

    samples = ('nginx/telemetry-api.conf', 'nginx/telemetry-api.local')
    scheme = 'https'
    stop_signal = signal.SIGQUIT

    def prepare(self):
        self.certificate, key = tls.certificate(self.root, self.address)
        local = (FOLDER / 'telemetry-api.local').read_text()
        for value, here in {
            'listen 443 ssl;': f'listen {self.host_and_port} ssl;',
            'listen [::]:443 ssl;': '',
            '/etc/ssl/certs/telemetry-api.pem': self.certificate,
            '/etc/ssl/private/telemetry-api.key': key,
            '/run/telemetry-api/socket': self.backend.socket,
            '/var/log/nginx': self.root / 'log',
        }.items():
            local = local.replace(value, str(here))
        (self.root / 'telemetry-api.local').write_text(local)
        for beside in (
            self.folder / 'telemetry-api.backend',
            pathlib.Path('/etc/nginx/uwsgi_params'),
        ):
            (self.root / beside.name).symlink_to(beside)
        (self.root / 'nginx.conf').write_text(
            MAIN.format(root=self.root, site=FOLDER / 'telemetry-api.conf')
        )

    def versions(self):
        # It has no line in its log for this.
        said = subprocess.run(
            [self.program(), '-v'], capture_output=True, text=True, check=True
        )
        _, _, version = said.stderr.strip().partition('/')
        return {'nginx': version, **super().versions()}

    def program(self):
        return driver.executable('nginx', 'nginx-light')

    def command(self):
        return [
            self.program(),
            *('-e', 'stderr', '-p', self.root),
            *('-c', self.root / 'nginx.conf'),
        ]
