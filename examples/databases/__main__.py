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
"""Run a database server for a trial, until it is told to end.

``python3 -m databases postgresql FOLDER`` keeps everything in the folder.
When the server answers, the folder has a file ``environment``; a shell that
reads it, and its clients, find the server.
"""

import argparse
import shlex
import signal
import sys

import databases


def main(argv=None):
    """Run the command and return its exit status."""
    servers = databases.find()
    parser = argparse.ArgumentParser(
        'databases', description=__doc__.partition('\n')[0]
    )
    parser.add_argument('server', choices=servers)
    parser.add_argument('folder')
    arguments = parser.parse_args(argv)
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    server = servers[arguments.server](arguments.folder)
    try:
        server.start()
    except databases.ServerError as error:
        print(error, file=sys.stderr)
        return 1
    try:
        environment = server.root / 'environment'
        environment.write_text(
            ''.join(
                f'export {name}={shlex.quote(value)}\n'
                for name, value in server.environment().items()
            )
        )
        signal.sigwait(ends)
        environment.unlink()
    finally:
        server.stop()
    return 0


if __name__ == '__main__':
    sys.exit(main())
