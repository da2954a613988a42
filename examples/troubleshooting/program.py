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

"""The application of the trials: it misbehaves as its path says."""

import base64
import signal
import time
import urllib.parse
import wsgiref.util


def application(environ, start_response):
    """Answer with plain text."""
    name = environ['PATH_INFO'].strip('/').partition('/')[0]
    query = dict(urllib.parse.parse_qsl(environ['QUERY_STRING']))
    status, headers, body = PAGES[name](environ, query)
    start_response(
        status,
        [
            ('Content-Type', 'text/plain'),
            ('Content-Length', str(len(body))),
            *headers,
        ],
    )
    return [body]


def _home(environ, query):
    address = wsgiref.util.application_uri(environ)
    return '200 OK', [], f'This is {address}\n'.encode()


def _sleep(environ, query):
    """Take as many seconds as the query says."""
    if 'arrived' in query:
        open(query['arrived'], 'w').close()  # noqa: PTH123, SIM115
    time.sleep(float(query['seconds']))
    return '200 OK', [], b'Awake\n'


def _header(environ, query):
    """Answer with a header of as many bytes as the query says."""
    return '200 OK', [('X-Large', 'x' * int(query['bytes']))], b'Large\n'


def _large(environ, query):
    """Answer with more than any socket takes at once."""
    return '200 OK', [], b'x' * 20_000_000


def _body(environ, query):
    """Tell how much came in the body."""
    length = len(environ['wsgi.input'].read())
    return '200 OK', [], f'The body has {length} bytes\n'.encode()


def _length(environ, query):
    """Read as much as the request says that it has."""
    length = int(environ.get('CONTENT_LENGTH') or 0)
    length = len(environ['wsgi.input'].read(length))
    return '200 OK', [], f'The body has {length} bytes\n'.encode()


def _private(environ, query):
    """Let only reader in, with the password "secret"."""
    expected = 'Basic ' + base64.b64encode(b'reader:secret').decode()
    if environ.get('HTTP_AUTHORIZATION') != expected:
        return '401 Unauthorized', [('WWW-Authenticate', 'Basic')], b'No\n'
    return '200 OK', [], b'Welcome\n'


def _crash(environ, query):
    """Die as from a fault in an extension in C."""
    signal.raise_signal(signal.SIGSEGV)


def _item(environ, query):
    """Tell which item was asked for."""
    item = environ['PATH_INFO'].removeprefix('/item/')
    return '200 OK', [], f'Item {item}\n'.encode()


PAGES = {
    '': _home,
    'sleep': _sleep,
    'header': _header,
    'large': _large,
    'body': _body,
    'length': _length,
    'private': _private,
    'crash': _crash,
    'item': _item,
}
