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
"""Two projects on one database, and requests that could mix them up."""

import dataclasses
import itertools
import json
import re

from telemetry.api import handlers, routes
from werkzeug.test import Client

from tests.telemetry.storage import samples

# All that belongs to the other project has it in its values.
MARK = 'SECRET'
CREATE = handlers.create_samples
# The message_id of a posted sample.
UUID1 = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"'
QUERIES = (
    '',
    'limit=1',
    'unique=true',
    'meter_links=1',
    'groupby=project_id&groupby=user_id&groupby=source',
    'groupby=resource_id&aggregate.func=cardinality&aggregate.param=user_id',
    'period=3600',
    'period=7&aggregate.func=stddev&aggregate.func=sum',
    'q.field=resource_id&q.value=shared',
    f'q.field=resource_id&q.value={MARK}',
    f'q.field=user_id&q.value={MARK}',
    f'q.field=source&q.value={MARK}',
    f'q.field=metadata.key&q.value={MARK}',
    f'q.field=message_id&q.value={MARK}',
    f'q.field=meter&q.value={MARK}',
    f'q.field=project_id&q.value={MARK}',
    f'q.field=project&q.value={MARK}',
    'q.field=timestamp&q.op=ge&q.value=2020-01-01T00:00:00',
)
FILTERS = (
    None,
    {'=': {'project_id': MARK}},
    {'=': {'resource': MARK}},
    {'in': {'project': [MARK]}},
    {'not': {'=': {'resource': 'nobody'}}},
    {'not': {'!=': {'project_id': MARK}}},
    {'or': [{'=': {'meter': MARK}}, {'!=': {'meter': MARK}}]},
    {'and': [{'=': {'metadata.key': MARK}}, {'>': {'volume': 0}}]},
    {'or': [{'>=': {'project_id': ''}}, {'<=': {'user': '~'}}]},
)


def own(project_id, **fields):
    """Return samples of a project, as both projects have them."""
    return [
        samples.sample(
            message_id=f'own {number}',
            project_id=project_id,
            resource_id='shared',
            counter_name='shared',
            counter_volume=number,
            timestamp=samples.at(10 * number),
            resource_metadata={'key': 'own'},
            **fields,
        )
        for number in (1, 2, 3)
    ]


def foreign(project_id=MARK):
    """Return samples of another project: alone, and mixed with the first."""
    first = own(project_id)[0]
    secret = {
        'user_id': MARK,
        'source': MARK,
        'counter_unit': MARK,
        'counter_volume': 98765.0,
        'timestamp': samples.at(5000),
        'resource_metadata': {'key': MARK},
    }
    return [
        dataclasses.replace(
            first, message_id=MARK, resource_id=MARK, counter_name=MARK
        ),
        dataclasses.replace(first, message_id=f'{MARK} 1', **secret),
        dataclasses.replace(
            first, message_id=f'{MARK} 2', counter_name=MARK, **secret
        ),
        dataclasses.replace(
            first, message_id=f'{MARK} 3', resource_id=MARK, **secret
        ),
        # Before and after all others, so that every first and last differs.
        dataclasses.replace(
            first, message_id=f'{MARK} 4', timestamp=samples.at(-9000)
        ),
    ]


def paths(rule):
    """Return paths of a rule of the URL map.

    :raises KeyError: it has a value that this module knows nothing of
    """
    values = {
        'meter_name': ('shared', MARK),
        'resource_id': ('shared', MARK),
        'sample_id': ('own 1', MARK, f'{MARK} 1'),
    }
    names = sorted(rule.arguments)
    return [
        routes.URL_MAP.bind('').build(
            rule.endpoint, dict(zip(names, chosen, strict=True))
        )
        for chosen in itertools.product(*(values[name] for name in names))
    ]


def requests():
    """Return (rule, method, path, JSON body or None) for every route."""
    found = []
    for rule in routes.URL_MAP.iter_rules():
        for path in paths(rule):
            if 'POST' not in rule.methods:
                found += [
                    (rule, 'GET', f'{path}?{query}', None) for query in QUERIES
                ]
            elif rule.rule == '/v2/query/samples':
                found += [
                    (rule, 'POST', path, {'filter': json.dumps(filter_)})
                    for filter_ in FILTERS
                ]
            else:
                found.append((rule, 'POST', path, posted(path)))
    # What is posted changes what later requests find.
    return sorted(found, key=lambda item: item[0].endpoint.handler is CREATE)


def posted(path):
    """Return the body of a POST of one sample, of the caller's project."""
    return [
        {
            'counter_name': path.rpartition('/')[2],
            'counter_type': 'gauge',
            'counter_unit': '%',
            'counter_volume': 1,
            'resource_id': 'posted',
            'timestamp': '2024-01-01T00:00:00',
            'recorded_at': '2024-01-01T00:00:00',
        }
    ]


def ask(application, method, path, document, headers):
    """Send a request; return its status and its text."""
    answer = Client(application).open(
        path, method=method, json=document, headers=headers
    )
    return answer.status_code, re.sub(UUID1, '<id>', answer.text)
