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

"""``eventlet.wsgi``, the server of eventlet itself.

It is what services have that were written for eventlet. It is here to be
compared with, and is none of the hosts that this guide has samples for.
"""

import importlib.metadata
import sys

from hosts import driver

# Importing the first patches the process; the second is the sample that the
# guide shows of such a service.
_PROGRAM = """
import telemetry.cmd.eventlet
from patterns.before import wsgi_server
from {module} import {attribute} as application
wsgi_server.main({port}, application, {workers})
"""


class EventletWsgi(driver.Host):
    """Processes with a green thread for each connection.

    Their number is that of ``[api] workers`` in the environment.
    """

    name = 'eventlet-wsgi'

    def command(self):
        module, _, attribute = self.application.partition(':')
        program = _PROGRAM.format(
            module=module,
            attribute=attribute,
            port=self.port,
            workers=self.environ.get('OS_API__WORKERS', 1),
        )
        return [sys.executable, '-c', program]

    def versions(self):
        return {'eventlet': importlib.metadata.version('eventlet')}

    def workers(self):
        return {self.main.pid} | super().workers()
