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
"""The complex query of ``POST /v2/query/samples``.

``filter`` and ``orderby`` are texts that hold JSON::

    {"filter": "{\"and\": [{\"=\": {\"meter\": \"cpu\"}},
                           {\">\": {\"volume\": 0.5}}]}",
     "orderby": "[{\"volume\": \"ASC\"}, {\"timestamp\": \"DESC\"}]",
     "limit": 4}
"""

from werkzeug import exceptions

from telemetry.api import body, errors, simple_query, values
from telemetry.storage import base

COMPARISONS = ('=', '!=', '<', '<=', '>', '>=')
DIRECTIONS = ('asc', 'desc')
DEFAULT_ORDER = (('timestamp', 'desc'),)

# So that a filter stays within what databases accept as one expression.
MAX_DEPTH = 20
MAX_TERMS = 500

FIELDS = {name: name for name in base.SAMPLE_FIELDS[:-1]} | {
    'id': 'message_id',
    'meter': 'counter_name',
    'type': 'counter_type',
    'unit': 'counter_unit',
    'volume': 'counter_volume',
    'project': 'project_id',
    'resource': 'resource_id',
    'user': 'user_id',
}


def parse(document):
    """Return (filter or None, orderby, limit or None) of a query document.

    :raises werkzeug.exceptions.BadRequest: something in it is not valid
    """
    if not isinstance(document, dict):
        raise exceptions.BadRequest(
            'The body must be a JSON object with filter, orderby and limit.'
        )
    for name in document:
        if name not in ('filter', 'orderby', 'limit'):
            raise errors.unknown_attribute(name)
    return (
        _filter(_json(document, 'filter')),
        _orderby(_json(document, 'orderby')),
        document.get('limit'),
    )


def _json(document, name):
    content = document.get(name)
    if content is None:
        return None
    if not isinstance(content, str):
        raise errors.invalid_input(
            name, content, 'It must be a text that holds JSON.'
        )
    return body.parse_json(content, name)


def _filter(tree):
    if tree is None:
        return None
    return _Reader().read(tree, 1)


class _Reader:
    def __init__(self):
        self.terms = 0

    def read(self, node, depth):
        self.count(1)
        if depth > MAX_DEPTH:
            raise _bad_filter(f'it is nested deeper than {MAX_DEPTH} levels')
        name, content = _only_item(node, 'an operator')
        operator = name.lower()
        if operator == 'not':
            return base.Not(self.read(content, depth + 1))
        if operator in ('and', 'or'):
            if not isinstance(content, list) or len(content) < 2:
                raise _bad_filter(f'{name} needs a list of two or more terms')
            terms = tuple(self.read(term, depth + 1) for term in content)
            return base.And(terms) if operator == 'and' else base.Or(terms)
        if operator == 'in' or operator in COMPARISONS:
            return self.compare(operator, content)
        raise _bad_filter(f'unknown operator {name!r}')

    def count(self, terms):
        self.terms += terms
        if self.terms > MAX_TERMS:
            raise _bad_filter(f'it has more than {MAX_TERMS} terms')

    def compare(self, operator, content):
        name, value = _only_item(content, 'a field')
        field = FIELDS.get(name) or simple_query.metadata_field(name)
        if field is None:
            raise _bad_filter(f'unknown field {name!r}')
        values.text('filter', name)
        if operator != 'in':
            return base.Compare(field, operator, _value(field, value))
        if not isinstance(value, list) or not value:
            raise _bad_filter('in needs a list of one or more values')
        self.count(len(value))
        return base.Compare(
            field, 'in', tuple(_value(field, item) for item in value)
        )


def _only_item(node, what):
    if not isinstance(node, dict) or len(node) != 1:
        raise _bad_filter(f'expected an object with {what}, got {node!r}')
    return next(iter(node.items()))


def _value(field, value):
    if field == 'counter_volume':
        return values.number(field, value)
    if field in ('timestamp', 'recorded_at'):
        return values.timestamp(field, value)
    if isinstance(value, str):
        return values.text(field, value)
    if field.startswith('metadata.') and isinstance(value, int | float):
        if not isinstance(value, int) or value in values.INT64:
            return value
        raise _bad_filter(f'the number for {field} is too large')
    raise _bad_filter(f'{field} cannot be compared with {value!r}')


def _bad_filter(why):
    return exceptions.BadRequest(f'Filter expression not valid: {why}')


def _orderby(items):
    if items is None:
        return DEFAULT_ORDER
    if not isinstance(items, list) or not items:
        raise _bad_order('expected a list of one or more {"FIELD": "asc"}')
    return tuple(_order(item) for item in items[: len(FIELDS) + 1])


def _order(item):
    if not isinstance(item, dict) or len(item) != 1:
        raise _bad_order(f'expected {{"FIELD": "asc"}}, got {item!r}')
    name, direction = next(iter(item.items()))
    if name not in FIELDS:
        raise _bad_order(f'unknown field {name!r}')
    if not isinstance(direction, str) or direction.lower() not in DIRECTIONS:
        raise _bad_order(
            f'{direction!r} is not one of: {", ".join(DIRECTIONS)}'
        )
    return FIELDS[name], direction.lower()


def _bad_order(why):
    return exceptions.BadRequest(f'Order-by expression not valid: {why}')
