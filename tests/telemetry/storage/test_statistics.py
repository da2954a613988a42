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
"""Statistics: one statement, exact periods, sound numbers."""

import pytest
from telemetry.storage import base, errors

from tests.telemetry.storage.samples import all_of, at, sample, where

TEN_YEARS = 10 * 365 * 86400


def test_ten_years_of_short_periods_are_one_statement(storage, statements):
    seconds = [0, 599, 600, TEN_YEARS // 2, TEN_YEARS - 1]
    storage.add_samples([sample(timestamp=at(each)) for each in seconds])
    range_of_all = all_of(
        where('counter_name', '=', 'cpu'),
        where('timestamp', '>=', at(0)),
        where('timestamp', '<', at(TEN_YEARS)),
    )
    statements.clear()
    rows = storage.statistics(range_of_all, period=600)
    assert len(statements) - sum(
        text.startswith(('BEGIN', 'PRAGMA')) for text, _ in statements
    ) == len([text for text, _ in statements if text.startswith('SELECT')])
    assert [text[:6] for text, _ in statements].count('SELECT') == 1
    assert [row.values['count'] for row in rows] == [2, 1, 1, 1]
    assert [row.period_start for row in rows] == [
        at(each // 600 * 600) for each in (0, 600, seconds[3], seconds[4])
    ]
    assert all(
        row.period_end - row.period_start == at(600) - at(0) for row in rows
    )


def test_periods_start_at_the_lower_bound_or_first_sample(storage):
    storage.add_samples([sample(timestamp=at(each)) for each in (50, 130)])
    free = storage.statistics(period=60)
    assert [row.period_start for row in free] == [at(50), at(110)]
    bound = storage.statistics(where('timestamp', '>', at(-30)), period=60)
    assert [row.period_start for row in bound] == [at(30), at(90)]
    # A bound that only some samples need to keep is no bound of the query.
    either = base.Or((where('timestamp', '>', at(-30)),) * 2)
    assert storage.statistics(either, period=60) == free


def test_the_last_microsecond_belongs_to_its_period(storage):
    microsecond = 1e-6
    storage.add_samples(
        [
            sample(timestamp=at(3600)),
            sample(timestamp=at(2 * 3600 - microsecond)),
            sample(timestamp=at(2 * 3600)),
        ]
    )
    rows = storage.statistics(where('timestamp', '>=', at(0)), period=3600)
    assert [row.values['count'] for row in rows] == [2, 1]
    assert rows[0].duration == pytest.approx(3600 - microsecond)


def test_without_period_the_bounds_are_the_first_and_last_sample(storage):
    storage.add_samples([sample(timestamp=at(10)), sample(timestamp=at(40))])
    (row,) = storage.statistics(
        all_of(
            where('timestamp', '>', at(0)),
            where('timestamp', '>=', at(5)),
            where('timestamp', '<', at(100)),
        )
    )
    assert (row.period, row.period_start, row.period_end) == (
        0,
        at(10),
        at(40),
    )
    assert (row.duration, row.duration_start, row.duration_end) == (
        30.0,
        at(10),
        at(40),
    )


def test_more_rows_than_the_limit_are_refused(storage):
    storage.add_samples([sample(timestamp=at(60 * n)) for n in range(3)])
    assert len(storage.statistics(period=60, limit=3)) == 3
    with pytest.raises(errors.TooManyRows, match='more than 2 rows'):
        storage.statistics(period=60, limit=2)


@pytest.mark.parametrize('period', [None, 60])
@pytest.mark.parametrize('groupby', [(), ('user_id',)])
def test_no_samples_no_rows(storage, period, groupby):
    storage.add_samples([sample()])
    nothing = where('counter_name', '=', 'nothing')
    assert storage.statistics(nothing, period, groupby) == []


def test_deviation_keeps_its_precision_far_from_zero(storage):
    volumes = [1e9 + 1, 1e9 + 2, 1e9 + 3]
    storage.add_samples([sample(counter_volume=each) for each in volumes])
    (row,) = storage.statistics(aggregates=[base.Aggregate('stddev')])
    assert row.values == {'stddev': pytest.approx((2 / 3) ** 0.5, rel=1e-9)}


def test_groups_keep_the_kind_of_metadata(storage):
    documents = [{'a': 1}, {'a': '1'}, {'a': True}, {'a': 1.5}, {}, {'a': 2}]
    storage.add_samples(
        [sample(resource_metadata=document) for document in documents]
    )
    rows = storage.statistics(groupby=['metadata.a'])
    found = [row.groupby['metadata.a'] for row in rows]
    assert repr(found) == "[None, True, 1, 1.5, 2, '1']"


def test_groups_come_in_order_within_each_period(storage):
    storage.add_samples(
        [
            sample(timestamp=at(second), user_id=user, project_id=project)
            for second in (0, 70)
            for user in ('bob', None, 'Ann')
            for project in ('y', 'x')
        ]
    )
    rows = storage.statistics(period=60, groupby=['user_id', 'project_id'])
    assert [(row.period_start, *row.groupby.values()) for row in rows] == [
        (at(start), user, project)
        for start in (0, 60)
        for user in (None, 'Ann', 'bob')
        for project in ('x', 'y')
    ]


def test_groups_come_in_order_whichever_was_first(storage):
    storage.add_samples(
        [
            sample(timestamp=at(second), user_id=user)
            for second, user in [(1, 'b'), (2, 'a'), (3, None)]
        ]
    )
    rows = storage.statistics(groupby=['user_id'])
    assert [row.groupby['user_id'] for row in rows] == [None, 'a', 'b']
