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
"""From the filter tree of telemetry.storage.base to SQL.

Each comparison is either true or false of a sample, never unknown: it is
false of a sample without a value in the field, and ``Not`` of it is then
true.

``metadata.KEY`` is compared with values of the same kind: text with text,
numbers with numbers, booleans (= and != only) with booleans. ``!=`` is true
if the key is there with any other value, of whatever kind. Only text,
numbers and booleans can be found this way, at any depth of nested
documents; lists cannot. Numbers are compared as double-precision floats.
"""

import datetime
import math
import operator

import sqlalchemy as sa

from telemetry.storage import base, errors, schema

METADATA_PREFIX = 'metadata.'

_OPERATORS = {
    '=': operator.eq,
    '!=': operator.ne,
    '<': operator.lt,
    '<=': operator.le,
    '>': operator.gt,
    '>=': operator.ge,
    'in': lambda column, values: column.in_(values),
}

_SERIES_COLUMNS = {
    'counter_name': schema.meter.c.name,
    'counter_type': schema.series.c.counter_type,
    'counter_unit': schema.series.c.counter_unit,
    'resource_id': schema.series.c.resource_id,
    'project_id': schema.series.c.project_id,
    'user_id': schema.series.c.user_id,
    'source': schema.series.c.source,
}

SERIES_FIELDS = frozenset(_SERIES_COLUMNS)
COLUMNS = _SERIES_COLUMNS | {
    'message_id': schema.sample.c.message_id,
    'counter_volume': schema.sample.c.volume,
    'timestamp': schema.sample.c.timestamp,
    'recorded_at': schema.sample.c.recorded_at,
}


def top_terms(tree):
    """Return the terms that must all hold, as a flat list."""
    if tree is None:
        return []
    if isinstance(tree, base.And):
        return [term for part in tree.terms for term in top_terms(part)]
    return [tree]


def of_series_only(tree):
    """Tell whether all samples of a series get the same answer."""
    return fields([tree]) <= SERIES_FIELDS


def is_metadata(tree):
    """Tell whether this is a comparison with a key of the metadata."""
    return isinstance(tree, base.Compare) and tree.field.startswith(
        METADATA_PREFIX
    )


def is_equal(tree, field):
    """Tell whether this says that a field equals a value."""
    return (
        isinstance(tree, base.Compare)
        and tree.field == field
        and tree.op == '='
    )


def fields(trees):
    """Return the names of all fields in some filters."""
    found = set()
    for tree in trees:
        if isinstance(tree, base.Compare):
            found.add(tree.field)
        elif isinstance(tree, base.Not):
            found |= fields([tree.term])
        else:
            found |= fields(tree.terms)
    return found


def lower_time_bound(tree):
    """Return the earliest timestamp that a filter asks for.

    It is None if the filter has no such bound among the terms that must all
    hold.
    """
    lower = [
        _moment(term.field, term.value)
        for term in top_terms(tree)
        if isinstance(term, base.Compare)
        and term.field == 'timestamp'
        and term.op in ('=', '>', '>=')
    ]
    return max(lower, default=None)


def condition(tree):
    """Return the SQL condition for a filter tree.

    :raises FilterError: it has an unknown field or operator, or a value
        that does not fit its field
    """
    match tree:
        case base.And(terms):
            return sa.and_(sa.true(), *map(condition, terms))
        case base.Or(terms):
            return sa.or_(sa.false(), *map(condition, terms))
        case base.Not(term):
            return sa.not_(condition(term))
        case base.Compare(field):
            if tree.op not in _OPERATORS:
                raise errors.FilterError(
                    field,
                    f'unknown operator {tree.op!r}; '
                    f'use one of {", ".join(_OPERATORS)}',
                )
            if is_metadata(tree):
                wanted = documents(tree)
                (document_id,) = wanted.selected_columns
                return (
                    wanted.where(document_id == schema.sample.c.document_id)
                    .correlate(schema.sample)
                    .exists()
                )
            return _compare_column(tree)
    raise TypeError(f'not a filter: {tree!r}')


def column(field):
    """Return the column of a field of samples.

    :raises FilterError: there is none
    """
    try:
        return COLUMNS[field]
    except KeyError:
        if field.startswith(METADATA_PREFIX):
            raise errors.FilterError(field, 'cannot be ordered by') from None
        raise errors.FilterError(
            field,
            'unknown field; use one of '
            f'{", ".join(sorted(COLUMNS))} or {METADATA_PREFIX}KEY',
        ) from None


def _compare_column(tree):
    target = column(tree.field)
    if isinstance(target.type, schema.Moment):
        check = _moment
    elif isinstance(target.type, sa.Double):
        check = _number
    else:
        check = _text
    if tree.op == 'in':
        value = [check(tree.field, each) for each in _list(tree)]
    else:
        value = check(tree.field, tree.value)
    found = _OPERATORS[tree.op](target, value)
    if target.nullable:
        found = sa.and_(target.is_not(None), found)
    return found


def documents(tree):
    """Return a select of the documents that fit a metadata comparison."""
    key = _text(tree.field, tree.field.removeprefix(METADATA_PREFIX))
    value = schema.document_value.alias()
    if tree.op == 'in':
        found = sa.or_(
            sa.false(), *(_matches(value, tree, '=', v) for v in _list(tree))
        )
    elif tree.op == '!=':
        found = sa.not_(_matches(value, tree, '=', tree.value))
    else:
        found = _matches(value, tree, tree.op, tree.value)
    return sa.select(value.c.document_id).where(value.c.key == key, found)


def _matches(row, tree, op, value):
    """Return: the row's value is of this value's kind, and compares so."""
    if isinstance(value, bool):
        if op != '=':
            raise errors.FilterError(
                tree.field, f'{op} cannot compare booleans; use = or !='
            )
        target = row.c.boolean
    elif isinstance(value, str):
        target, value = row.c.text, _text(tree.field, value)
    else:
        target, value = row.c.number, _number(tree.field, value)
    return sa.and_(target.is_not(None), _OPERATORS[op](target, value))


def _list(tree):
    if not isinstance(tree.value, list | tuple | set | frozenset):
        raise errors.FilterError(tree.field, 'in needs a list of values')
    return tree.value


def _text(field, value):
    if not isinstance(value, str):
        raise errors.FilterError(field, f'{value!r} is not text')
    why = text_fault(value)
    if why:
        raise errors.FilterError(field, why)
    return value


def _number(field, value):
    why = number_fault(value)
    if why:
        raise errors.FilterError(field, why)
    return float(value)


def _moment(field, value):
    if not isinstance(value, datetime.datetime):
        raise errors.FilterError(field, f'{value!r} is not a date and time')
    return schema.from_microseconds(schema.to_microseconds(value))


def text_fault(value):
    """Return why not every database can hold this text, or None."""
    if '\0' in value:
        return 'a null character cannot be stored'
    try:
        value.encode()
    except UnicodeEncodeError:
        return 'half of a surrogate pair cannot be stored'
    return None


def number_fault(value):
    """Return why this is no finite number of double precision, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f'{value!r} is not a number'
    try:
        finite = math.isfinite(float(value))
    except OverflowError:
        finite = False
    return None if finite else f'{value!r} is not a finite number'
