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
"""Statistics of samples, by period and group, in one statement."""

import datetime

import sqlalchemy as sa

from telemetry.storage import base, errors, filters, lists, schema
from telemetry.storage.schema import document_value, sample, series

# What samples can be grouped by, besides metadata.KEY, and counted by.
OWNER_FIELDS = ('user_id', 'resource_id', 'project_id', 'source')

_FUNCTIONS = {
    'avg': sa.func.avg,
    'sum': sa.func.sum,
    'min': sa.func.min,
    'max': sa.func.max,
    'count': sa.func.count,
    'stddev': sa.func.stddev_pop,
}


def statistics(connection, tree, period, groupby, aggregates, limit):
    """Return statistics; see Storage.statistics."""
    if period is not None and period < 0:
        raise errors.FilterError(
            'period', f'{period} is not a number of seconds'
        )
    lower = filters.lower_time_bound(tree)
    tables, conditions = lists.wanted_samples(tree, 'counter_unit')
    groups = {}
    for number, field in enumerate(groupby):
        label = f'group_{number}'
        if field.startswith(filters.METADATA_PREFIX):
            value = document_value.alias(f'value_{number}')
            tables = tables.outerjoin(value, _is_value(value, field))
            columns = value.c.text, value.c.number, value.c.boolean
        else:
            columns = (_owner_column('groupby', field),)
        groups[field] = [
            column.label(f'{label}_{kind}')
            for kind, column in enumerate(columns)
        ]
    values = {
        aggregate.label: _aggregate(aggregate).label(f'aggregate_{number}')
        for number, aggregate in enumerate(aggregates)
    }
    keys = [column for columns in groups.values() for column in columns]
    if period:
        keys.append(_bucket(tree, lower, period).label('bucket'))
    query = (
        sa.select(
            *keys,
            *values.values(),
            sa.func.count().label('samples'),
            sa.func.max(series.c.counter_unit).label('unit'),
            sa.func.min(sample.c.timestamp).label('first'),
            sa.func.max(sample.c.timestamp).label('last'),
        )
        .select_from(tables)
        .where(*conditions)
        # By name, since a repeated expression has parameters of its own,
        # which PostgreSQL does not take for the same expression.
        .group_by(*(key.name for key in keys))
        .limit(None if limit is None else limit + 1)
    )
    # Without groups there is always one row, even for no samples.
    rows = [row for row in connection.execute(query) if row.samples]
    rows.sort(key=lambda row: _order(row, groups))
    if limit is not None and len(rows) > limit:
        raise errors.TooManyRows(
            f'The statistics have more than {limit} rows. Ask for a longer '
            'period, fewer groups or less time.'
        )
    first = min((row.first for row in rows), default=None)
    found = []
    for row in rows:
        if period:
            start = (lower or first) + row.bucket * schema.MICROSECOND
            end = start + datetime.timedelta(seconds=period)
        else:
            start, end = row.first, row.last
        found.append(
            base.Statistics(
                unit=row.unit,
                period=period or 0,
                period_start=start,
                period_end=end,
                duration=(row.last - row.first).total_seconds(),
                duration_start=row.first,
                duration_end=row.last,
                values={
                    label: row._mapping[column.name]
                    for label, column in values.items()
                },
                groupby={
                    field: _value(row, columns)
                    for field, columns in groups.items()
                }
                or None,
            )
        )
    return found


def _bucket(tree, lower, period):
    """Return the distance of a sample's period from the first, in us.

    The remainder makes it exact: a division would not be a whole number on
    every database.
    """
    if lower is None:
        tables, conditions = lists.wanted_samples(tree)
        origin = (
            sa.select(_whole(sample.c.timestamp))
            .select_from(tables)
            .where(*conditions)
            .order_by(sample.c.timestamp)
            .limit(1)
            .correlate(None)
            .scalar_subquery()
        )
    else:
        origin = sa.literal(schema.to_microseconds(lower), sa.BigInteger)
    distance = _whole(sample.c.timestamp) - origin
    length = sa.literal(
        datetime.timedelta(seconds=period) // schema.MICROSECOND,
        sa.BigInteger,
    )
    return distance - distance % length


def _whole(column):
    return sa.type_coerce(column, sa.BigInteger)


def _is_value(value, field):
    return sa.and_(
        value.c.document_id == sample.c.document_id,
        value.c.key == field.removeprefix(filters.METADATA_PREFIX),
        value.c.position == 0,
    )


def _owner_column(what, field):
    if field not in OWNER_FIELDS:
        raise errors.FilterError(
            what,
            f'cannot use {field!r}; use one of {", ".join(OWNER_FIELDS)}',
        )
    return filters.column(field)


def _aggregate(aggregate):
    if aggregate.func == 'cardinality':
        column = _owner_column('cardinality', aggregate.param)
        return sa.func.count(column.distinct())
    if aggregate.func not in _FUNCTIONS:
        raise errors.FilterError(
            'aggregate',
            f'unknown {aggregate.func!r}; use one of '
            f'{", ".join([*_FUNCTIONS, "cardinality"])}',
        )
    return _FUNCTIONS[aggregate.func](sample.c.volume)


def _value(row, columns):
    """Return the one value that is not null in a group's columns."""
    cells = [row._mapping[column.name] for column in columns]
    value = next((cell for cell in cells if cell is not None), None)
    # All numbers of metadata are stored as floats.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _order(row, groups):
    """By time, then by group: no value, booleans, numbers, text."""
    kinds = (type(None), bool, int | float, str)
    values = [_value(row, columns) for columns in groups.values()]
    return getattr(row, 'bucket', 0), [
        (
            next(i for i, kind in enumerate(kinds) if isinstance(value, kind)),
            value,
        )
        for value in values
    ]
