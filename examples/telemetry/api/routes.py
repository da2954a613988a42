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
"""All routes of the API, in one table.

A name or an id may hold any character, slashes too: hosts decode ``%2F``
before the application sees the path.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from werkzeug import routing

from telemetry.api import handlers, healthcheck


class _Name(routing.BaseConverter):
    regex = '(?s:.+?)'
    part_isolating = False


class _NameNotStatistics(_Name):
    """So that .../statistics is never taken for the name of a meter."""

    regex = '(?s:.+?)(?<!/statistics)'
    part_isolating = False


class Route(NamedTuple):
    """What answers, the rule of the policy (None if it is public), and the
    path, such as ``/v2/meters/{meter_name}``."""

    handler: Callable
    rule: str | None
    path: str


def _get(path, handler, rule):
    return _route('GET', path, handler, rule)


def _post(path, handler, rule):
    return _route('POST', path, handler, rule)


def _route(method, path, handler, rule):
    readable = re.sub(r'<\w+:(\w+)>', r'{\1}', path)
    return routing.Rule(
        path, methods=[method], endpoint=Route(handler, rule, readable)
    )


URL_MAP = routing.Map(
    [
        _get('/', handlers.show_versions, None),
        _get('/healthcheck', healthcheck.show, None),
        _get(
            '/v2/capabilities',
            handlers.show_capabilities,
            'telemetry:get_capabilities',
        ),
        _get('/v2/meters', handlers.list_meters, 'telemetry:get_meters'),
        _get(
            '/v2/meters/<meter:meter_name>',
            handlers.list_meter_samples,
            'telemetry:get_samples',
        ),
        _post(
            '/v2/meters/<meter:meter_name>',
            handlers.create_samples,
            'telemetry:create_samples',
        ),
        _get(
            '/v2/meters/<name:meter_name>/statistics',
            handlers.show_statistics,
            'telemetry:compute_statistics',
        ),
        _get('/v2/samples', handlers.list_samples, 'telemetry:get_samples'),
        _get(
            '/v2/samples/<name:sample_id>',
            handlers.show_sample,
            'telemetry:get_sample',
        ),
        _get(
            '/v2/resources',
            handlers.list_resources,
            'telemetry:get_resources',
        ),
        _get(
            '/v2/resources/<name:resource_id>',
            handlers.show_resource,
            'telemetry:get_resource',
        ),
        _post(
            '/v2/query/samples',
            handlers.query_samples,
            'telemetry:query_sample',
        ),
    ],
    converters={'name': _Name, 'meter': _NameNotStatistics},
    merge_slashes=False,
)

# No route depends on the host.
_ADAPTER = URL_MAP.bind('')


def match(request):
    """Return (Route, values from the path) for a request.

    One slash at the end of the path is ignored.

    :raises werkzeug.exceptions.NotFound: no route has this path
    :raises werkzeug.exceptions.MethodNotAllowed: none of them this method
    """
    path = request.path.removesuffix('/') or '/'
    return _ADAPTER.match(path, request.method)
