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
"""Checking and completing the samples that come from outside.

Those of a POST and those of publishers, which ``telemetry-collector``
receives, are checked by the same rules; what only one of them must keep is in
:func:`read` and in :func:`message`.
"""

import datetime
import uuid

from oslo_utils import timeutils
from werkzeug import exceptions

from telemetry.api import errors, values
from telemetry.storage import base

COUNTER_TYPES = ('gauge', 'delta', 'cumulative')
MANDATORY = (
    'counter_name',
    'counter_type',
    'counter_unit',
    'counter_volume',
    'resource_id',
)
MAX_TEXT = 255  # characters, as the columns of the schema

# What the publishers of the original send beside the sample itself.
TRANSPORT_FIELDS = frozenset({'message_signature', 'monotonic_time'})

# Times that every database can store and that leave room for arithmetic.
FIRST_TIME = datetime.datetime(1000, 1, 1)
LAST_TIME = datetime.datetime(9000, 1, 1)


def read(document, meter_name, caller, default_source):
    """Return the Samples of the body of a POST, all valid and complete.

    :param document: the JSON value of the body
    :param meter_name: the meter in the path
    :param caller: who posts, see telemetry.api.identity.Caller
    :param default_source: source of samples that name none
    :raises werkzeug.exceptions.BadRequest: the document is not a list of
        samples of this meter
    """
    if not isinstance(document, list) or not document:
        raise exceptions.BadRequest(
            'The body must be a JSON list of one or more samples.'
        )
    now = timeutils.utcnow()
    return [
        _sample(item, meter_name, caller, default_source, now)
        for item in document
    ]


def message(item, default_source, now):
    """Return the Sample of a message, valid and complete.

    A publisher gives its sample a message_id, names the source in full, and
    may send metadata that are more than text; storage judges these. The
    signature of the message is not checked.

    :param item: the decoded message
    :param default_source: source of a sample that names none
    :param now: when it came, a naive time in UTC
    :raises werkzeug.exceptions.BadRequest: it is not a sample
    """
    given = _given(item, TRANSPORT_FIELDS)
    return _complete(
        given,
        now,
        message_id=_text(given, 'message_id'),
        source=_text(given, 'source', default_source),
        user_id=_text(given, 'user_id'),
        project_id=_text(given, 'project_id'),
        resource_metadata=_dict(given, 'resource_metadata'),
    )


def _sample(item, meter_name, caller, default_source, now):
    given = _given(item)
    if 'message_id' in given:
        raise errors.invalid_input(
            'message_id',
            given['message_id'],
            'The message_id must not be set.',
        )
    if given['counter_name'] != meter_name:
        raise errors.invalid_input(
            'counter_name', given['counter_name'], f'should be {meter_name}'
        )
    project_id = _text(given, 'project_id', caller.project_id)
    if not caller.may_post_for(project_id):
        raise errors.invalid_input(
            'project_id', project_id, 'can not post samples to other projects'
        )
    source = _text(given, 'source', default_source)
    return _complete(
        given,
        now,
        source=f'{project_id}:{source}' if project_id else source,
        user_id=_text(given, 'user_id', caller.user_id),
        project_id=project_id,
        resource_metadata=_metadata(given),
    )


def _given(item, ignored=frozenset()):
    """Return what a sample says: known fields with a value."""
    if not isinstance(item, dict):
        raise errors.invalid_input(
            'samples', item, 'Each sample must be a JSON object.'
        )
    for name in item:
        if name not in base.SAMPLE_FIELDS and name not in ignored:
            raise errors.unknown_attribute(name)
    given = {name: value for name, value in item.items() if value is not None}
    for name in MANDATORY:
        if name not in given:
            raise errors.missing(name)
    return given


def _complete(given, now, message_id=None, **fields):
    if given['counter_type'] not in COUNTER_TYPES:
        raise errors.invalid_input(
            'counter_type',
            given['counter_type'],
            f'The counter type must be: {", ".join(COUNTER_TYPES)}',
        )
    return base.Sample(
        message_id=message_id or str(uuid.uuid1()),
        counter_name=_text(given, 'counter_name'),
        counter_type=given['counter_type'],
        counter_unit=_text(given, 'counter_unit'),
        counter_volume=values.number(
            'counter_volume', given['counter_volume']
        ),
        resource_id=_text(given, 'resource_id'),
        timestamp=_time(given, 'timestamp', now),
        recorded_at=_time(given, 'recorded_at', now),
        **fields,
    )


def _text(given, name, default=None):
    value = given.get(name, default)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong_type(name, value, 'str')
    if len(value) > MAX_TEXT:
        raise errors.invalid_input(
            name, value, f'It is longer than {MAX_TEXT} characters.'
        )
    return values.text(name, value)


def _time(given, name, now):
    if name not in given:
        return now
    moment = values.timestamp(name, given[name])
    if not FIRST_TIME <= moment < LAST_TIME:
        raise errors.invalid_input(
            name,
            given[name],
            f'It must be from {FIRST_TIME:%Y} until before {LAST_TIME:%Y}.',
        )
    return moment


def _metadata(given):
    metadata = _dict(given, 'resource_metadata')
    for key, value in metadata.items():
        name = f'resource_metadata.{values.text("resource_metadata", key)}'
        if not isinstance(value, str):
            raise _wrong_type(name, value, 'str')
        values.text(name, value)
    return metadata


def _dict(given, name):
    value = given.get(name, {})
    if not isinstance(value, dict):
        raise _wrong_type(name, value, 'dict')
    return value


def _wrong_type(name, value, expected):
    return errors.invalid_input(
        name,
        value,
        f"Wrong type. Expected '{expected}', got '{type(value).__name__}'",
    )
