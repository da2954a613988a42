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
"""Removing old samples, and what only they referred to."""

import dataclasses
import time

import sqlalchemy as sa

from telemetry.storage.database import take_any_time
from telemetry.storage.schema import (
    document,
    document_value,
    meter,
    sample,
    series,
)


@dataclasses.dataclass
class Expired:
    """How many rows were removed."""

    samples: int
    series: int
    documents: int
    meters: int


def expire(database, older_than, batch):
    """Remove samples from before a time; see Storage.expire."""
    return Expired(
        samples=_in_batches(
            database,
            sample,
            sa.select(sample.c.id)
            .where(sample.c.timestamp < older_than)
            .order_by(sample.c.timestamp, sample.c.id),
            batch,
        ),
        series=_unused(database, series, sample.c.series_id, batch),
        documents=_unused(database, document, sample.c.document_id, batch),
        meters=_unused(database, meter, series.c.meter_id, batch),
    )


def _unused(database, table, reference, batch):
    query = sa.select(table.c.id).where(
        ~sa.exists().where(reference == table.c.id).correlate(table)
    )
    return _in_batches(database, table, query, batch)


def _in_batches(database, table, query, batch):
    def remove(connection):
        take_any_time(connection)
        # As a derived table, because MariaDB takes no LIMIT inside IN.
        doomed = sa.select(query.limit(batch).subquery('doomed').c.id)
        if table is document:
            # Read once, so that both tables lose the same documents.
            ids = connection.scalars(doomed).all()
            connection.execute(
                sa.delete(document_value).where(
                    document_value.c.document_id.in_(ids)
                )
            )
            doomed = ids
        deleted = sa.delete(table).where(table.c.id.in_(doomed))
        return connection.execute(deleted).rowcount

    total = 0
    while True:
        started = time.monotonic()
        removed = database.write(remove)
        total += removed
        if removed < batch:
            return total
        # Leave writers as much time as this batch took from them.
        time.sleep(time.monotonic() - started)
