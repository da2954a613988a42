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
"""Nobody sees the samples of another project, on whatever path."""

import datetime
import itertools
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from telemetry.api import isolation, policy, routes
from werkzeug.test import Client

from tests.identity import planted
from tests.telemetry.storage import samples

RULES = list(routes.URL_MAP.iter_rules())
PROTECTED = [rule for rule in RULES if rule.endpoint.rule]
MEMBER = {'X-Project-Id': 'lab', 'X-User-Id': 'ann', 'X-Roles': 'member'}
ADMIN = MEMBER | {'X-Roles': 'member,Admin'}


def _check(both, alone, member, admin):
    """Compare all answers with those of a database without the others.

    :param both: an application on a database with two projects
    :param alone: one with the samples of the member's project alone
    :param member: headers of a member of that project
    :param admin: headers of an administrator
    """
    open_to_admin = set()
    for rule, method, path, document in planted.requests():
        request = (method, path, document)
        seen = planted.ask(both, *request, member)
        assert seen == planted.ask(alone, *request, member), request
        assert seen[0] != 500, request
        if planted.MARK not in f'{path} {document}':
            assert planted.MARK not in seen[1], request
        # What an administrator posts would be in one database only.
        if rule.endpoint.handler is planted.CREATE:
            continue
        if planted.ask(both, *request, admin) != seen:
            open_to_admin.add(rule.rule)
    # The requests would show what a forgotten limit lets out.
    assert open_to_admin == {rule.rule for rule in RULES} - {
        '/',
        '/healthcheck',
        '/v2/capabilities',
    }


def test_every_route_with_identity_headers(build):
    own = planted.own('lab')
    both = build(own + planted.foreign())
    _check(both, build(own), MEMBER, ADMIN)


def test_every_route_with_tokens(protected, keystone):
    own = planted.own(keystone.blue)
    _check(
        protected(own + planted.foreign(keystone.red)),
        protected(own),
        {'X-Auth-Token': keystone.session('alice', 'blue').get_token()},
        {'X-Auth-Token': keystone.session('admin', 'admin').get_token()},
    )


FORGETFUL = {
    'samples': lambda view, *args, **options: view._storage.samples(
        *args, **options
    ),
    'meters': lambda view, *args, **options: view._storage.meters(
        *args, **options
    ),
    'statistics': lambda view, *args, **options: view._storage.statistics(
        *args, **options
    ),
    # The limit is there, but not on the links to the meters.
    'resources': lambda view, tree=None, limit=None: view._storage.resources(
        view._limited(tree), limit
    ),
}


@pytest.mark.parametrize('method', FORGETFUL)
def test_a_forgotten_limit_is_found(build, monkeypatch, method):
    monkeypatch.setattr(isolation.OneProject, method, FORGETFUL[method])
    own = planted.own('lab')
    with pytest.raises(AssertionError, match='SECRET'):
        _check(build(own + planted.foreign()), build(own), MEMBER, ADMIN)


def test_a_project_without_samples_is_empty(build):
    application = build(planted.foreign())
    for path in ('meters', 'samples', 'resources', 'meters/SECRET'):
        answer = Client(application).get(f'/v2/{path}', headers=MEMBER)
        assert (answer.status_code, answer.json) == (200, [])


def _fault(response):
    return response.status_code, response.json['error_message']['faultstring']


REFUSED = (401, 'Not Authorized to access project red')


@pytest.mark.parametrize('field', ['project', 'project_id'])
@pytest.mark.parametrize(
    'path',
    ['meters', 'samples', 'resources', 'meters/m', 'meters/m/statistics'],
)
def test_who_asks_for_another_project_is_told(build, path, field):
    client = Client(build())
    query = {'q.field': field, 'q.value': 'red'}
    for headers, expected in ((MEMBER, REFUSED), (ADMIN, (200, []))):
        answer = client.get(f'/v2/{path}', query_string=query, headers=headers)
        if expected == REFUSED:
            assert _fault(answer) == expected
        else:
            assert (answer.status_code, answer.json) == expected
    query['q.value'] = 'lab'
    answer = client.get(f'/v2/{path}', query_string=query, headers=MEMBER)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ('filter_', 'refused'),
    [
        ({'=': {'project': 'red'}}, True),
        ({'not': {'=': {'project_id': 'red'}}}, True),
        (
            {
                'or': [
                    {'=': {'meter': 'a'}},
                    {'in': {'project': ['lab', 'red']}},
                ]
            },
            True,
        ),
        ({'in': {'project_id': ['lab']}}, False),
        ({'and': [{'=': {'project': 'lab'}}, {'=': {'meter': 'a'}}]}, False),
        # Not the field of the sample.
        ({'=': {'metadata.project_id': 'red'}}, False),
    ],
)
def test_a_complex_query_that_names_another_project(build, filter_, refused):
    answer = Client(build()).post(
        '/v2/query/samples',
        json={'filter': json.dumps(filter_)},
        headers=MEMBER,
    )
    if refused:
        assert _fault(answer) == REFUSED
    else:
        assert (answer.status_code, answer.json) == (200, [])


@pytest.mark.parametrize('rule', PROTECTED, ids=lambda rule: rule.rule)
def test_every_rule_of_a_route_is_one_of_the_policy(rule):
    (name,) = (
        known for known in policy.RULES if known.name == rule.endpoint.rule
    )
    path = rule.rule.replace('<meter:', '{').replace('<name:', '{')
    method = 'POST' if 'POST' in rule.methods else 'GET'
    assert {'method': method, 'path': path.replace('>', '}')} in (
        name.operations
    )


FIELDS = {
    'project_id': st.just('lab'),
    'resource_id': st.sampled_from(['a', 'b']),
    'user_id': st.sampled_from(['ann', 'bob']) | st.none(),
    'counter_name': st.sampled_from(['cpu', 'net']),
    'counter_volume': st.integers(-4, 4).map(float),
    'source': st.sampled_from(['x', 'y']),
    'timestamp': st.integers(0, 9).map(samples.at),
    'resource_metadata': st.dictionaries(
        st.sampled_from(['k', 'l']), st.sampled_from(['1', '2'])
    ),
}
OWN = st.builds(samples.sample, **FIELDS)
FOREIGN = st.builds(
    samples.sample,
    **FIELDS | {'project_id': st.sampled_from(['red', 'la', 'LAB', '', None])},
)
COMPARISONS = st.builds(
    lambda field, op, value: {op: {field: value}},
    st.sampled_from(['resource', 'user_id', 'meter', 'source', 'metadata.k']),
    st.sampled_from(['=', '!=', '<', '<=', '>', '>=']),
    st.sampled_from(['a', 'ann', 'cpu', 'x', '1']),
) | st.builds(
    lambda op, value: {op: {'volume': value}},
    st.sampled_from(['<', '>=']),
    st.integers(-4, 4),
)
FILTERS = st.recursive(
    COMPARISONS | st.just({'=': {'project_id': 'lab'}}),
    lambda inner: (
        inner.map(lambda term: {'not': term})
        | st.lists(inner, min_size=2, max_size=3).map(lambda t: {'and': t})
        | st.lists(inner, min_size=2, max_size=3).map(lambda t: {'or': t})
    ),
    max_leaves=6,
)
ORDERS = st.lists(
    st.builds(
        lambda field, way: {field: way},
        st.sampled_from(
            ['timestamp', 'volume', 'user', 'project_id', 'meter']
        ),
        st.sampled_from(['asc', 'desc']),
    ),
    min_size=1,
    max_size=3,
)
STATISTICS = st.fixed_dictionaries(
    {},
    optional={
        'period': st.integers(1, 5),
        'groupby': st.lists(
            st.sampled_from(
                ['user_id', 'resource_id', 'project_id', 'metadata.k']
            ),
            unique=True,
        ),
        'q.field': st.sampled_from(['resource_id', 'user_id', 'metadata.k']),
    },
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    own=st.lists(OWN, max_size=6),
    foreign=st.lists(FOREIGN, min_size=1, max_size=6),
    query=FILTERS,
    order=ORDERS,
    limit=st.integers(1, 5),
    statistics=STATISTICS,
)
def test_a_member_sees_what_a_database_without_the_others_has(
    pair, own, foreign, query, order, limit, statistics
):
    pair.fill(own, foreign)
    pair.check(
        'POST',
        '/v2/query/samples',
        json={
            'filter': json.dumps(query),
            # The order of equals is that in which they were stored.
            'orderby': json.dumps(order),
            'limit': limit,
        },
    )
    if 'q.field' in statistics:
        statistics['q.value'] = 'a'
    for meter in ('cpu', 'net'):
        pair.check(
            'GET', f'/v2/meters/{meter}/statistics', query_string=statistics
        )
    for path in ('meters', 'resources', 'samples', 'meters/cpu'):
        pair.check('GET', f'/v2/{path}', query_string={'limit': limit})


class Pair:
    """An application with two projects, and one with only the member's."""

    def __init__(self, build):
        self.applications = [build(), build()]

    def fill(self, own, foreign):
        mixed = [
            sample
            for pair in itertools.zip_longest(foreign, own)
            for sample in pair
            if sample
        ]
        for application, content in zip(
            self.applications, (mixed, own), strict=True
        ):
            store = application.store
            store.expire(datetime.datetime.max)
            if content:
                store.add_samples(content)

    def check(self, method, path, **options):
        both, alone = (
            Client(application).open(
                path, method=method, headers=MEMBER, **options
            )
            for application in self.applications
        )
        assert both.status_code == alone.status_code == 200, both.text
        assert both.json == alone.json


@pytest.fixture
def pair(build):
    return Pair(build)
