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

"""Give up on a peer that is too slow."""

import socket
import time


def read_all(address, seconds):
    """Return what a server sends until it closes, None if that takes more
    than so many seconds."""
    deadline = time.monotonic() + seconds
    received = b''
    try:
        with socket.create_connection(address, seconds) as connection:
            # The limit of a socket is for each call; this is for all.
            while (left := deadline - time.monotonic()) > 0:
                connection.settimeout(left)
                chunk = connection.recv(65536)
                if not chunk:
                    return received
                received += chunk
    except TimeoutError:
        pass
    return None
