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
"""Removing old samples."""

import dataclasses

import pytest
import sqlalchemy as sa
from telemetry.storage import schema

from tests.telemetry.storage.samples import at, sample, where


@pytest.fixture
def count(url):
    """Return a function: the number of rows of a table."""
    engine = sa.create_engine(url)

    def of(table):
        with engine.connect() as connection:
            query = sa.select(sa.func.count()).select_from(table)
            return connection.scalar(query)

    yield of
    engine.dispose()


def test_old_samples_go_with_all_that_only_they_used(storage, count):
    old = [
        sample(
            counter_name='old',
            resource_id=f'vm {number}',
            timestamp=at(number),
            resource_metadata={'number': number},
        )
        for number in range(10)
    ]
    young = [
        sample(timestamp=at(5), resource_id='vm 3'),
        sample(timestamp=at(10), resource_id='vm 3'),
        sample(timestamp=at(11), resource_metadata={'number': 3}),
    ]
    storage.add_samples(old + young)
    removed = storage.expire(at(10), batch=3)
    assert dataclasses.asdict(removed) == {
        'samples': 11,
        'series': 10,
        'documents': 9,
        'meters': 1,
    }
    assert storage.samples() == [young[2], young[1]]
    assert [each.name for each in storage.meters(unique=True)] == ['cpu']
    resources = storage.resources()
    assert [
        (each.resource_id, each.first_sample_timestamp) for each in resources
    ] == [('vm 1', at(11)), ('vm 3', at(10))]
    assert storage.samples(where('metadata.number', '=', 3)) == [young[2]]
    assert count(schema.meter) == 1
    assert count(schema.series) == 2
    assert count(schema.document) == 2
    assert count(schema.document_value) == 1


def test_what_is_young_enough_stays(storage):
    storage.add_samples([sample(timestamp=at(10))])
    removed = storage.expire(at(10))
    assert set(dataclasses.astuple(removed)) == {0}
    assert len(storage.samples()) == 1


def test_transactions_are_short(storage, statements):
    storage.add_samples([sample(timestamp=at(each)) for each in range(50)])
    statements.clear()
    assert storage.expire(at(100), batch=20).samples == 50
    deletes = [
        text
        for text, _ in statements
        if text.startswith('DELETE FROM sample ')
    ]
    assert len(deletes) == 3
    assert all('LIMIT' in text for text in deletes)


def test_a_removed_series_can_come_back(storage):
    storage.add_samples([sample(timestamp=at(1))])
    storage.expire(at(5))
    assert storage.meters() == []
    assert storage.resources() == []
    storage.add_samples([sample(timestamp=at(9))])
    assert len(storage.meters()) == 1
