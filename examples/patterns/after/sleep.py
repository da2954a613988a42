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

import threading


class Periodic:
    """Calls work() every so many seconds, from the start on."""

    def __init__(self, work, seconds):
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(work, seconds))
        self._thread.start()

    def _run(self, work, seconds):
        while not self._stopped.is_set():
            work()
            self._stopped.wait(seconds)

    def stop(self):
        """Stop at once while it waits; otherwise when work() returns."""
        self._stopped.set()
        self._thread.join()
