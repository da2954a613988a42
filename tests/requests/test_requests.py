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
"""The files in examples/requests, in-process and on a socket."""

import pytest
from werkzeug.middleware import dispatcher

from tests.requests import running, serving


@pytest.mark.parametrize('name', running.FILES)
def test_in_process(name, connection, application):
    running.run(name, connection, intercept=lambda: _pep_3333(application))


@pytest.mark.parametrize('name', running.FILES)
def test_on_a_socket_under_a_prefix(name, connection, application):
    mounted = dispatcher.DispatcherMiddleware(
        _nothing, {'/some/prefix': application}
    )
    with serving.serve(mounted) as url:
        running.run(name, connection, url=f'{url}/some/prefix')


def test_a_failing_request_is_reported(connection):
    def broken(environ, start_response):
        start_response('200 OK', [('Content-Type', 'application/json')])
        return [b'{}']

    with pytest.raises(AssertionError, match='the root names the versions'):
        running.run('versions', connection, intercept=lambda: broken)


def _pep_3333(application):
    """Mend the path of httpx, which puts text where bytes belong."""

    def mended(environ, start_response):
        environ['PATH_INFO'] = environ['PATH_INFO'].encode().decode('latin-1')
        return application(environ, start_response)

    return mended


def _nothing(environ, start_response):
    start_response('404 Not Found', [('Content-Length', '0')])
    return []
