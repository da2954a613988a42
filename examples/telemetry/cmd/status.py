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
"""``telemetry-status``: tells whether an installation is ready."""

import types

from oslo_upgradecheck import upgradecheck

from telemetry.cmd import shell
from telemetry.status import checks


def main(argv=None):
    """Run the command and return its exit status.

    That of ``upgrade check`` is 0 if there is nothing to do, 1 for warnings
    and 2 for failures; see oslo.upgradecheck.
    """
    commands = checks.Checks()
    options = [checks.HOST_CONFIG]
    # It registers options with a configuration, which comes later here.
    upgradecheck.register_cli_options(
        types.SimpleNamespace(register_cli_opt=options.append), commands
    )

    def run(conf):
        commands.conf = conf
        # Where it looks for --json.
        upgradecheck.CONF = conf
        return upgradecheck.run(conf)

    return shell.run(
        'telemetry-status',
        run,
        argv,
        cli_opts=options,
        description='Tell whether an installation of the telemetry API is '
        'ready for an upgrade and for production. The exit status of '
        '"upgrade check" is 0 if there is nothing to do, 1 for warnings and '
        '2 for failures.',
    )
