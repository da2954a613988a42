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
"""The WSGI application of the telemetry API, for every host.

``telemetry.wsgi:application`` is all that a host needs to know. Importing
this module reads the configuration and sets up logging. It reads no command
line, opens no connection and starts no thread, so a host may import it
before it forks, in each worker, or again after a failure. An error in the
configuration is raised here, so that the host refuses to start.
"""

from oslo_log import log

from telemetry import conf as telemetry_conf
from telemetry.api import deploy

conf = telemetry_conf.load()
application = deploy.load(conf)
# Last, since from here on the interpreter hands unexpected errors to the log.
log.setup(conf, 'telemetry')
deploy.warn(conf)
