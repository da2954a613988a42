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

"""The service is its own server."""

import os

import eventlet
import eventlet.hubs
from eventlet import wsgi


def application(environ, start_response):
    """Answer with a line of text."""
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'ready\n']


def main(port, application=application, workers=1):
    """Serve in so many processes, until they are ended."""
    listener = eventlet.listen(('127.0.0.1', port))
    for _ in range(workers - 1):
        if os.fork() == 0:
            # A child that waits with its parent's epoll gets its events, too.
            eventlet.hubs.use_hub()
            break
    wsgi.server(listener, application)
