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
"""Samples for tests."""

import datetime
import itertools

from telemetry.storage import base

START = datetime.datetime(2024, 2, 29, 12, 0, 0, 500)
_numbers = itertools.count()


def sample(**fields):
    """Return a sample with a fresh id, one second after START by default."""
    defaults = {
        'message_id': f'message {next(_numbers)}',
        'source': 'openstack',
        'counter_name': 'cpu',
        'counter_type': 'gauge',
        'counter_unit': '%',
        'counter_volume': 1.0,
        'user_id': 'ann',
        'project_id': 'lab',
        'resource_id': 'vm 1',
        'timestamp': at(1),
        'recorded_at': at(2),
        'resource_metadata': {},
    }
    return base.Sample(**defaults | fields)


def at(seconds):
    """Return the time so many seconds after START."""
    return START + datetime.timedelta(seconds=seconds)


def where(field, op, value):
    return base.Compare(field, op, value)


def all_of(*terms):
    return base.And(terms)
