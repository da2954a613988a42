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

"""``telemetry-api-eventlet``: Werkzeug under eventlet, for comparison only."""

from telemetry.cmd import api

EVENTLET = api.Style(
    prog='telemetry-api-eventlet',
    description='Serve the telemetry API with Werkzeug under eventlet, only '
    'to compare it with the other ways.',
    server='eventlet server',
    threads='green threads',
    instead='deprecated: see "Leave the eventlet server" in the guide '
    '(admin/leave-eventlet)',
)


def main(argv=None):
    """Run the command and return its exit status."""
    return api.main(argv, EVENTLET)
