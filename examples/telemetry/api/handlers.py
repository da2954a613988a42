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
"""What each route does: read the request, ask storage, render the answer.

A handler takes the request and the values from the path, and returns a
Response. The request has the service's parts as ``request.conf`` and
``request.storage``, which holds only what the caller may see, and
``request.caller``.
"""

from oslo_utils import strutils
from werkzeug import exceptions

from telemetry.api import (
    arguments,
    body,
    complex_query,
    errors,
    posted,
    render,
    simple_query,
    values,
)
from telemetry.storage import base

AGGREGATES = (*render.STANDARD, 'stddev', 'cardinality')
#: Each key of the metadata is a join, and MariaDB joins 61 tables at most.
MAX_GROUPS = 20
GROUPBY_FIELDS = ('user_id', 'resource_id', 'project_id', 'source')
MAX_PERIOD = 2**31 - 1  # seconds, 68 years

CAPABILITIES = {
    'api': {
        'events:query:simple': False,
        'meters:query:complex': False,
        'meters:query:metadata': True,
        'meters:query:simple': True,
        'resources:query:complex': False,
        'resources:query:metadata': True,
        'resources:query:simple': True,
        'samples:query:complex': True,
        'samples:query:metadata': True,
        'samples:query:simple': True,
        'statistics:aggregation:selectable:avg': True,
        'statistics:aggregation:selectable:cardinality': True,
        'statistics:aggregation:selectable:count': True,
        'statistics:aggregation:selectable:max': True,
        'statistics:aggregation:selectable:min': True,
        'statistics:aggregation:selectable:quartile': False,
        'statistics:aggregation:selectable:stddev': True,
        'statistics:aggregation:selectable:sum': True,
        'statistics:aggregation:standard': True,
        'statistics:groupby': True,
        'statistics:query:complex': False,
        'statistics:query:metadata': True,
        'statistics:query:simple': True,
    },
    'event_storage': {'storage:production_ready': False},
    'storage': {'storage:production_ready': True},
}


def show_versions(request):
    """The versions of the API that there are."""
    arguments.Arguments(request, ())
    version = {
        'id': 'v2',
        'status': 'stable',
        'updated': '2013-02-13T00:00:00Z',
        'links': [
            {'href': f'{request.root_url}v2', 'rel': 'self'},
            {
                'href': 'https://docs.openstack.org/',
                'rel': 'describedby',
                'type': 'text/html',
            },
        ],
        'media-types': [
            {
                'base': render.JSON,
                'type': 'application/vnd.openstack.telemetry-v2+json',
            }
        ],
    }
    return render.response({'versions': {'values': [version]}})


def show_capabilities(request):
    """What this API can do, as flags."""
    arguments.Arguments(request, ())
    return render.response(CAPABILITIES)


def list_meters(request):
    """The meters of all resources."""
    args = arguments.Arguments(request, ('q', 'limit', 'unique'))
    query = simple_query.parse(
        args.objects('q'), simple_query.METER_FIELDS, times=False
    )
    meters = request.storage.meters(
        query.filter,
        limit=_limit(args.one('limit'), request.conf),
        unique=_boolean('unique', args.one('unique')),
    )
    return render.response([render.meter(meter) for meter in meters])


def list_meter_samples(request, meter_name):
    """The samples of one meter, newest first."""
    return _samples(request, render.old_sample, meter_name)


def create_samples(request, meter_name):
    """Store a list of samples of one meter: all of them or none."""
    args = arguments.Arguments(request, ('direct',))
    # Without a message bus both ways store at once.
    _boolean('direct', args.one('direct'))
    samples = posted.read(
        body.read_json(request),
        values.text('counter_name', meter_name),
        request.caller,
        request.conf.api.sample_source,
    )
    request.storage.add_samples(samples)
    return render.response(
        [render.old_sample(sample) for sample in samples], status=201
    )


def show_statistics(request, meter_name):
    """Aggregates of the samples of one meter."""
    args = arguments.Arguments(
        request, ('q', 'groupby', 'period', 'aggregate', 'limit')
    )
    query = simple_query.parse(args.objects('q'), simple_query.SAMPLE_FIELDS)
    selected = _aggregates(args.objects('aggregate'))
    groups = _groupby(args.many('groupby'))
    limit = args.one('limit')
    if limit is not None:
        limit = _limit(limit, request.conf)
    rows = request.storage.statistics(
        _with_meter(query, meter_name),
        period=_period(args.one('period')),
        groupby=tuple(groups.values()),
        aggregates=selected,
        limit=request.conf.api.max_limit,
    )
    return render.response(
        [
            render.statistics(row, query, groups, bool(selected))
            for row in rows[:limit]
        ]
    )


def list_samples(request):
    """The samples of all meters, newest first."""
    return _samples(request, render.sample)


def show_sample(request, sample_id):
    """One sample."""
    arguments.Arguments(request, ())
    sample = request.storage.sample(values.text('sample_id', sample_id))
    if sample is None:
        raise errors.entity_not_found('Sample', sample_id)
    return render.response(render.sample(sample))


def query_samples(request):
    """The samples that a complex query finds."""
    arguments.Arguments(request, ())
    filter_, orderby, limit = complex_query.parse(body.read_json(request))
    samples = request.storage.samples(
        filter_, orderby, limit=_limit(limit, request.conf)
    )
    return render.response([render.sample(sample) for sample in samples])


def list_resources(request):
    """The resources, each with its meters."""
    args = arguments.Arguments(request, ('q', 'limit', 'meter_links'))
    query = simple_query.parse(args.objects('q'), simple_query.RESOURCE_FIELDS)
    meter_links = args.one('meter_links')
    if meter_links is not None:
        meter_links = values.integer('meter_links', meter_links)
    resources = request.storage.resources(
        query.filter, limit=_limit(args.one('limit'), request.conf)
    )
    return render.response(
        [
            render.resource(resource, request.root_url, meter_links != 0)
            for resource in resources
        ]
    )


def show_resource(request, resource_id):
    """One resource. A slash at the end of the path may be of the id."""
    arguments.Arguments(request, ())
    values.text('resource_id', resource_id)
    keys = [resource_id]
    if request.path.endswith('/'):
        keys.insert(0, f'{resource_id}/')
    for key in keys:
        found = request.storage.resources(
            base.Compare('resource_id', '=', key), limit=1
        )
        if found:
            return render.response(render.resource(found[0], request.root_url))
    raise errors.entity_not_found('Resource', resource_id)


def _samples(request, form, meter_name=None):
    args = arguments.Arguments(request, ('q', 'limit'))
    query = simple_query.parse(args.objects('q'), simple_query.SAMPLE_FIELDS)
    samples = request.storage.samples(
        query.filter if meter_name is None else _with_meter(query, meter_name),
        limit=_limit(args.one('limit'), request.conf),
    )
    return render.response([form(sample) for sample in samples])


def _with_meter(query, meter_name):
    values.text('meter_name', meter_name)
    meter = base.Compare('counter_name', '=', meter_name)
    return simple_query.all_of(
        (meter,) if query.filter is None else (meter, query.filter)
    )


def _limit(limit, conf):
    if limit is None:
        limit = conf.api.default_limit
    else:
        limit = values.integer('limit', limit)
        if limit <= 0:
            raise exceptions.BadRequest('Limit must be positive')
    return min(limit, conf.api.max_limit)


def _boolean(name, value):
    if value is None or value == '':
        return False
    try:
        return strutils.bool_from_string(value, strict=True)
    except ValueError as error:
        raise errors.invalid_input(name, value, str(error)) from None


def _period(value):
    if value is None:
        return None
    period = values.integer('period', value)
    if period < 0:
        raise exceptions.BadRequest('Period must be positive.')
    if period > MAX_PERIOD:
        raise errors.invalid_input(
            'period', value, f'It must not exceed {MAX_PERIOD} seconds.'
        )
    return period or None


def _groupby(names):
    """Return {name in the request: storage's name of the field}."""
    groups = {}
    for name in names:
        field = simple_query.metadata_field(name)
        if field is None and name not in GROUPBY_FIELDS:
            raise errors.unknown_argument(name, 'Invalid groupby fields')
        groups[name] = field or name
    if len(groups) > MAX_GROUPS:
        raise exceptions.BadRequest(
            f'There are {len(groups)} fields in groupby; at most '
            f'{MAX_GROUPS} are possible.'
        )
    return groups


def _aggregates(given):
    selected = []
    for item in given:
        func, param = item.get('func', ''), item.get('param') or None
        if func not in AGGREGATES:
            raise exceptions.BadRequest(
                f'Invalid aggregation function: {func}'
            )
        if func == 'cardinality' and param not in GROUPBY_FIELDS:
            raise errors.invalid_input(
                'aggregate.param',
                param,
                'cardinality needs one of: ' + ', '.join(GROUPBY_FIELDS),
            )
        selected.append(base.Aggregate(func, param))
    return tuple(dict.fromkeys(selected))
