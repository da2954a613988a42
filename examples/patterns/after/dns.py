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

"""Ask for the addresses of a name, but not for ever."""

import socket
from concurrent import futures

#: The C library waits as long as /etc/resolv.conf says, and cannot be
#: stopped: so many questions at most are left behind.
RESOLVER = futures.ThreadPoolExecutor(4)


def addresses(name, seconds):
    """Return the addresses of a name, sorted; None if it takes longer.

    :raises OSError: there is no such name
    """
    asked = RESOLVER.submit(
        socket.getaddrinfo, name, None, type=socket.SOCK_STREAM
    )
    try:
        found = asked.result(seconds)
    except futures.TimeoutError:
        # One that still waits for its turn need not be asked.
        asked.cancel()
        return None
    return sorted({info[4][0] for info in found})
