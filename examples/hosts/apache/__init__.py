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

"""What the hosts with Apache have in common: a trial of the distribution's."""

import pathlib
import signal

from hosts import driver

MODULES = pathlib.Path('/usr/lib/apache2/modules')

# What the distribution has around the sites.
MAIN = """\
ServerRoot {root}
ServerName localhost
PidFile {root}/run/apache2.pid
ErrorLog {root}/log/error.log
{modules}
<IfModule wsgi_module>
    LogLevel wsgi:info
</IfModule>
<Directory />
    Require all denied
</Directory>
{values}
Include {sample}
"""


class Apache(driver.Host):
    """Apache from the distribution, with the site ``telemetry-api.conf``."""

    samples = ('apache/telemetry-api-rhel.conf',)
    stop_signal = signal.SIGWINCH
    servers = {'Apache': r'Apache/(\S+)'}
    #: The modules that the site needs: file name to Debian's package.
    modules = {}

    def values(self):
        """Give the values of this trial: names of the site to values."""
        raise NotImplementedError

    def prepare(self):
        modules = {
            'mpm_event': 'apache2-bin',
            'authz_core': 'apache2-bin',
            **self.modules,
        }
        (self.root / 'apache2.conf').write_text(
            MAIN.format(
                root=self.root,
                modules='\n'.join(
                    f'LoadModule {module}_module {self.file(module, package)}'
                    for module, package in modules.items()
                ),
                values='\n'.join(
                    f'Define {name} {value}'
                    for name, value in self.values().items()
                ),
                sample=self.folder / 'telemetry-api.conf',
            )
        )
        self.environ |= {
            'APACHE_LOG_DIR': str(self.root / 'log'),
            'APACHE_RUN_DIR': str(self.root / 'run'),
        }

    def file(self, module, package):
        """Find the file of a module.

        :raises HostError: where it is missing; the message names the package
        """
        file = MODULES / f'mod_{module}.so'
        if file.exists():
            return file
        raise driver.HostError(
            f'There is no {file.name} on this machine: install {package}.'
        )

    def is_ready(self):
        # It may answer before it has said which version it is.
        return (
            'resuming normal operations' in self.log_text()
            and super().is_ready()
        )

    def command(self):
        return [
            driver.executable('apache2', 'apache2'),
            '-DFOREGROUND',
            *('-f', self.root / 'apache2.conf'),
        ]
