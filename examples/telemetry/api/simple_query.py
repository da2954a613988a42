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
"""The simple query: ``q.field``, ``q.op``, ``q.value``, ``q.type``.

Several of them must all hold. As in the original API, timestamps can be
compared for order and everything else for equality only.
"""

import ast
import dataclasses
import datetime
import math

from oslo_utils import strutils
from werkzeug import exceptions

from telemetry.api import errors, values
from telemetry.storage import base

OPERATORS = {
    'lt': '<',
    'le': '<=',
    'eq': '=',
    'ne': '!=',
    'ge': '>=',
    'gt': '>',
}
ORDERING = ('lt', 'le', 'gt', 'ge')
TYPES = ('integer', 'float', 'string', 'boolean', 'datetime')
METADATA_PREFIXES = ('metadata.', 'resource_metadata.')
TIME_FIELDS = ('timestamp', 'search_offset')
#: Conditions of a request: SQLite takes fewer than 500 in one statement.
MAX_CONDITIONS = 100

# Names in a query and the fields of a sample that they mean.
METER_FIELDS = {
    'project': 'project_id',
    'project_id': 'project_id',
    'resource': 'resource_id',
    'resource_id': 'resource_id',
    'source': 'source',
    'user': 'user_id',
    'user_id': 'user_id',
}
RESOURCE_FIELDS = METER_FIELDS
SAMPLE_FIELDS = METER_FIELDS | {
    'message_id': 'message_id',
    'meter': 'counter_name',
}


@dataclasses.dataclass(frozen=True)
class Condition:
    """One ``q`` of a request."""

    field: str
    op: str
    value: str
    type: str

    def __repr__(self):
        kind = self.type or 'Unset'
        return f'<Query {self.field!r} {self.op} {self.value!r} {kind}>'


@dataclasses.dataclass(frozen=True)
class SimpleQuery:
    """A simple query, read.

    ``filter`` is what storage looks for, or None for everything. ``start``
    and ``end`` are the tightest bounds the query names, without the search
    offset, or None.
    """

    filter: base.Filter | None
    start: datetime.datetime | None
    end: datetime.datetime | None


def parse(conditions, fields, times=True):
    """Return the SimpleQuery of a request's conditions.

    :param conditions: dicts with field, op, value, type; texts
    :param fields: names in the query and the sample's fields they mean
    :param times: whether timestamp and search_offset mean something here
    :raises werkzeug.exceptions.BadRequest: something in it is not valid
    """
    if len(conditions) > MAX_CONDITIONS:
        raise exceptions.BadRequest(
            f'There are {len(conditions)} conditions q; at most '
            f'{MAX_CONDITIONS} are possible.'
        )
    conditions = [_condition(given) for given in conditions]
    valid = sorted([*fields, 'metadata.KEY', *(TIME_FIELDS if times else ())])
    terms = []
    bounds = []
    offset = None
    for condition in conditions:
        name = condition.field
        if name in TIME_FIELDS and not times:
            raise errors.unknown_argument(name, 'not valid for this resource')
        if condition.op not in (
            ORDERING if name == 'timestamp' else ('eq',)
        ) and (name in fields or name in TIME_FIELDS or _is_metadata(name)):
            raise errors.invalid_input(
                'op', condition.op, f'unimplemented operator for {name}'
            )
        if name == 'timestamp':
            bounds.append(
                (condition.op, values.timestamp(name, condition.value))
            )
        elif name == 'search_offset':
            offset = _offset(condition.value)
        elif name in fields:
            convert(condition.value, condition.type)
            terms.append(base.Compare(fields[name], '=', condition.value))
        elif _is_metadata(name):
            terms.append(_metadata_term(condition))
        else:
            raise errors.unknown_argument(
                name,
                f'unrecognized field in query: {conditions}, '
                f'valid keys: {valid}',
            )
    if offset and not bounds:
        raise errors.invalid_input(
            'field',
            'search_offset',
            'search_offset cannot be used without timestamp',
        )
    lower = [moment for op, moment in bounds if op in ('gt', 'ge')]
    upper = [moment for op, moment in bounds if op in ('lt', 'le')]
    terms += [_bound(op, moment, offset) for op, moment in bounds]
    return SimpleQuery(
        filter=all_of(terms),
        start=max(lower, default=None),
        end=min(upper, default=None),
    )


def all_of(terms):
    """Return the filter that holds when all terms do; None if none."""
    terms = tuple(terms)
    if len(terms) > 1:
        return base.And(terms)
    return terms[0] if terms else None


def convert(value, type_name):
    """Return the text of a query's value as the type that it names.

    :raises werkzeug.exceptions.BadRequest: there is no such type, or the
        text cannot be read as one
    """
    if type_name not in ('', *TYPES):
        raise exceptions.BadRequest(
            f'The data type {type_name} is not supported. The supported '
            f'data type list is: {list(TYPES)}'
        )
    try:
        match type_name:
            case 'integer':
                return _in_range(values.integer('value', value))
            case 'float':
                return values.number('value', value)
            case 'boolean':
                return strutils.bool_from_string(value, strict=True)
            case 'datetime':
                return values.timestamp('value', value)
            case _:
                return value
    except (ValueError, exceptions.BadRequest) as error:
        raise exceptions.BadRequest(
            f'Unable to convert the value {value} to the expected data type '
            f'{type_name}.'
        ) from error


def _condition(given):
    for name in ('field', 'value'):
        if name not in given:
            raise errors.missing(f'q.{name}')
    op = given.get('op') or 'eq'
    if op not in OPERATORS:
        raise errors.invalid_input(
            'op', op, f'Value should be one of: {", ".join(OPERATORS)}'
        )
    return Condition(given['field'], op, given['value'], given.get('type', ''))


def _is_metadata(name):
    return any(
        name.startswith(prefix) and name != prefix
        for prefix in METADATA_PREFIXES
    )


def metadata_field(name):
    """Return storage's name of a metadata field, or None for another."""
    return f'metadata.{name.partition(".")[2]}' if _is_metadata(name) else None


def _metadata_term(condition):
    """Compare a metadata value.

    Metadata posted to the API are texts. A value without a type may mean
    the text or the number or boolean that it looks like: both are found.
    """
    alternatives = [convert(condition.value, condition.type)]
    if condition.type == 'datetime':
        alternatives = [
            condition.value,
            values.isoformat(alternatives[0]),
        ]
    elif not condition.type:
        alternatives += _guesses(condition.value)
    field = metadata_field(condition.field)
    terms = tuple(
        base.Compare(field, '=', value)
        for at, value in enumerate(alternatives)
        if value not in alternatives[:at]
    )
    return terms[0] if len(terms) == 1 else base.Or(terms)


def _guesses(value):
    try:
        guess = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    if isinstance(guess, bool):
        return [guess]
    if isinstance(guess, int):
        return [guess] if guess in values.INT64 else []
    if isinstance(guess, float):
        return [guess] if math.isfinite(guess) else []
    return []


def _in_range(value):
    if value not in values.INT64:
        raise ValueError('more than 64 bits')
    return value


def _offset(value):
    minutes = values.integer('search_offset', value)
    try:
        return datetime.timedelta(minutes=minutes)
    except OverflowError:
        raise errors.invalid_input(
            'search_offset', value, 'It is too large.'
        ) from None


def _bound(op, moment, offset):
    """Widen the range of a timestamp by the search offset on its side."""
    if offset:
        try:
            if op in ('gt', 'ge'):
                moment -= offset
            else:
                moment += offset
        except OverflowError:
            raise errors.invalid_input(
                'search_offset', offset, 'It is too large.'
            ) from None
    return base.Compare('timestamp', OPERATORS[op], moment)
