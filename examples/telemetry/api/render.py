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
"""What the API's objects and errors look like on the wire."""

import base64
import json
import math
import re
import urllib.parse
from xml.etree import ElementTree

from werkzeug import Response

from telemetry.api import values
from telemetry.storage import base

JSON = 'application/json'
XML = 'application/xml'

# Characters that XML 1.0 cannot hold.
_NOT_XML = re.compile(
    '[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]'
)

# The aggregates that a row of statistics also has as its own attributes.
STANDARD = ('avg', 'sum', 'min', 'max', 'count')


def response(content, status=200):
    """Return a JSON Response of dicts, lists, texts, numbers, None."""
    return Response(
        json.dumps(content, allow_nan=False), status, mimetype=JSON
    )


def error(status, text, mimetype=JSON):
    """Return a Response with an error body, in JSON or XML.

    The fault is the client's when the status is below 500.
    """
    fault = {
        'faultcode': 'Client' if status < 500 else 'Server',
        'faultstring': text,
        'debuginfo': None,
    }
    if mimetype != XML:
        return response({'error_message': fault}, status)
    root = ElementTree.Element('error_message')
    parent = ElementTree.SubElement(root, 'error')
    for name, value in fault.items():
        child = ElementTree.SubElement(parent, name)
        child.text = value and _NOT_XML.sub('\N{REPLACEMENT CHARACTER}', value)
    return Response(
        ElementTree.tostring(root, 'utf-8', xml_declaration=True),
        status,
        mimetype=XML,
    )


def old_sample(sample):
    """Return the OldSample of a sample."""
    return {
        'counter_name': sample.counter_name,
        'counter_type': sample.counter_type,
        'counter_unit': sample.counter_unit,
        'counter_volume': sample.counter_volume,
        'message_id': sample.message_id,
        'project_id': sample.project_id,
        'recorded_at': values.isoformat(sample.recorded_at),
        'resource_id': sample.resource_id,
        'resource_metadata': _flat(sample.resource_metadata),
        'source': sample.source,
        'timestamp': values.isoformat(sample.timestamp),
        'user_id': sample.user_id,
    }


def sample(sample):
    """Return the Sample of a sample, the newer form."""
    return {
        'id': sample.message_id,
        'metadata': _flat(sample.resource_metadata),
        'meter': sample.counter_name,
        'project_id': sample.project_id,
        'recorded_at': values.isoformat(sample.recorded_at),
        'resource_id': sample.resource_id,
        'source': sample.source,
        'timestamp': values.isoformat(sample.timestamp),
        'type': sample.counter_type,
        'unit': sample.counter_unit,
        'user_id': sample.user_id,
        'volume': sample.counter_volume,
    }


def meter(meter):
    """Return the Meter of a meter."""
    unique = f'{meter.resource_id or ""}+{meter.name}'
    return {
        'meter_id': base64.b64encode(unique.encode()).decode(),
        'name': meter.name,
        'project_id': meter.project_id,
        'resource_id': meter.resource_id,
        'source': meter.source,
        'type': meter.type,
        'unit': meter.unit,
        'user_id': meter.user_id,
    }


def resource(resource, root_url, meter_links=True):
    """Return the Resource of a resource, with links under root_url."""
    key = _quote(resource.resource_id)
    links = [{'href': f'{root_url}v2/resources/{key}', 'rel': 'self'}]
    if meter_links:
        links += [
            {
                'href': f'{root_url}v2/meters/{_quote(name)}'
                f'?q.field=resource_id&q.value={key}',
                'rel': name,
            }
            for name in resource.meters
        ]
    return {
        'first_sample_timestamp': values.isoformat(
            resource.first_sample_timestamp
        ),
        'last_sample_timestamp': values.isoformat(
            resource.last_sample_timestamp
        ),
        'links': links,
        'metadata': _flat(resource.metadata),
        'project_id': resource.project_id,
        'resource_id': resource.resource_id,
        'source': resource.source,
        'user_id': resource.user_id,
    }


def statistics(row, query, groups, selected):
    """Return the Statistics of a row.

    :param row: the Statistics of storage
    :param query: the SimpleQuery; the duration stays inside its times
    :param groups: {name in the answer: storage's name of the field}
    :param selected: whether the caller chose the aggregates
    """
    result = {name: _aggregate(name, row.values) for name in STANDARD}
    if selected:
        result = {
            name: value for name, value in result.items() if name in row.values
        }
        result['aggregate'] = {
            label: _finite(value) for label, value in row.values.items()
        }
    start, end = _clamp(row, query)
    return result | {
        'duration': (end - start).total_seconds() if start else None,
        'duration_end': values.isoformat(end) if end else None,
        'duration_start': values.isoformat(start) if start else None,
        'groupby': {name: row.groupby[field] for name, field in groups.items()}
        or None,
        'period': row.period,
        'period_end': values.isoformat(row.period_end),
        'period_start': values.isoformat(row.period_start),
        'unit': row.unit,
    }


def _aggregate(name, numbers):
    value = numbers.get(name)
    if name == 'count' and value is not None:
        return int(value)
    return _finite(value)


def _finite(value):
    """JSON has no infinity: a sum that overflows becomes null."""
    if value is None or not math.isfinite(value):
        return None
    return float(value)


def _clamp(row: base.Statistics, query):
    """A search offset finds samples outside the times the query names.

    They count, but the duration does not reach beyond these times. If
    nothing is left of it there is no duration.
    """
    start, end = row.duration_start, row.duration_end
    if query.start and start < query.start:
        start = query.start
    if query.end and end > query.end:
        end = query.end
    return (start, end) if start <= end else (None, None)


def _quote(value):
    return urllib.parse.quote(value, safe='')


def _flat(metadata, prefix=''):
    """Return metadata as texts, nested objects as dotted keys."""
    result = {}
    for key, value in metadata.items():
        if isinstance(value, dict):
            result |= _flat(value, f'{prefix}{key}.')
        else:
            result[f'{prefix}{key}'] = str(value)
    return result
