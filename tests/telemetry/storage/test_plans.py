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
"""The main lists use indexes, and lists of series never read samples."""

import re
import sqlite3

import pytest
from telemetry.storage import base

from tests.telemetry.storage.samples import all_of, at, sample, where

METER = where('counter_name', '=', 'cpu')
RESOURCE = where('resource_id', '=', 'vm 1')
PROJECT = where('project_id', '=', 'lab 1')
RANGE = all_of(
    where('timestamp', '>=', at(0)), where('timestamp', '<', at(100))
)

INDEX = 'sample USING( COVERING)? INDEX '
BY_TIME = f'{INDEX}ix_sample_timestamp_id'
BY_METER = f'SEARCH {INDEX}ix_sample_meter_id_timestamp_id'
BY_SERIES = f'SEARCH {INDEX}ix_sample_series_id_timestamp_id_volume'
COVERED = BY_SERIES.replace('( COVERING)?', ' COVERING')
BY_DOCUMENT = (
    'SEARCH sample USING COVERING INDEX ix_sample_document_id_series_id'
)
SORT = 'TEMP B-TREE FOR ORDER BY'
SCAN = 'SCAN sample(?! USING( COVERING)? INDEX ix_sample_timestamp_id)'


@pytest.fixture(params=['fresh', 'analysed'])
def plans(request, sqlite_storage, sqlite_file, statements):
    """Return a function: the query plans of what a call selects."""
    sqlite_storage.add_samples(
        [
            sample(
                counter_name=name,
                resource_id=f'vm {number % 20}',
                project_id=f'lab {number % 4}',
                timestamp=at(number),
                resource_metadata={'a': number % 3},
            )
            for name in ('cpu', 'memory', 'disk')
            for number in range(100)
        ]
    )
    with sqlite3.connect(sqlite_file) as connection:
        if request.param == 'analysed':
            connection.execute('ANALYZE')

    def explain(call):
        statements.clear()
        call(sqlite_storage)
        with sqlite3.connect(sqlite_file) as connection:
            connection.create_aggregate('stddev_pop', 1, object)
            return '\n'.join(
                row[-1]
                for text, parameters in statements
                if text.startswith('SELECT')
                for row in connection.execute(
                    f'EXPLAIN QUERY PLAN {text}', parameters
                )
            )

    yield explain
    connection.close()


@pytest.mark.parametrize(
    ('call', 'used', 'unused'),
    [
        (lambda s: s.samples(limit=9), BY_TIME, SORT),
        (lambda s: s.samples(RANGE, limit=9), BY_TIME, SORT),
        (lambda s: s.samples(METER, limit=9), BY_METER, SORT),
        (lambda s: s.samples(all_of(METER, RANGE), limit=9), BY_METER, SORT),
        (
            lambda s: s.samples(METER, (('timestamp', 'asc'),), limit=9),
            BY_METER,
            SORT,
        ),
        (lambda s: s.samples(RESOURCE, limit=9), BY_SERIES, SCAN),
        (lambda s: s.samples(all_of(METER, RESOURCE)), BY_SERIES, BY_METER),
        (
            lambda s: s.samples(where('metadata.a', '=', 1), limit=9),
            BY_TIME,
            SORT,
        ),
        (lambda s: s.sample('m'), f'SEARCH {INDEX}.*message_id=', SCAN),
        (lambda s: s.meters(limit=9), 'series', 'sample'),
        (lambda s: s.meters(METER, limit=9), 'meter_id=', 'sample'),
        (lambda s: s.meters(PROJECT, limit=9), 'series', 'sample'),
        (lambda s: s.meters(unique=True, limit=9), 'series', 'sample'),
        (lambda s: s.meters(RANGE, limit=9), COVERED, SCAN),
        (lambda s: s.resources(limit=9), COVERED, SCAN),
        (lambda s: s.resources(PROJECT, limit=9), COVERED, SCAN),
        (lambda s: s.resources(RANGE, limit=9), COVERED, SCAN),
        (
            lambda s: s.resources(where('metadata.a', '=', 1), limit=9),
            BY_DOCUMENT,
            SCAN,
        ),
        (lambda s: s.resources(RESOURCE, limit=9), COVERED, 'SCAN series'),
        (
            lambda s: s.statistics(all_of(METER, RANGE), period=60),
            BY_METER,
            SCAN,
        ),
        (
            lambda s: s.statistics(
                all_of(METER, RESOURCE, RANGE),
                aggregates=[base.Aggregate('stddev')],
            ),
            COVERED,
            SCAN,
        ),
    ],
)
def test_plan(plans, call, used, unused):
    plan = plans(call)
    assert re.search(used, plan), plan
    assert not re.search(unused, plan), plan


@pytest.mark.parametrize('plans', ['fresh'], indirect=True)
def test_plan_for_a_project(plans):
    """Once ANALYZE has seen how little there is, SQLite may sort instead."""
    plan = plans(lambda s: s.samples(PROJECT, limit=9))
    assert re.search(BY_TIME, plan), plan
    assert not re.search(SORT, plan), plan
