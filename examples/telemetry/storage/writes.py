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
"""Storing samples."""

import collections
import hashlib
import json

import oslo_db.exception
import sqlalchemy as sa

from telemetry.storage import errors, filters, lists, schema

_SERIES_FIELDS = (
    'counter_name',
    'counter_type',
    'counter_unit',
    'resource_id',
    'project_id',
    'user_id',
    'source',
)
_OPTIONAL_FIELDS = ('project_id', 'user_id', 'source')


class Batch:
    """Samples that are stored together, checked and ready.

    :raises SampleError: one of them cannot be stored as it is
    """

    def __init__(self, samples):
        self._rows = []
        self._series = {}
        self._documents = {}
        self._index = {}
        for index, sample in enumerate(samples):
            self._add(index, sample)

    def _add(self, index, sample):
        for field in ('message_id', *_SERIES_FIELDS):
            _check_name(index, field, getattr(sample, field))
        why = filters.number_fault(sample.counter_volume)
        if why:
            raise errors.SampleError(index, 'counter_volume', why)
        if sample.message_id in self._index:
            raise _duplicate(index, sample.message_id)
        self._index[sample.message_id] = index
        identity = tuple(getattr(sample, name) for name in _SERIES_FIELDS)
        body = _canonical(index, sample.resource_metadata)
        row = {
            'message_id': sample.message_id,
            'volume': float(sample.counter_volume),
            'timestamp': sample.timestamp,
            'recorded_at': sample.recorded_at,
        }
        series, document = _digest(json.dumps(identity)), _digest(body)
        self._series[series] = identity
        if document not in self._documents:
            values = list(_values(index, sample.resource_metadata))
            self._documents[document] = body, values
        self._rows.append((series, document, row))

    def store(self, connection):
        """Write the samples and whatever they refer to that is not there.

        :raises DBDuplicateEntry: someone else stored the same at the same
            time
        """
        if not self._rows:
            return
        series = self._store_series(connection)
        documents = self._store_documents(connection)
        rows = []
        for series_digest, document_digest, row in self._rows:
            found = series[series_digest]
            rows.append(
                row
                | {
                    'series_id': found.id,
                    'meter_id': found.meter_id,
                    'document_id': documents[document_digest].id,
                }
            )
        connection.execute(sa.insert(schema.sample), rows)

    def check_message_ids(self, connection):
        """Raise SampleError if a message_id is already in the database."""
        for message_id in _stored(connection, self._index):
            raise _duplicate(self._index[message_id], message_id)

    def _store_series(self, connection):
        def missing_rows(missing):
            identities = [self._series[digest] for digest in missing]
            names = [identity[0] for identity in identities]
            meters = _ensure(
                connection,
                schema.meter.c.name,
                names,
                lambda names: [{'name': name} for name in names],
            )
            return [
                dict(zip(_SERIES_FIELDS[1:], identity[1:], strict=True))
                | {'digest': digest, 'meter_id': meters[identity[0]].id}
                for digest, identity in zip(missing, identities, strict=True)
            ]

        return _ensure(
            connection, schema.series.c.digest, self._series, missing_rows
        )

    def _store_documents(self, connection):
        new = []

        def missing_rows(missing):
            new.extend(missing)
            return [
                {'digest': digest, 'body': self._documents[digest][0]}
                for digest in missing
            ]

        found = _ensure(
            connection,
            schema.document.c.digest,
            self._documents,
            missing_rows,
        )
        values = [
            value | {'document_id': found[digest].id}
            for digest in new
            for value in self._documents[digest][1]
        ]
        if values:
            connection.execute(sa.insert(schema.document_value), values)
        return found


def _ensure(connection, key, wanted, missing_rows):
    """Return {key: row} for all wanted keys, inserting those missing.

    They are inserted in the order of their keys, so that two writers who
    insert the same ones wait for each other instead of deadlocking.
    """
    found = _existing(connection, key, wanted)
    missing = sorted(set(wanted) - found.keys())
    if missing:
        connection.execute(sa.insert(key.table), missing_rows(missing))
        found |= _existing(connection, key, missing)
    return found


def _existing(connection, key, wanted):
    columns = {key, *key.table.primary_key}
    if 'meter_id' in key.table.c:
        columns.add(key.table.c.meter_id)
    found = {}
    for part in lists.chunks(wanted):
        query = sa.select(*columns).where(key.in_(part))
        for row in connection.execute(query):
            found[getattr(row, key.name)] = row
    return found


def _stored(connection, message_ids):
    return _existing(connection, schema.sample.c.message_id, message_ids)


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(index, metadata):
    """Return the one JSON text for all equal documents."""
    try:
        return json.dumps(
            metadata, sort_keys=True, separators=(',', ':'), allow_nan=False
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise errors.SampleError(
            index, 'resource_metadata', f'is not plain JSON: {error}'
        ) from None


def _values(index, metadata):
    """Yield a row for each plain value of a document that has a short key."""
    positions = collections.Counter()
    for path, value in _flatten(metadata):
        row = {'text': None, 'number': None, 'boolean': None}
        if isinstance(value, bool):
            row['boolean'] = value
        elif isinstance(value, str):
            row['text'] = value
        else:
            row['number'] = value
        why = (
            filters.text_fault(path)
            or (row['text'] is not None and filters.text_fault(value))
            or (row['number'] is not None and filters.number_fault(value))
        )
        if why:
            raise errors.SampleError(index, f'resource_metadata.{path}', why)
        if len(path) <= schema.NAME_LENGTH:
            yield row | {'key': path, 'position': positions[path]}
            positions[path] += 1


def _flatten(metadata, prefix=''):
    for key in sorted(metadata):
        value = metadata[key]
        if isinstance(value, dict):
            yield from _flatten(value, f'{prefix}{key}.')
        elif isinstance(value, bool | str | int | float):
            yield f'{prefix}{key}', value


def _check_name(index, field, value):
    if value is None and field in _OPTIONAL_FIELDS:
        return
    if not isinstance(value, str):
        raise errors.SampleError(index, field, f'{value!r} is not text')
    why = filters.text_fault(value)
    if not why and len(value) > schema.NAME_LENGTH:
        why = f'is longer than {schema.NAME_LENGTH} characters'
    if why:
        raise errors.SampleError(index, field, why)


def _duplicate(index, message_id):
    return errors.SampleError(
        index, 'message_id', f'{message_id!r} is already stored'
    )


def add_samples(database, samples):
    """Store all the samples or, if one of them cannot be stored, none.

    :raises SampleError: one of them cannot be stored as it is
    """
    batch = Batch(samples)
    while True:
        try:
            return database.write(batch.store)
        except oslo_db.exception.DBDuplicateEntry:
            # Another process stored the same new series, say, just now.
            # It is there for the next attempt, so each attempt has fewer
            # rows that can collide.
            with database.read() as connection:
                batch.check_message_ids(connection)


def faults(database, samples):
    """Return a SampleError for each sample that cannot be stored."""
    found = {}
    for index, sample in enumerate(samples):
        try:
            Batch([sample])
        except errors.SampleError as error:
            found[index] = errors.SampleError(index, error.field, error.why)
    sound = [
        (index, sample.message_id)
        for index, sample in enumerate(samples)
        if index not in found
    ]
    with database.read() as connection:
        stored = set(_stored(connection, {name for _, name in sound}))
    for index, message_id in sound:
        if message_id in stored:
            found[index] = _duplicate(index, message_id)
        stored.add(message_id)
    return [found[index] for index in sorted(found)]
