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
"""Storage against a plain Python reference, over random data."""

import dataclasses
import datetime

import hypothesis
import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from telemetry.storage import STANDARD_AGGREGATES, base, schema

from tests.telemetry.storage import reference, samples

# Few values, so that samples share some and filters find some. They differ
# by case, accent, script and end only where databases must tell them apart.
NAMES = st.sampled_from(['a', 'A', 'b', 'é', 'a b/c:d', '😀', "o'x%s", ''])
OWNERS = st.none() | NAMES
TIMES = st.integers(0, 4000).map(lambda n: samples.at(n / 4))
VOLUMES = st.integers(-10_000, 10_000).map(lambda n: n / 8)
PLAIN = (
    st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([0.5, -1.5])
    | st.sampled_from(['a', 'A', '1', 'true', '', 'é'])
)
KEYS = st.sampled_from(['a', 'b', 'a.b', 'b.a.a'])
DOCUMENTS = st.dictionaries(
    KEYS,
    PLAIN
    | st.none()
    | st.lists(PLAIN, max_size=1)
    | st.dictionaries(KEYS, PLAIN, max_size=2),
    max_size=3,
)
SAMPLES = st.lists(
    st.builds(
        samples.sample,
        counter_name=NAMES,
        counter_type=st.sampled_from(['gauge', 'delta']),
        counter_unit=NAMES,
        counter_volume=VOLUMES,
        resource_id=NAMES,
        project_id=OWNERS,
        user_id=OWNERS,
        source=OWNERS,
        timestamp=TIMES,
        recorded_at=TIMES,
        resource_metadata=DOCUMENTS,
    ),
    max_size=25,
)
VALUES = {
    **dict.fromkeys(
        (
            'counter_name',
            'counter_type',
            'counter_unit',
            'resource_id',
            'project_id',
            'user_id',
            'source',
            'message_id',
        ),
        NAMES,
    ),
    'counter_volume': VOLUMES,
    'timestamp': TIMES,
    'recorded_at': TIMES,
}
ORDERED = ['=', '!=', '<', '<=', '>', '>=']


def comparisons(field, values):
    return st.builds(
        base.Compare, st.just(field), st.sampled_from(ORDERED), values
    ) | st.builds(
        base.Compare,
        st.just(field),
        st.just('in'),
        st.lists(values, max_size=3),
    )


METADATA_FIELDS = ['metadata.a', 'metadata.a.b', 'metadata.b.a.a']
LEAVES = st.one_of(
    *(comparisons(field, values) for field, values in VALUES.items()),
    *(
        comparisons(field, PLAIN).filter(
            lambda each: (
                not isinstance(each.value, bool) or each.op in ('=', '!=')
            )
        )
        for field in METADATA_FIELDS
    ),
)
TREES = st.recursive(
    LEAVES,
    lambda trees: (
        st.builds(base.Not, trees)
        | st.builds(base.And, st.lists(trees, max_size=3).map(tuple))
        | st.builds(base.Or, st.lists(trees, max_size=3).map(tuple))
    ),
    max_leaves=5,
)
RANGE = st.builds(
    lambda low, high: base.And(
        (
            base.Compare('timestamp', '>=', low),
            base.Compare('timestamp', '<', high),
        )
    ),
    TIMES,
    TIMES,
)
ORDERS = st.lists(
    st.tuples(
        st.sampled_from(sorted(VALUES)), st.sampled_from(['asc', 'desc'])
    ),
    max_size=3,
).map(tuple)
GROUPS = st.lists(
    st.sampled_from(
        ['user_id', 'project_id', 'resource_id', 'source', *METADATA_FIELDS]
    ),
    max_size=3,
    unique=True,
)
AGGREGATES = [
    *STANDARD_AGGREGATES,
    base.Aggregate('stddev'),
    *(
        base.Aggregate('cardinality', field)
        for field in ('user_id', 'project_id', 'resource_id', 'source')
    ),
]

checked = hypothesis.settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def filled(storage, url):
    """Return a function that replaces all that is stored."""
    engine = sa.create_engine(url)

    def fill(stored):
        with engine.begin() as connection:
            for table in reversed(schema.metadata.sorted_tables):
                connection.execute(sa.delete(table))
        storage.add_samples(stored)
        return storage

    yield fill
    engine.dispose()


@checked
@hypothesis.given(SAMPLES, st.none() | TREES, ORDERS, st.none() | st.just(3))
def test_samples(filled, stored, tree, orderby, limit):
    found = filled(stored).samples(tree, orderby, limit)
    assert found == reference.samples(stored, tree, orderby, limit)


@checked
@hypothesis.given(SAMPLES, st.none() | TREES | RANGE)
def test_meters(filled, stored, tree):
    storage = filled(stored)
    wanted = {
        (
            each.counter_name,
            each.counter_type,
            each.counter_unit,
            each.resource_id,
            each.project_id,
            each.user_id,
            each.source,
        )
        for each in reference.samples(stored, tree)
    }
    found = [dataclasses.astuple(each) for each in storage.meters(tree)]
    assert len(found) == len(wanted)
    assert set(found) == wanted
    assert found == sorted(found, key=lambda each: (each[0], each[3]))
    unique = storage.meters(tree, unique=True)
    assert [dataclasses.astuple(each) for each in unique] == [
        (*kind, None, None, None, None)
        for kind in sorted({each[:3] for each in wanted})
    ]


@checked
@hypothesis.given(SAMPLES, st.none() | TREES | RANGE)
def test_resources(filled, stored, tree):
    storage = filled(stored)
    by_resource = {}
    for each in reference.samples(stored, tree):  # newest first
        by_resource.setdefault(each.resource_id, []).append(each)
    assert storage.resources(tree) == [
        base.Resource(
            resource_id=resource_id,
            project_id=found[0].project_id,
            user_id=found[0].user_id,
            source=found[0].source,
            first_sample_timestamp=found[-1].timestamp,
            last_sample_timestamp=found[0].timestamp,
            metadata=found[0].resource_metadata,
            meters=sorted(
                {
                    each.counter_name
                    for each in stored
                    if each.resource_id == resource_id
                }
            ),
        )
        for resource_id, found in sorted(by_resource.items())
    ]


@checked
@hypothesis.given(
    SAMPLES,
    st.none() | TREES,
    st.none() | TIMES,
    st.none() | TIMES,
    st.none() | st.integers(1, 2000),
    GROUPS,
)
def test_statistics(filled, stored, tree, lower, upper, period, groupby):
    # Random trees may bound the time in ways of their own: those in a Not
    # or Or do not count, so put them there.
    terms = [base.Or((tree,))] if tree else []
    if lower:
        terms.append(base.Compare('timestamp', '>=', lower))
    if upper:
        terms.append(base.Compare('timestamp', '<', upper))
    tree = base.And(tuple(terms))
    found = filled(stored).statistics(tree, period, groupby, AGGREGATES)
    wanted = reference.statistics(
        stored, tree, lower, period, groupby, AGGREGATES
    )
    for row in wanted:
        row.values = pytest.approx(row.values, rel=1e-9, abs=1e-9)
    assert found == wanted


@checked
@hypothesis.given(
    st.datetimes(
        min_value=datetime.datetime(1, 1, 1),
        max_value=datetime.datetime(9999, 12, 31, 23, 59, 59, 999999),
    )
)
def test_any_time_is_kept_to_the_microsecond(moment):
    stored = schema.to_microseconds(moment)
    assert schema.from_microseconds(stored) == moment
