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
"""Each request, from its start to the end of its answer: a line in the log.

A host writes a log in its own form. This line is the same on every host,
since the application writes it.
"""

import contextlib
import time
import urllib.parse

from oslo_context import context
from oslo_log import log
from oslo_middleware import request_id

LOG = log.getLogger(__name__)
# In the WSGI environment: the path of the route, with names for its values.
ROUTE = 'telemetry.route'


class Context(context.RequestContext):
    """Who calls, for the rules of the policy and for every line of the log.

    Without Keystone, names are what a client says. In the log they must not
    steer a terminal, so all but ASCII is escaped there.
    """

    def get_logging_values(self):
        return {
            name: (
                value.encode('unicode_escape').decode()
                if isinstance(value, str)
                else value
            )
            for name, value in super().get_logging_values().items()
        }


class Seen:
    """A request, and what has become of it so far.

    ``status`` is that of the answer, and 500 if the application fails
    without one, since that is what hosts send then. ``size`` is the number
    of bytes in the body of the answer that the host has taken.
    """

    def __init__(self, environ):
        self.status = 500
        self.size = 0
        self._environ = environ
        self._start = time.perf_counter()

    @property
    def method(self):
        return self._environ['REQUEST_METHOD']

    @property
    def path(self):
        """The path without the query, which may hold secrets; quoted."""
        path = self._environ.get('SCRIPT_NAME', '') + self._environ.get(
            'PATH_INFO', ''
        )
        return urllib.parse.quote(path, safe='/:@', encoding='latin-1')

    @property
    def route(self):
        """The path of the route, such as ``/v2/meters/{meter_name}``; None
        if the request has got to none."""
        return self._environ.get(ROUTE)

    @property
    def duration(self):
        """Seconds since the start."""
        return time.perf_counter() - self._start


@contextlib.contextmanager
def log_line(seen):
    """Observe a request for the log."""
    try:
        yield
    finally:
        seconds = seen.duration
        LOG.info(
            '"%s %s" status: %d len: %d time: %.4f',
            *(seen.method, seen.path, seen.status, seen.size, seconds),
            # The fields of their own that the JSON format has.
            extra={
                'method': seen.method,
                'path': seen.path,
                'route': seen.route,
                'status': seen.status,
                'bytes': seen.size,
                'duration': seconds,
            },
        )


class Watch:
    """Middleware that tells observers about each request.

    It belongs right into oslo.middleware's RequestId, around all else.

    :param application: the WSGI application
    :param observers: each is called with a Seen at the start of a request,
        and returns a context manager, which is left when the host has
        finished with the answer
    """

    def __init__(self, application, observers):
        self._application = application
        self._observers = observers

    def __call__(self, environ, start_response):
        # For all lines of the log that are written meanwhile. It replaces
        # that of the last request, which this thread has had until now.
        Context(
            request_id=environ.get(request_id.ENV_REQUEST_ID),
            global_request_id=environ.get(request_id.GLOBAL_REQ_ID),
        )
        seen = Seen(environ)

        def start(status, headers, exc_info=None):
            seen.status = int(status.partition(' ')[0])
            return start_response(status, headers, exc_info)

        with contextlib.ExitStack() as stack:
            for observe in self._observers:
                stack.enter_context(observe(seen))
            answer = self._application(environ, start)
            return _Answer(answer, seen, stack.pop_all())


class _Answer:
    """Hands the answer on, and notices its end.

    Not a generator: its ``finally`` would not run where a host closes it
    before the first part, as for HEAD.
    """

    def __init__(self, answer, seen, end):
        self._answer = answer
        self._parts = iter(answer)
        self._seen = seen
        self._end = end

    def __iter__(self):
        return self

    def __next__(self):
        part = next(self._parts)
        self._seen.size += len(part)
        return part

    def close(self):
        with self._end:
            if hasattr(self._answer, 'close'):
                self._answer.close()
