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
"""Conversion of single values from requests, each with a clear refusal."""

import datetime
import math
import re

from oslo_utils import timeutils

from telemetry.api import errors

INT64 = range(-(2**63), 2**63)

_INTEGER = re.compile(r'\s*[+-]?[0-9]+\s*')
_NUMBER = re.compile(
    r'\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*'
)


def text(name, value):
    """Return a text that every database can hold, or refuse it.

    :raises werkzeug.exceptions.BadRequest: it has a NUL character or half
        a surrogate pair, which JSON can write but UTF-8 cannot
    """
    if '\0' in value:
        raise errors.invalid_input(
            name, value.replace('\0', '\\0'), 'It has a NUL character.'
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise errors.invalid_input(
            name,
            value.encode(errors='backslashreplace').decode(),
            'It is not valid Unicode.',
        ) from None
    return value


def integer(name, value):
    """Return the integer that a text or a JSON number stands for."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        try:
            return int(value)
        except ValueError:  # Python refuses thousands of digits
            pass
    raise errors.invalid_input(name, value, 'unable to convert to int.')


def number(name, value):
    """Return the finite float that a JSON number stands for.

    A text that holds a number will do: the command-line client sends one.
    """
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise errors.invalid_input(
            name,
            value,
            f"Wrong type. Expected 'float', got '{type(value).__name__}'",
        )
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise errors.invalid_input(name, value, 'The number is too large.')
    return result


def timestamp(name, value):
    """Return the naive UTC datetime that an ISO 8601 text stands for."""
    try:
        parsed = timeutils.parse_isotime(value)
        return timeutils.normalize_time(parsed)
    except (ValueError, OverflowError, TypeError, AttributeError):
        raise errors.invalid_input(
            name, value, 'invalid timestamp format'
        ) from None


def isoformat(moment: datetime.datetime) -> str:
    """Write a time as the API does: UTC without a zone."""
    return moment.isoformat()
