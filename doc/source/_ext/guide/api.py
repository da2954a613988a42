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

"""A real telemetry API for the time of a build or a test."""

import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

from guide import shell

#: The folder of the commands that belong to this Python.
COMMANDS = pathlib.Path(sys.executable).parent


class NotServingError(Exception):
    """The telemetry API did not start."""


class TelemetryAPI:
    """``telemetry-dbsync``, then ``telemetry-api``, as a reader starts them.

    :param folder: an existing folder for the log.
    :param env: the environment: it names the database and the port.
    :param seconds: how long the start may take.
    :raises NotServingError: the server did not answer; with what it said.
    :raises subprocess.SubprocessError: the schema was not made.
    """

    def __init__(self, folder, env, seconds):
        self._log = pathlib.Path(folder, 'telemetry-api.log')
        url = f'http://127.0.0.1:{env["OS_API__PORT"]}/'
        subprocess.run(
            [str(COMMANDS / 'telemetry-dbsync')],
            env=env,
            timeout=seconds,
            check=True,
            stderr=subprocess.STDOUT,
            stdout=subprocess.PIPE,
        )
        with self._log.open('wb') as log:
            self._process = subprocess.Popen(
                [COMMANDS / 'telemetry-api'],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + seconds
        while not self._answers(url):
            ended = self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                self.close()
                raise NotServingError(
                    f'telemetry-api did not answer at {url}; it said:\n'
                    + self._log.read_text(errors='replace')
                )
            time.sleep(0.05)

    @staticmethod
    def _answers(url):
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310
                return True
        except (urllib.error.URLError, OSError):
            return False

    def close(self):
        """Stop the server."""
        shell.stop_group(self._process)
