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
"""What filters mean, and those that storage refuses."""

import datetime

import pytest
from telemetry.storage import base, errors

from tests.telemetry.storage.samples import all_of, sample, where


@pytest.fixture
def kinds(storage):
    """Return a function: names of the resources that a filter finds."""
    documents = {
        'text': {'a': {'b': '1'}},
        'number': {'a': {'b': 1}},
        'float': {'a': {'b': 1.0}},
        'boolean': {'a': {'b': True}},
        'other': {'a': {'b': 'x'}},
        'flat': {'a.b': 1},
        'list': {'a': {'b': [1]}},
        'none': {'a': {'b': None}},
        'without': {},
    }
    storage.add_samples(
        [
            sample(resource_id=name, resource_metadata=document)
            for name, document in documents.items()
        ]
    )

    def found(tree):
        return {each.resource_id for each in storage.samples(tree)}

    return found


@pytest.mark.parametrize(
    ('op', 'value', 'names'),
    [
        ('=', '1', {'text'}),
        ('=', 1, {'number', 'float', 'flat'}),
        ('=', True, {'boolean'}),
        ('!=', 'x', {'text', 'number', 'float', 'boolean', 'flat'}),
        ('!=', 1, {'text', 'boolean', 'other'}),
        ('!=', False, {'text', 'number', 'float', 'boolean', 'other', 'flat'}),
        ('>', 0, {'number', 'float', 'flat'}),
        ('>', '1', {'other'}),
        ('<=', '1', {'text'}),
        ('in', ['x', True], {'other', 'boolean'}),
        ('in', [], set()),
    ],
)
def test_metadata_compare_with_values_of_their_kind(kinds, op, value, names):
    assert kinds(where('metadata.a.b', op, value)) == names


def test_not_finds_what_has_no_value(kinds):
    tree = base.Not(where('metadata.a.b', '!=', 'y'))
    assert kinds(tree) == {'list', 'none', 'without'}


def test_a_comparison_is_false_of_a_missing_owner(storage):
    storage.add_samples(
        [sample(project_id=None), sample(project_id='a')],
    )

    def found(tree):
        return {each.project_id for each in storage.samples(tree)}

    assert found(where('project_id', '=', 'a')) == {'a'}
    assert found(where('project_id', '!=', 'b')) == {'a'}
    assert found(base.Not(where('project_id', '=', 'b'))) == {'a', None}
    assert found(base.Not(where('project_id', 'in', ['a']))) == {None}


@pytest.mark.parametrize(
    ('field', 'op', 'value', 'why'),
    [
        ('colour', '=', 'red', 'unknown field; use one of counter_name, '),
        ('resource_metadata', '=', 'x', 'unknown field'),
        ('counter_name', '~', 'x', "unknown operator '~'; use one of =, !="),
        ('counter_name', '=', 5, '5 is not text'),
        ('counter_name', '=', None, 'None is not text'),
        ('counter_volume', '>', '5', "'5' is not a number"),
        ('counter_volume', '=', 10**400, 'is not a finite number'),
        ('timestamp', '>', '2024-01-01', 'is not a date and time'),
        ('timestamp', '>', datetime.date(2024, 1, 1), 'not a date and time'),
        ('user_id', 'in', 'ann', 'in needs a list of values'),
        ('user_id', '=', 'a\0', 'a null character'),
        ('metadata.a', '<', True, '< cannot compare booleans; use = or !='),
        ('metadata.a', '=', None, 'None is not a number'),
        ('metadata.\ud800', '=', 1, 'half of a surrogate pair'),
    ],
)
@pytest.mark.parametrize('nested', [False, True])
@pytest.mark.parametrize(
    'method', ['samples', 'meters', 'resources', 'statistics']
)
def test_bad_filters_name_the_field(
    sqlite_storage, method, nested, field, op, value, why
):
    tree = where(field, op, value)
    if nested:
        tree = all_of(where('source', '=', 'x'), base.Not(base.Or((tree,))))
    with pytest.raises(errors.FilterError) as caught:
        getattr(sqlite_storage, method)(tree)
    assert caught.value.field == field
    assert why in caught.value.why


@pytest.mark.parametrize(
    ('arguments', 'field', 'why'),
    [
        ({'groupby': ['colour']}, 'groupby', "cannot use 'colour'; use one"),
        ({'groupby': ['timestamp']}, 'groupby', "cannot use 'timestamp'"),
        (
            {'aggregates': [base.Aggregate('median')]},
            'aggregate',
            "unknown 'median'; use one of avg, sum",
        ),
        (
            {'aggregates': [base.Aggregate('cardinality', 'timestamp')]},
            'cardinality',
            "cannot use 'timestamp'; use one of user_id",
        ),
        (
            {'aggregates': [base.Aggregate('cardinality')]},
            'cardinality',
            'cannot use None',
        ),
        ({'period': -1}, 'period', '-1 is not a number of seconds'),
    ],
)
def test_bad_statistics_name_what_is_wrong(
    sqlite_storage, arguments, field, why
):
    with pytest.raises(errors.FilterError) as caught:
        sqlite_storage.statistics(**arguments)
    assert caught.value.field == field
    assert why in caught.value.why


@pytest.mark.parametrize(
    ('orderby', 'field', 'why'),
    [
        ([('colour', 'asc')], 'colour', 'unknown field'),
        ([('metadata.a', 'asc')], 'metadata.a', 'cannot be ordered by'),
        ([('timestamp', 'up')], 'timestamp', "unknown order 'up'; use asc"),
    ],
)
def test_bad_orders_name_what_is_wrong(sqlite_storage, orderby, field, why):
    with pytest.raises(errors.FilterError) as caught:
        sqlite_storage.samples(orderby=orderby)
    assert caught.value.field == field
    assert why in caught.value.why
