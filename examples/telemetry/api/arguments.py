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
"""The arguments of a request, from its query string or its JSON body.

The reference documents both ways for GET requests, for instance
``?q.field=source&q.value=a&limit=3`` and
``{"q": [{"field": "source", "value": "a"}], "limit": 3}``.
"""

import urllib.parse

from werkzeug import exceptions

from telemetry.api import body, errors, values

MAX_ARGUMENTS = 1000

# Arguments that are lists of objects, with the attributes of the objects.
# The first attribute starts an object.
OBJECTS = {
    'q': ('field', 'op', 'value', 'type'),
    'aggregate': ('func', 'param'),
}


class Arguments:
    """The arguments of one request.

    :param request: the request
    :param known: names of the arguments that mean something to it
    :raises werkzeug.exceptions.BadRequest: an argument is unknown or cannot
        be read
    """

    def __init__(self, request, known):
        self._pairs = _from_query_string(request)
        if request.method in ('GET', 'HEAD') and request.content_length:
            self._pairs += _from_body(request)
        valid = {
            f'{name}.{attribute}' if attribute else name
            for name in known
            for attribute in OBJECTS.get(name, (None,))
        }
        for name, value in self._pairs:
            if name not in valid:
                raise errors.unknown_argument(name)
            values.text(name, value)

    def one(self, name):
        """Return the value of an argument given at most once, or None."""
        found = self.many(name)
        if len(found) > 1:
            raise errors.invalid_input(
                name, ', '.join(found), 'It is given more than once.'
            )
        return found[0] if found else None

    def many(self, name):
        """Return all values of an argument, in order."""
        return [value for key, value in self._pairs if key == name]

    def objects(self, name):
        """Return the objects of ``name.attribute`` arguments, in order.

        When the objects follow each other (``field op value field value``)
        each attribute belongs to the last object begun. When the attributes
        are grouped (``field field op op value value``), as the command-line
        client sends them, the first of each belong together, and so on.
        """
        prefix = f'{name}.'
        pairs = [
            (key.removeprefix(prefix), value)
            for key, value in self._pairs
            if key.startswith(prefix)
        ]
        return _following(pairs, OBJECTS[name][0]) or _grouped(
            pairs, OBJECTS[name], name
        )


def _following(pairs, first):
    keys = [key for key, _ in pairs]
    heads = [at for at, key in enumerate(keys) if key == first]
    if not heads or heads[0] != 0 or heads == list(range(len(heads))):
        return None
    rows = []
    for key, value in pairs:
        if key == first:
            rows.append({})
        if key in rows[-1]:
            return None
        rows[-1][key] = value
    return rows


def _grouped(pairs, attributes, name):
    columns = {
        attribute: [value for key, value in pairs if key == attribute]
        for attribute in attributes
    }
    first = attributes[0]
    rows = [{first: value} for value in columns.pop(first)]
    for attribute, column in columns.items():
        if len(column) > len(rows):
            raise errors.missing(f'{name}.{first}')
        for row, value in zip(rows, column, strict=False):
            row[attribute] = value
    return rows


def _from_query_string(request):
    try:
        return urllib.parse.parse_qsl(
            request.query_string.decode('ascii'),
            keep_blank_values=True,
            errors='strict',
            max_num_fields=MAX_ARGUMENTS,
        )
    except UnicodeError:
        raise exceptions.BadRequest(
            'The query string is not percent-encoded UTF-8.'
        ) from None
    except ValueError:
        raise exceptions.BadRequest(
            f'The query string has more than {MAX_ARGUMENTS} arguments.'
        ) from None


def _from_body(request):
    content = body.read_json(request)
    if not isinstance(content, dict):
        raise exceptions.BadRequest(
            'The body of this request must be a JSON object of arguments.'
        )
    pairs = []
    for name, value in content.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                first = OBJECTS.get(name, (None,))[0]
                for key in sorted(item, key=lambda key: key != first):
                    pairs.append((f'{name}.{key}', _scalar(key, item[key])))
            else:
                pairs.append((name, _scalar(name, item)))
    return pairs


def _scalar(name, value):
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise errors.invalid_input(name, value, 'It must be a text or a number.')
