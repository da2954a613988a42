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

"""Do something again and again, until told to stop."""

import eventlet


class Periodic:
    """Calls work() every so many seconds, from the start on."""

    def __init__(self, work, seconds):
        self._thread = eventlet.spawn(self._run, work, seconds)

    def _run(self, work, seconds):
        while True:
            work()
            eventlet.sleep(seconds)

    def stop(self):
        """Stop in the middle of whatever it does."""
        self._thread.kill()
