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
"""What the HTTP layer and the storage layer say to each other.

Field names are those of the API's OldSample (``counter_name``,
``resource_id``, ...); a key of the resource metadata is the field
``metadata.KEY``, with dots between the levels of nested documents.
All times are naive datetimes in UTC, with microseconds.
"""

import dataclasses
import datetime
from typing import Any

SAMPLE_FIELDS = (
    'message_id',
    'source',
    'counter_name',
    'counter_type',
    'counter_unit',
    'counter_volume',
    'user_id',
    'project_id',
    'resource_id',
    'timestamp',
    'recorded_at',
    'resource_metadata',
)


@dataclasses.dataclass
class Sample:
    """One measurement of one meter of one resource."""

    message_id: str
    source: str | None
    counter_name: str
    counter_type: str
    counter_unit: str
    counter_volume: float
    user_id: str | None
    project_id: str | None
    resource_id: str
    timestamp: datetime.datetime
    recorded_at: datetime.datetime
    resource_metadata: dict[str, Any]


@dataclasses.dataclass
class Meter:
    """One meter of one resource, as ``GET /v2/meters`` lists it."""

    name: str
    type: str
    unit: str
    resource_id: str | None
    project_id: str | None
    user_id: str | None
    source: str | None


@dataclasses.dataclass
class Resource:
    """One resource with its newest metadata and the meters it has."""

    resource_id: str
    project_id: str | None
    user_id: str | None
    source: str | None
    first_sample_timestamp: datetime.datetime
    last_sample_timestamp: datetime.datetime
    metadata: dict[str, Any]
    meters: list[str]


@dataclasses.dataclass
class Statistics:
    """One row of ``GET /v2/meters/NAME/statistics``.

    ``values`` maps an aggregate's label (``avg``, ``stddev``,
    ``cardinality/resource_id``, ...) to its number. ``groupby`` maps each
    grouping field to this row's value. ``duration`` is in seconds.
    """

    unit: str
    period: int
    period_start: datetime.datetime
    period_end: datetime.datetime
    duration: float
    duration_start: datetime.datetime
    duration_end: datetime.datetime
    values: dict[str, float]
    groupby: dict[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class Aggregate:
    """One wanted aggregate: ``avg``, ``sum``, ``min``, ``max``, ``count``,
    ``stddev`` (of the population), or ``cardinality`` with a field."""

    func: str
    param: str | None = None

    @property
    def label(self) -> str:
        return f'{self.func}/{self.param}' if self.param else self.func


@dataclasses.dataclass(frozen=True)
class Compare:
    """``FIELD OP VALUE``; op is one of =, !=, <, <=, >, >=, in."""

    field: str
    op: str
    value: Any


@dataclasses.dataclass(frozen=True)
class And:
    terms: tuple['Filter', ...]


@dataclasses.dataclass(frozen=True)
class Or:
    terms: tuple['Filter', ...]


@dataclasses.dataclass(frozen=True)
class Not:
    term: 'Filter'


Filter = Compare | And | Or | Not
