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
"""Queries for samples, meters and resources."""

import json

import sqlalchemy as sa

from telemetry.storage import base, errors, filters
from telemetry.storage.schema import document, meter, sample, series

_DIRECTIONS = {'asc': sa.asc, 'desc': sa.desc}
# Identifiers looked up by one statement; SQLite and others have a limit.
_CHUNK = 500

SERIES = series.join(meter, meter.c.id == series.c.meter_id)


def chunks(values):
    """Cut values into lists that fit into one statement."""
    values = list(values)
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def wanted_samples(tree, *fields):
    """Return the tables and conditions that give the wanted samples.

    Only those tables are joined that the filter and ``fields`` need: then
    each database reads an index of samples in its order. A meter that is
    asked for by name is looked up first, for the index of samples by meter;
    but a resource has fewer samples than a meter, so its series lead the way
    if it is asked for, too.
    """
    terms = filters.top_terms(tree)
    by_resource = any(filters.is_equal(term, 'resource_id') for term in terms)
    lookup = series.c.meter_id if by_resource else sample.c.meter_id
    tables, used = sample, filters.fields(_unnamed(terms)).union(fields)
    if by_resource or not used.isdisjoint(filters.SERIES_FIELDS):
        tables = tables.join(series, series.c.id == sample.c.series_id)
    if 'counter_name' in used:
        tables = tables.join(meter, meter.c.id == series.c.meter_id)
    return tables, _conditions(terms, lookup)


def _wanted_series(tree):
    """Return tables and conditions for series, and conditions on samples.

    The last ones are to be used in a subquery that reads the samples of the
    series.
    """
    terms = filters.top_terms(tree)
    used = filters.fields(_unnamed(terms))
    tables = SERIES if 'counter_name' in used else series
    of_series = [term for term in terms if filters.of_series_only(term)]
    of_samples = [term for term in terms if not filters.of_series_only(term)]
    return (
        tables,
        _conditions(of_series, series.c.meter_id),
        _conditions(of_samples, series.c.meter_id),
    )


def _unnamed(terms):
    return [
        term for term in terms if not filters.is_equal(term, 'counter_name')
    ]


def _conditions(terms, meter_id):
    """Return the conditions for terms, with meters looked up by name."""
    return [
        meter_id
        == sa.select(meter.c.id)
        .where(filters.condition(term))
        .correlate(None)
        .scalar_subquery()
        if filters.is_equal(term, 'counter_name')
        else filters.condition(term)
        for term in terms
    ]


def _own_samples(query, conditions):
    """Return a subselect from the samples of the series outside of it."""
    return query.where(
        sample.c.series_id == series.c.id, *conditions
    ).correlate(series, meter)


def _has_samples(tree, of_samples):
    """Return: the series outside of it has samples of this kind.

    To look through all samples of each series for some metadata would take
    too long, so then the documents with it lead to the series.
    """
    metadata = [
        sample.c.document_id.in_(filters.documents(term))
        for term in filters.top_terms(tree)
        if filters.is_metadata(term)
    ]
    if metadata:
        return series.c.id.in_(
            sa.select(sample.c.series_id)
            .where(*of_samples, *metadata)
            .correlate(series, meter)
        )
    return _own_samples(sa.select(sample.c.id), of_samples).exists()


def samples(connection, tree=None, orderby=(), limit=None):
    """Return samples; see Storage.samples."""
    fields, order = [], []
    direction = sa.asc
    for field, how in orderby:
        if how not in _DIRECTIONS:
            raise errors.FilterError(
                field, f'unknown order {how!r}; use asc or desc'
            )
        direction = _DIRECTIONS[how]
        column = filters.column(field)
        fields.append(field)
        if column.nullable:
            # Databases differ in where null goes; here it is the lowest.
            order.append(direction(column.is_not(None)))
        order.append(direction(column))
    tables, conditions = wanted_samples(tree, *fields)
    query = (
        sa.select(sample.c.id)
        .select_from(tables)
        .where(*conditions)
        .order_by(*order, direction(sample.c.id))
        .limit(limit)
    )
    # The rest in a second step: what is joined here can neither change how
    # the first one is done, nor be carried along by a sort.
    ids = connection.scalars(query).all()
    found = _samples_by_id(connection, ids)
    return [found[id_] for id_ in ids]


def _samples_by_id(connection, ids):
    query = sa.select(
        sample.c.id,
        sample.c.message_id,
        sample.c.volume,
        sample.c.timestamp,
        sample.c.recorded_at,
        sample.c.document_id,
        document.c.body,
        meter.c.name,
        series.c.counter_type,
        series.c.counter_unit,
        series.c.resource_id,
        series.c.project_id,
        series.c.user_id,
        series.c.source,
    ).select_from(
        sample.join(SERIES, series.c.id == sample.c.series_id).join(
            document, document.c.id == sample.c.document_id
        )
    )
    found = {}
    for part in chunks(ids):
        rows = connection.execute(query.where(sample.c.id.in_(part)))
        found |= _to_samples(rows)
    return found


def _to_samples(rows):
    """Return {id: base.Sample}; samples with equal metadata share them."""
    bodies = {}
    found = {}
    for row in rows:
        if row.document_id not in bodies:
            bodies[row.document_id] = json.loads(row.body)
        found[row.id] = base.Sample(
            message_id=row.message_id,
            source=row.source,
            counter_name=row.name,
            counter_type=row.counter_type,
            counter_unit=row.counter_unit,
            counter_volume=row.volume,
            user_id=row.user_id,
            project_id=row.project_id,
            resource_id=row.resource_id,
            timestamp=row.timestamp,
            recorded_at=row.recorded_at,
            resource_metadata=bodies[row.document_id],
        )
    return found


def meters(connection, tree=None, limit=None, unique=False):
    """Return meters; see Storage.meters."""
    kind = (meter.c.name, series.c.counter_type, series.c.counter_unit)
    owner = (
        series.c.resource_id,
        series.c.project_id,
        series.c.user_id,
        series.c.source,
    )
    _, of_series, of_samples = _wanted_series(tree)
    if unique:
        query = sa.select(*kind, *[sa.null()] * len(owner)).distinct()
        query = query.order_by(*kind)
    else:
        query = sa.select(*kind, *owner)
        query = query.order_by(meter.c.name, series.c.resource_id, series.c.id)
    query = query.select_from(SERIES).where(*of_series).limit(limit)
    if of_samples:
        query = query.where(_has_samples(tree, of_samples))
    return [base.Meter(*row) for row in connection.execute(query)]


def resources(connection, tree=None, limit=None, within=None):
    """Return resources; see Storage.resources."""
    tables, of_series, of_samples = _wanted_series(tree)
    page = (
        sa.select(series.c.resource_id)
        .select_from(tables)
        .where(
            *of_series,
            _has_samples(tree, of_samples),
        )
        .group_by(series.c.resource_id)
        .order_by(series.c.resource_id)
        .limit(limit)
        .subquery('page')
    )

    # The first and the newest sample of each series are at the two ends of
    # its part of an index. To join samples for the newest timestamp would save
    # one look, but PostgreSQL may then look once for each pair of a series and
    # a sample, as long as it has no statistics of the tables.
    def end(column, direction):
        query = sa.select(column).order_by(
            direction(sample.c.timestamp), direction(sample.c.id)
        )
        return _own_samples(query, of_samples).limit(1).scalar_subquery()

    query = (
        sa.select(
            series.c.resource_id,
            end(sample.c.timestamp, sa.asc).label('first'),
            end(sample.c.timestamp, sa.desc).label('last'),
            end(sample.c.id, sa.desc).label('newest_id'),
        )
        .select_from(
            tables.join(page, page.c.resource_id == series.c.resource_id)
        )
        .where(*of_series)
    )
    first, newest = {}, {}
    for row in connection.execute(query):
        if row.newest_id is None:
            continue
        key = row.resource_id
        last = row.last, row.newest_id
        first[key] = min(first.get(key, row.first), row.first)
        newest[key] = max(newest.get(key, last), last)
    samples = _samples_by_id(connection, [end[1] for end in newest.values()])

    names = _meter_names(connection, newest, within)

    found = []
    for resource_id in sorted(newest):
        last, sample_id = newest[resource_id]
        found.append(
            base.Resource(
                resource_id=resource_id,
                project_id=samples[sample_id].project_id,
                user_id=samples[sample_id].user_id,
                source=samples[sample_id].source,
                first_sample_timestamp=first[resource_id],
                last_sample_timestamp=last,
                metadata=samples[sample_id].resource_metadata,
                meters=names[resource_id],
            )
        )
    return found


def _meter_names(connection, resource_ids, within):
    """Return {resource id: sorted names of its meters within a filter}."""
    names = {}
    for part in chunks(resource_ids):
        query = (
            sa.select(series.c.resource_id, meter.c.name)
            .select_from(SERIES)
            .where(
                series.c.resource_id.in_(part),
                *map(filters.condition, filters.top_terms(within)),
            )
            .distinct()
            .order_by(series.c.resource_id, meter.c.name)
        )
        for row in connection.execute(query):
            names.setdefault(row.resource_id, []).append(row.name)
    return names
