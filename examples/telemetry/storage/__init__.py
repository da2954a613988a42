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
"""Storage of samples in SQLite, PostgreSQL or MariaDB."""

import sqlalchemy as sa

from telemetry.storage import (
    base,
    database,
    expiry,
    lists,
    schema,
    statistics,
    writes,
)

NEWEST_FIRST = (('timestamp', 'desc'),)
STANDARD_AGGREGATES = tuple(
    base.Aggregate(func) for func in ('avg', 'sum', 'min', 'max', 'count')
)


class Storage:
    """All that the service keeps.

    Cheap to make: it opens nothing before the first call, and a forked
    child opens its own connections. It may be used by several threads.

    Each method raises StorageUnavailable if the database cannot be used,
    and, :meth:`upgrade` and :meth:`version` aside, SchemaMissing if its
    tables are not those of this version (see telemetry.storage.errors). All
    of those with a filter raise FilterError for one that has an unknown
    field, operator or value; see telemetry.storage.filters for what filters
    mean. Lists have no end if ``limit`` is None.
    """

    def __init__(self, conf):
        self._database = database.Database(conf)

    def add_samples(self, samples):
        """Store all the samples or, if one of them cannot be stored, none.

        :raises SampleError: one of them cannot be stored as it is: text is
            longer than 255 characters or cannot be encoded, a number is not
            finite, or the message_id is stored already
        """
        writes.add_samples(self._database, samples)

    def faults(self, samples):
        """Return why :meth:`add_samples` would refuse some of the samples.

        It is a list of SampleErrors, one for each such sample, in order.
        """
        return writes.faults(self._database, samples)

    def samples(
        self,
        filter=None,  # noqa: A002
        orderby=NEWEST_FIRST,
        limit=None,
    ):
        """Return the samples that a filter wants, a list of base.Sample.

        ``orderby`` holds pairs of a field of samples, and 'asc' or 'desc';
        a missing value is the lowest. Samples that are equal in all of it
        come in the order in which they were stored, or in reverse if the
        last pair says 'desc'. Samples with equal metadata share one dict:
        copy it before changing it.
        """
        with self._database.read() as connection:
            return lists.samples(connection, filter, orderby, limit)

    def sample(self, message_id):
        """Return the sample with this message_id, or None."""
        wanted = base.Compare('message_id', '=', message_id)
        return next(iter(self.samples(wanted)), None)

    def meters(self, filter=None, limit=None, unique=False):  # noqa: A002
        """Return the meters that wanted samples have, by name.

        A base.Meter stands for each distinct meter, type, unit, resource,
        project, user and source; or, if ``unique``, for each distinct name,
        type and unit, with None in the other fields.
        """
        with self._database.read() as connection:
            return lists.meters(connection, filter, limit, unique)

    def resources(self, filter=None, limit=None, within=None):  # noqa: A002
        """Return the resources that wanted samples have, by id.

        There is one base.Resource for each resource id. Its timestamps are
        those of its first and newest wanted sample; project, user, source
        and metadata are those of the newest; ``meters`` names all meters of
        the resource, or those ``within`` a filter of fields that meters
        have.
        """
        with self._database.read() as connection:
            return lists.resources(connection, filter, limit, within)

    def statistics(
        self,
        filter=None,  # noqa: A002
        period=None,
        groupby=(),
        aggregates=(),
        limit=None,
    ):
        """Return statistics of wanted samples, a list of base.Statistics.

        :param period: seconds. Each row has the samples of one period;
            those without samples are left out. The first one starts at the
            lower bound that the filter sets on the timestamp, otherwise
            at the first sample. Without a period there is one row, whose
            period_start and period_end are the timestamps of the first and
            last sample.
        :param groupby: fields; each row has the samples of one period with
            the same value in each. Of user_id, resource_id, project_id,
            source and metadata.KEY.
        :param aggregates: base.Aggregate; avg, sum, min, max and count if
            there are none
        :param limit: how many rows there may be
        :return: rows in the order of time, then of the group's values;
            none at all if there are no samples
        :raises errors.TooManyRows: there are more than ``limit``
        """
        with self._database.read() as connection:
            return statistics.statistics(
                connection,
                filter,
                period,
                groupby,
                aggregates or STANDARD_AGGREGATES,
                limit,
            )

    def expire(self, older_than, batch=1000):
        """Remove the samples from before a time, and what they alone used.

        Each transaction removes up to ``batch`` rows, so that writers get
        their turn. Returns an expiry.Expired.
        """
        return expiry.expire(self._database, older_than, batch)

    def check(self):
        """Read one row of the largest table, and raise if that fails."""
        with self._database.read() as connection:
            connection.execute(sa.select(schema.sample.c.id).limit(1)).all()

    def upgrade(self, expand_only=False):
        """Create the tables, or bring them to this version; return it.

        Safe to repeat, and when two processes do it at once.

        :param expand_only: leave out what older code cannot work with
        """
        return self._database.upgrade(expand_only)

    def version(self):
        """Return the version of the tables; None if there are none."""
        return self._database.version()

    def connection_limit(self):
        """Return how many connections the database allows; None is no limit.

        It is the smallest of the limits of server, user and database.
        """
        return self._database.connection_limit()

    def close(self):
        """Close the connections that no thread uses; a call opens new ones."""
        self._database.close()
