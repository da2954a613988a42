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
"""Storing samples: whole batches or nothing."""

import datetime
import math

import pytest
import sqlalchemy as sa
from telemetry.storage import errors, schema

from tests.telemetry.storage.samples import at, sample, where


def test_a_sample_comes_back_as_it_was(storage):
    stored = sample(
        message_id='m/1',
        counter_name='disk.ÉCRITURE',
        counter_volume=-1.1,
        resource_id='a/b c:d%20',
        project_id=None,
        user_id=None,
        source=None,
        timestamp=datetime.datetime(2024, 2, 29, 23, 59, 59, 999999),
        recorded_at=datetime.datetime(1969, 12, 31, 23, 59, 59, 1),
        resource_metadata={
            'text': '😀 \\ \'"%s',
            'number': 2**63 - 1,
            'big': 2**80,
            'none': None,
            'list': [1, {'a': 'b'}],
            'nested': {'deep': {'er': True}},
            'long key ' * 40: 'kept',
        },
    )
    storage.add_samples([stored])
    assert storage.sample('m/1') == stored


def test_a_time_with_a_zone_is_stored_in_utc(storage):
    zone = datetime.timezone(datetime.timedelta(hours=2))
    local = datetime.datetime(2024, 1, 1, 1, 30, tzinfo=zone)
    storage.add_samples([sample(message_id='m', timestamp=local)])
    utc = datetime.datetime(2023, 12, 31, 23, 30)
    assert storage.sample('m').timestamp == utc
    assert storage.samples(where('timestamp', '=', local)) == (
        storage.samples()
    )


def test_an_unknown_message_id_gives_none(storage):
    assert storage.sample('nobody') is None


def test_nothing_to_store_is_no_error(storage):
    storage.add_samples([])
    assert storage.samples() == []


@pytest.mark.parametrize(
    ('field', 'value', 'why'),
    [
        ('counter_volume', math.nan, 'nan is not a finite number'),
        ('counter_volume', math.inf, 'inf is not a finite number'),
        ('counter_volume', 10**400, 'is not a finite number'),
        ('counter_volume', '1', "'1' is not a number"),
        ('counter_volume', True, 'True is not a number'),
        ('counter_name', None, 'None is not text'),
        ('resource_id', 7, '7 is not text'),
        ('resource_id', 'x' * 256, 'is longer than 255 characters'),
        ('project_id', 'a\0b', 'a null character cannot be stored'),
        ('user_id', '\ud800', 'half of a surrogate pair cannot be stored'),
        ('resource_metadata', {'a': math.nan}, 'is not plain JSON'),
        ('resource_metadata', {'a': {1, 2}}, 'is not plain JSON'),
        ('resource_metadata.a.b', {'a': {'b': '\0'}}, 'a null character'),
        ('resource_metadata.a', {'a': 10**400}, 'not a finite number'),
    ],
)
def test_a_sample_that_cannot_be_stored_stops_its_batch(
    storage, field, value, why
):
    bad = sample(**{field.partition('.')[0]: value})
    with pytest.raises(errors.SampleError) as caught:
        storage.add_samples([sample(), bad, sample()])
    assert caught.value.index == 1
    assert caught.value.field == field
    assert why in caught.value.why
    assert str(caught.value).startswith(f'sample 1: {field}: ')
    assert storage.samples() == []


def test_a_message_id_twice_in_a_batch_stops_it(storage):
    twice = [sample(message_id='a'), sample(message_id='a')]
    with pytest.raises(errors.SampleError, match="sample 1: message_id: 'a'"):
        storage.add_samples(twice)
    assert storage.samples() == []


def test_a_failure_halfway_leaves_nothing_of_the_batch(storage, url):
    storage.add_samples([sample(message_id='there')])
    batch = [
        sample(
            message_id=message_id,
            counter_name='new meter',
            resource_id='new resource',
            resource_metadata={'new': 'metadata'},
        )
        for message_id in ('one', 'there', 'two')
    ]
    with pytest.raises(
        errors.SampleError, match="sample 1: message_id: 'there' is already"
    ):
        storage.add_samples(batch)
    assert [each.message_id for each in storage.samples()] == ['there']
    assert [each.name for each in storage.meters()] == ['cpu']
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        for table in (schema.meter, schema.series, schema.document):
            query = sa.select(sa.func.count()).select_from(table)
            assert connection.scalar(query) == 1, table.name
    engine.dispose()


def test_names_differ_by_case_accent_and_trailing_space(storage):
    names = ['vm', 'VM', 'vḿ', 'vm ']
    storage.add_samples([sample(resource_id=name) for name in names])
    found = [each.resource_id for each in storage.resources()]
    assert found == sorted(names)
    for name in names:
        (found,) = storage.samples(where('resource_id', '=', name))
        assert found.resource_id == name
    assert storage.samples(where('resource_id', '=', 'Vm')) == []


def test_many_samples_take_few_statements(storage, statements):
    batch = [
        sample(
            counter_name=f'meter {number % 10}',
            resource_id=f'vm {number % 1000}',
            timestamp=at(number),
            resource_metadata={'number': number % 1000},
        )
        for number in range(10_000)
    ]
    statements.clear()
    storage.add_samples(batch)
    # Series and documents: each looked up in parts of 500, inserted, looked
    # up again. Samples: one insert.
    inserts = [text for text, _ in statements if text.startswith('INSERT')]
    assert len(statements) < 100
    assert len([text for text in inserts if 'INTO sample ' in text]) == 1
    assert storage.statistics()[0].values['count'] == 10_000
    assert len(storage.resources()) == 1000
    assert len(storage.meters(unique=True)) == 10


def test_equal_metadata_are_stored_once(storage, url):
    storage.add_samples([sample(resource_metadata={'a': 1, 'b': 2})])
    storage.add_samples(
        [
            sample(resource_metadata={'b': 2, 'a': 1}),
            sample(resource_metadata={'a': 1.5, 'b': 2}),
        ]
    )
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        query = sa.select(sa.func.count()).select_from(schema.document)
        assert connection.scalar(query) == 2
    engine.dispose()
