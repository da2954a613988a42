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

"""A small WSGI application, to ask hosts what they do with a request."""

import hashlib
import json
import os
import platform
import time
import urllib.parse


def application(environ, start_response):
    """Answer by the last part of the path; everything is JSON."""
    query = dict(urllib.parse.parse_qsl(environ['QUERY_STRING']))
    answer = ANSWERS[environ['PATH_INFO'].rpartition('/')[2]](environ, query)
    body = json.dumps(answer).encode()
    start_response(
        '200 OK',
        [
            ('Content-Type', 'application/json'),
            ('Content-Length', str(len(body))),
            ('X-Openstack-Request-Id', query.get('request_id', 'req-none')),
        ],
    )
    return [body]


def _process(environ, query):
    return {
        'pid': os.getpid(),
        'uid': os.getuid(),
        'python': platform.python_version(),
    }


def _environ(environ, query):
    return {k: v for k, v in environ.items() if isinstance(v, str)}


def _sleep(environ, query):
    """Say in a file that the request has come, and take a while."""
    with open(query['arrived'], 'w'):  # noqa: PTH123
        time.sleep(float(query['seconds']))
    return {'pid': os.getpid()}


def _digest(environ, query):
    """Read the body to its end and tell what was in it."""
    body = environ['wsgi.input'].read(int(environ['CONTENT_LENGTH']))
    return {'length': len(body), 'sha256': hashlib.sha256(body).hexdigest()}


def _large(environ, query):
    """Give an answer that no socket takes at once."""
    return 'x' * 5_000_000


def _fail(environ, query):
    """Fail as badly as a program can, with all it knows."""
    raise RuntimeError(f'{dict(os.environ)} {environ}')


ANSWERS = {
    '': _process,
    'environ': _environ,
    'sleep': _sleep,
    'digest': _digest,
    'large': _large,
    'fail': _fail,
}
