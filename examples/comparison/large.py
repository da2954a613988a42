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

"""Large answers, for clients that do not take them to the end.

``/whole?BYTES`` builds the body in memory, ``/streamed?BYTES`` makes it
while it is sent, ``/`` is small.
"""

PIECE = 64 * 1024


def application(environ, start_response):
    """The WSGI application."""
    path = environ['PATH_INFO']
    # eventlet.wsgi leaves it out where it is empty.
    size = int(environ.get('QUERY_STRING') or 0)
    headers = [
        ('Content-Type', 'application/octet-stream'),
        ('Content-Length', str(size)),
    ]
    start_response('200 OK', headers)
    if path == '/streamed':
        return _pieces(size)
    return [b'x' * size]


def _pieces(size):
    while size > 0:
        piece = bytes(min(size, PIECE))
        size -= len(piece)
        yield piece
