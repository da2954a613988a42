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

"""Werkzeug under eventlet, ``telemetry-api-eventlet``, for comparison only."""

import importlib.metadata

from hosts import werkzeug


class WerkzeugEventlet(werkzeug.Werkzeug):
    """Werkzeug with a green thread of eventlet for each request, for
    comparison only."""

    name = 'werkzeug-eventlet'
    script = 'telemetry-api-eventlet'

    def versions(self):
        return {
            **super().versions(),
            'eventlet': importlib.metadata.version('eventlet'),
        }
