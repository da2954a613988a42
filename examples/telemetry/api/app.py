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
"""The innermost WSGI application: from a request to a response.

Everything that can go wrong becomes an answer here, so that the middleware
around it always has a response to work on.
"""

import logging

import werkzeug
from oslo_middleware import request_id
from werkzeug import exceptions

from telemetry.api import (
    body,
    healthcheck,
    identity,
    render,
    routes,
    watch,
)
from telemetry.storage import errors as storage_errors

LOG = logging.getLogger(__name__)
# No answer is kept by a cache, or taken by a browser for anything else.
SAFETY_HEADERS = {
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
}


class Request(werkzeug.Request):
    """A request, with the parts of the service that handlers need."""

    #: the telemetry.api.identity.Caller; not known on public paths
    caller = None

    def __init__(self, environ, conf, storage, healthcheck, policy):
        super().__init__(environ)
        self.conf = conf
        self.storage = storage
        self.healthcheck = healthcheck
        self.policy = policy
        self.max_body_size = conf.api.max_request_body_size
        # Werkzeug cuts a chunked body here without a word: one more byte
        # shows that it was too large.
        self.max_content_length = self.max_body_size + 1


class Application:
    """The API on one storage.

    :param conf: the configuration
    :param storage: the Storage
    :param healthcheck: the WSGI application of the health check
    :param policy: the Enforcer, see telemetry.api.policy
    """

    def __init__(self, conf, storage, healthcheck, policy):
        self._parts = (conf, storage, healthcheck, policy)

    def __call__(self, environ, start_response):
        request = Request(environ, *self._parts)
        response = self._respond(request)
        response.headers.update(SAFETY_HEADERS)
        return response(environ, start_response)

    def _respond(self, request):
        try:
            return _answer(request)
        except exceptions.HTTPException as error:
            return _refusal(request, error)
        except (
            storage_errors.FilterError,
            storage_errors.SampleError,
            storage_errors.TooManyRows,
        ) as error:
            return _refusal(request, exceptions.BadRequest(str(error)))
        except storage_errors.SchemaMissing:
            LOG.error('The database has no schema: run telemetry-dbsync')
            return _error(
                request,
                503,
                'The database has no schema. The operator of this service '
                'has to run telemetry-dbsync.',
            )
        except storage_errors.StorageBusy as error:
            LOG.error('No connection to the database is free: %s', error)
            return _error(
                request,
                503,
                'The service is too busy: no connection to its database is '
                'free. Try again later.',
            )
        except storage_errors.StorageTimeout as error:
            LOG.error('The database ended a query: %s', error)
            return _error(
                request,
                503,
                'The query took too long, and the database ended it. Ask for '
                'less at a time.',
            )
        except storage_errors.StorageUnavailable as error:
            LOG.error('The database does not answer: %s', error)
            return _error(request, 503, 'The database does not answer.')
        except Exception:
            key = request.environ.get(request_id.ENV_REQUEST_ID)
            LOG.exception(
                'Request %s, %s %s, failed', key, request.method, request.path
            )
            return _error(
                request,
                500,
                f'Internal error. The log tells more about request {key}.',
            )


def _answer(request):
    body.check_framing(request.environ)
    _check_path(request.environ)
    _check_host(request)
    route, path_values = routes.match(request)
    request.environ[watch.ROUTE] = route.path
    if route.rule is not None:
        request.caller = identity.admit(request, route.rule)
        request.storage = request.caller.view(request.storage)
    if request.method not in ('GET', 'HEAD'):
        _check_accept(request)
    response = route.handler(request, **path_values)
    # Last, so that whoever wants XML gets other errors in XML. The health
    # check answers whoever asks, as load balancers need it.
    if route.handler is not healthcheck.show:
        _check_accept(request)
    return response


def _check_path(environ):
    try:
        environ.get('PATH_INFO', '').encode('latin-1').decode()
    except UnicodeError:
        raise exceptions.BadRequest(
            'The path is not percent-encoded UTF-8.'
        ) from None


def _check_host(request):
    if request.environ.get('HTTP_HOST') and not request.host:
        raise exceptions.BadRequest('The Host header is not valid.')


def _check_accept(request):
    accepted = request.accept_mimetypes
    if accepted and not accepted[render.JSON]:
        raise exceptions.NotAcceptable(
            f'The answer would be {render.JSON}, which the Accept header '
            f"does not allow: '{request.headers['Accept']}'."
        )


def _refusal(request, error):
    match error:
        case exceptions.MethodNotAllowed():
            text = f'The method {request.method} is not allowed here.'
        case exceptions.ClientDisconnected():
            text = 'The request body is shorter than its Content-Length.'
        case exceptions.RequestEntityTooLarge():
            text = (
                'The request body is larger than '
                f'{request.max_body_size} bytes.'
            )
        case exceptions.NotFound() if (
            error.description == exceptions.NotFound.description
        ):
            text = 'The resource could not be found.'
        case _:
            text = error.description
    response = _error(request, error.code, text)
    if isinstance(error, exceptions.MethodNotAllowed):
        response.allow.update(sorted(error.valid_methods))
    return response


def _error(request, status, text):
    best = request.accept_mimetypes.best_match([render.JSON, render.XML])
    return render.error(status, text, best or render.JSON)
