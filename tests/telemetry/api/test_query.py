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
"""Whatever a query holds, it is answered or refused, never an error."""

import contextlib
import datetime
import itertools
import json
import operator
import urllib.parse

import databases
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from telemetry import storage
from telemetry.api import (
    arguments,
    complex_query,
    deploy,
    handlers,
    simple_query,
    values,
)
from telemetry.storage import base
from werkzeug import Request
from werkzeug.test import Client, EnvironBuilder

ANYTHING = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

paths = st.sampled_from(
    [
        '/v2/meters',
        '/v2/meters/load',
        '/v2/meters/load/statistics',
        '/v2/samples',
        '/v2/resources',
    ]
)
fields = st.one_of(
    st.sampled_from([*simple_query.SAMPLE_FIELDS, *simple_query.TIME_FIELDS]),
    st.text().map('metadata.{}'.format),
    st.text(),
)
times = st.datetimes().map(datetime.datetime.isoformat)
queries = st.lists(
    st.tuples(
        fields,
        st.one_of(st.sampled_from([*simple_query.OPERATORS, '']), st.text()),
        st.one_of(st.text(), times, st.integers().map(str)),
        st.one_of(st.sampled_from([*simple_query.TYPES, '']), st.text()),
    ),
    max_size=3,
)
others = st.lists(
    st.tuples(
        st.sampled_from(
            ['limit', 'period', 'groupby', 'unique', 'meter_links']
            + ['aggregate.func', 'aggregate.param', 'q.value', 'q.field']
        ),
        st.one_of(st.text(), st.integers().map(str)),
    ),
    max_size=2,
)


@ANYTHING
@given(path=paths, conditions=queries, more=others)
def test_any_text_in_a_simple_query(client, path, conditions, more):
    pairs = [
        (f'q.{name}', value)
        for condition in conditions
        for name, value in zip(
            ('field', 'op', 'value', 'type'), condition, strict=True
        )
    ]
    response = client.get(path, query_string=_encoded(pairs + more))
    assert response.status_code in (200, 400), response.text
    assert response.is_json


json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), times
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.sampled_from([*complex_query.FIELDS, 'metadata.a']),
                st.sampled_from(
                    [*complex_query.COMPARISONS, 'and', 'or', 'not', 'in']
                ),
                st.text(),
            ),
            inner,
            max_size=2,
        ),
    ),
    max_leaves=8,
)


@ANYTHING
@given(filter_=json_values, orderby=json_values, limit=json_values)
def test_any_json_in_a_complex_query(client, filter_, orderby, limit):
    body = {
        'filter': json.dumps(filter_),
        'orderby': json.dumps(orderby),
        'limit': limit,
    }
    for wanted in (['filter'], ['orderby'], ['limit'], list(body)):
        response = client.post(
            '/v2/query/samples',
            data=json.dumps({name: body[name] for name in wanted}),
            content_type='application/json',
        )
        assert response.status_code in (200, 400), response.text


comparisons = st.one_of(
    st.tuples(
        st.sampled_from(complex_query.COMPARISONS),
        st.sampled_from([('volume', 1.5), ('meter', 'a'), ('timestamp', 'T')]),
    ).map(lambda pair: {pair[0]: dict([pair[1]])}),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1).map(
        lambda numbers: {'in': {'volume': numbers}}
    ),
)
filters = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(
            st.sampled_from(['and', 'OR']),
            st.lists(inner, min_size=2, max_size=3),
        ).map(lambda pair: {pair[0]: pair[1]}),
        inner.map(lambda term: {'Not': term}),
    ),
    max_leaves=10,
)


@ANYTHING
@given(tree=filters)
def test_any_valid_filter_is_answered(client, tree):
    text = json.dumps(tree).replace('"T"', '"2024-05-01T10:00:00"')
    response = client.post('/v2/query/samples', json={'filter': text})
    assert response.status_code == 200, response.text


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_round_trip(value):
    assert simple_query.convert(str(value), 'integer') == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_round_trip(value):
    assert simple_query.convert(repr(value), 'float') == value


@given(st.booleans())
def test_booleans_round_trip(value):
    assert simple_query.convert(str(value), 'boolean') is value


@given(st.datetimes())
def test_times_round_trip(value):
    text = values.isoformat(value)
    assert simple_query.convert(text, 'datetime') == value
    zone = datetime.timezone(datetime.timedelta(hours=2))
    if datetime.datetime(1, 1, 2) < value < datetime.datetime(9999, 12, 30):
        aware = value.replace(tzinfo=datetime.UTC).astimezone(zone)
        assert simple_query.convert(aware.isoformat(), 'datetime') == value


@given(st.text())
def test_texts_round_trip(value):
    assert simple_query.convert(value, 'string') == value


@pytest.mark.parametrize(
    ('text', 'found'),
    [
        ('8', ('8', 8)),
        ('0.5', ('0.5', 0.5)),
        ('True', ('True', True)),
        ('true', ('true',)),
        ('text', ('text',)),
        ('1' * 30, ('1' * 30,)),
        ('1e999', ('1e999',)),
        ('[1]', ('[1]',)),
        ('(' * 10000, ('(' * 10000,)),
    ],
)
def test_untyped_metadata_is_guessed(text, found):
    query = simple_query.parse(
        [{'field': 'metadata.key', 'value': text}], {}
    ).filter
    terms = query.terms if isinstance(query, base.Or) else (query,)
    assert tuple(term.value for term in terms) == found
    assert [type(term.value) for term in terms] == [type(v) for v in found]
    assert {term.field for term in terms} == {'metadata.key'}


@pytest.mark.parametrize(
    ('query_string', 'rows'),
    [
        # as the reference writes it: attributes follow their field
        (
            'q.field=a&q.value=1&q.field=b&q.op=gt&q.value=2',
            [
                {'field': 'a', 'value': '1'},
                {'field': 'b', 'op': 'gt', 'value': '2'},
            ],
        ),
        # as the command-line client writes it: grouped
        (
            'q.field=a&q.field=b&q.op=eq&q.op=gt&q.value=1&q.value=2',
            [
                {'field': 'a', 'op': 'eq', 'value': '1'},
                {'field': 'b', 'op': 'gt', 'value': '2'},
            ],
        ),
        # grouped, with less operators than fields
        (
            'q.field=a&q.field=b&q.op=gt&q.value=1&q.value=2',
            [
                {'field': 'a', 'op': 'gt', 'value': '1'},
                {'field': 'b', 'value': '2'},
            ],
        ),
        # the field last
        (
            'q.op=eq&q.value=1&q.field=a',
            [{'field': 'a', 'op': 'eq', 'value': '1'}],
        ),
        ('', []),
    ],
)
def test_objects_in_a_query_string(query_string, rows):
    assert _arguments(query_string).objects('q') == rows


def test_aggregates_as_the_client_writes_them():
    given_args = _arguments(
        'aggregate.func=cardinality&aggregate.param=resource_id'
        '&aggregate.func=count'
    )
    assert given_args.objects('aggregate') == [
        {'func': 'cardinality', 'param': 'resource_id'},
        {'func': 'count'},
    ]


@pytest.mark.parametrize(
    ('tree', 'why'),
    [
        ({'and': [{'=': {'id': 'a'}}] * 501}, 'more than 500'),
        ({'in': {'volume': [1] * 501}}, 'more than 500'),
        ({'=': {'id': 'a', 'meter': 'b'}}, 'expected an object with a field'),
        ({'in': {'id': []}}, 'one or more'),
        ({'not': [1]}, 'expected an object with an operator'),
        ([], 'expected an object with an operator'),
        ({'=': {'id': 5}}, 'message_id cannot be compared with 5'),
        ({'=': {'metadata.a': 2**64}}, 'too large'),
    ],
)
def test_a_bad_filter_is_explained(client, tree, why):
    response = client.post(
        '/v2/query/samples', json={'filter': json.dumps(tree)}
    )
    assert response.status_code == 400
    text = response.json['error_message']['faultstring']
    assert text.startswith('Filter expression not valid: ')
    assert why in text


def test_a_deep_filter_is_refused(client):
    tree = {'=': {'id': 'a'}}
    for _ in range(complex_query.MAX_DEPTH):
        tree = {'not': tree}
    response = client.post(
        '/v2/query/samples', json={'filter': json.dumps(tree)}
    )
    assert response.status_code == 400
    assert 'nested deeper' in response.json['error_message']['faultstring']


def _encoded(pairs):
    return urllib.parse.urlencode(pairs, errors='surrogatepass')


def _arguments(query_string):
    environ = EnvironBuilder(query_string=query_string).get_environ()
    return arguments.Arguments(Request(environ), ('q', 'aggregate'))


def test_more_statistics_than_one_answer_may_hold(conf, client):
    conf.set_override('max_limit', 2, 'api')
    samples = [
        {
            'counter_name': 'm',
            'counter_type': 'gauge',
            'counter_unit': 'u',
            'counter_volume': 1,
            'resource_id': 'r',
            'timestamp': f'2024-05-01T10:00:0{second}',
        }
        for second in range(3)
    ]
    assert client.post('/v2/meters/m', json=samples).status_code == 201
    path = '/v2/meters/m/statistics'
    assert len(client.get(f'{path}?period=2').json) == 2
    response = client.get(f'{path}?period=1')
    assert response.status_code == 400
    assert 'more than 2 rows' in response.json['error_message']['faultstring']


@pytest.mark.parametrize('name', ['sqlite', *databases.find()])
def test_the_largest_query_is_answered(conf, database_server, name):
    """A larger one is refused: no database is said to be away for it."""
    if name != 'sqlite':
        conf.set_override('connection', database_server(name).url, 'database')
    with contextlib.closing(storage.Storage(conf)) as stored:
        stored.upgrade()
    client = Client(deploy.load(conf))

    def ask(path, conditions, groups=0):
        pairs = []
        for number in range(conditions):
            # The value may be a text, a number, or a boolean.
            pairs += [('q.field', f'metadata.k{number}'), ('q.value', '1')]
        pairs += [('groupby', f'metadata.k{n}') for n in range(groups)]
        return client.get(f'/v2/{path}', query_string=_encoded(pairs))

    paths = ('meters', 'resources', 'samples', 'meters/m/statistics')
    most, groups = simple_query.MAX_CONDITIONS, handlers.MAX_GROUPS
    for path in paths:
        answer = ask(path, most)
        assert answer.status_code == 200, answer.text
        answer = ask(path, most + 1)
        assert answer.status_code == 400
        said = answer.json['error_message']['faultstring']
        assert said == 'There are 101 conditions q; at most 100 are possible.'
    answer = ask(paths[-1], most, groups)
    assert answer.status_code == 200, answer.text
    answer = ask(paths[-1], 0, groups + 1)
    assert answer.status_code == 400
    assert answer.json['error_message']['faultstring'] == (
        'There are 21 fields in groupby; at most 20 are possible.'
    )


# What the API must find, reckoned without a line of its own code.

TIMES = [f'2024-05-01T10:00:0{second}' for second in range(4)]
POSTED = [
    {
        'counter_name': 'm',
        'counter_type': 'gauge',
        'counter_unit': 'u',
        'counter_volume': number % 5,
        'resource_id': resource,
        'project_id': 'even' if number % 2 == 0 else 'odd',
        'timestamp': moment,
        'resource_metadata': {'room': str(number % 3)},
    }
    for number, (moment, resource) in enumerate(
        itertools.product(TIMES, ('a', 'b', 'c'))
    )
]
SIMPLE = {
    'lt': operator.lt,
    'le': operator.le,
    'eq': operator.eq,
    'ge': operator.ge,
    'gt': operator.gt,
}
COMPLEX = {
    '=': operator.eq,
    '!=': operator.ne,
    '<': operator.lt,
    '<=': operator.le,
    '>': operator.gt,
    '>=': operator.ge,
}
#: A field of a query: what it is of a posted sample.
OF_SAMPLE = {
    'timestamp': lambda sample: sample['timestamp'],
    'volume': lambda sample: sample['counter_volume'],
    'resource_id': lambda sample: sample['resource_id'],
    'project_id': lambda sample: sample['project_id'],
    'metadata.room': lambda sample: sample['resource_metadata']['room'],
}
#: A field to values around those that are stored.
AROUND = {
    'timestamp': st.sampled_from(
        [*TIMES, '2024-05-01T09:00:00', '2024-05-01T10:00:01.500000']
    ),
    'volume': st.integers(-1, 5) | st.just(2.5),
    'resource_id': st.sampled_from(['a', 'b', 'c', 'd']),
    'project_id': st.sampled_from(['even', 'odd', 'Odd']),
    'metadata.room': st.sampled_from(['0', '1', '2', '3']),
}


def one_of_fields(chosen):
    """A field out of some, with a value."""
    return st.sampled_from(chosen).flatmap(
        lambda field: st.tuples(st.just(field), AROUND[field])
    )


@pytest.fixture
def filled(client):
    assert client.post('/v2/meters/m', json=POSTED).status_code == 201
    return client


def seen(samples):
    """Samples of an answer in the form in which they can be compared."""
    return sorted(
        (one['timestamp'], one['resource_id'], one['volume'])
        for one in samples
    )


def wanted(holds):
    return sorted(
        (one['timestamp'], one['resource_id'], one['counter_volume'])
        for one in POSTED
        if holds(one)
    )


@ANYTHING
@given(
    conditions=st.lists(
        st.tuples(
            one_of_fields(['timestamp']),
            st.sampled_from(['lt', 'le', 'ge', 'gt']),
        )
        | st.tuples(
            one_of_fields(['resource_id', 'project_id', 'metadata.room']),
            st.just('eq'),
        ),
        max_size=4,
    )
)
def test_a_simple_query_finds_what_it_says(filled, conditions):
    pairs = [
        pair
        for (field, value), op in conditions
        for pair in (
            ('q.field', field),
            ('q.op', op),
            ('q.value', value),
            ('q.type', '' if field == 'timestamp' else 'string'),
        )
    ]
    response = filled.get('/v2/samples', query_string=_encoded(pairs))
    assert response.status_code == 200, response.text
    assert seen(response.json) == wanted(
        lambda sample: all(
            SIMPLE[op](OF_SAMPLE[field](sample), value)
            for (field, value), op in conditions
        )
    )


trees = st.recursive(
    st.tuples(st.sampled_from([*COMPLEX]), one_of_fields([*OF_SAMPLE])).map(
        lambda pair: {pair[0]: dict([pair[1]])}
    )
    | st.lists(AROUND['volume'], min_size=1, max_size=3).map(
        lambda numbers: {'in': {'volume': numbers}}
    ),
    lambda inner: (
        st.tuples(
            st.sampled_from(['and', 'or']),
            st.lists(inner, min_size=2, max_size=3),
        ).map(lambda pair: dict([pair]))
        | inner.map(lambda term: {'not': term})
    ),
    max_leaves=6,
)


def holds(tree, sample):
    """Whether a filter holds for a sample."""
    [(name, content)] = tree.items()
    if name in ('and', 'or'):
        return {'and': all, 'or': any}[name](
            holds(term, sample) for term in content
        )
    if name == 'not':
        return not holds(content, sample)
    [(field, value)] = content.items()
    if name == 'in':
        return OF_SAMPLE[field](sample) in value
    return COMPLEX[name](OF_SAMPLE[field](sample), value)


@ANYTHING
@given(tree=trees)
def test_a_complex_query_finds_what_it_says(filled, tree):
    response = filled.post(
        '/v2/query/samples', json={'filter': json.dumps(tree)}
    )
    assert response.status_code == 200, response.text
    assert seen(response.json) == wanted(lambda sample: holds(tree, sample))


def test_lists_are_bounded(conf, client):
    conf.set_override('default_limit', 2, 'api')
    conf.set_override('max_limit', 3, 'api')
    for number in range(5):
        sample = POSTED[0] | {
            'counter_name': f'm{number}',
            'resource_id': f'r{number}',
        }
        for meter in (f'm{number}', 'same'):
            posted = [sample | {'counter_name': meter}]
            assert client.post(f'/v2/meters/{meter}', json=posted).json
    for limit, found in ((None, 2), (3, 3), (5, 3)):
        asked = {} if limit is None else {'limit': limit}
        for path in ('samples', 'meters', 'meters/same', 'resources'):
            response = client.get(f'/v2/{path}', query_string=asked)
            assert len(response.json) == found, (path, limit)
        response = client.post('/v2/query/samples', json=asked)
        assert len(response.json) == found, limit
