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
"""The tables, made for tens of millions of samples.

A sample is a narrow row. What many samples have in common is stored once:

* ``meter``: a name of a meter;
* ``series``: the meter, type and unit, resource, project, user and source
  of samples, so the lists of meters and resources never read samples;
* ``document``: the metadata of a resource, one row for each content, with
  its plain values in ``document_value`` for filters.

``digest`` is the SHA-256 of a row's whole content. It makes the row unique
even where columns are null or too long for an index of their own.

Times are whole microseconds since 1970 in UTC, because grouping them by
period is then the same whole-number arithmetic on every database.
"""

import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

NAME_LENGTH = 255
EPOCH = datetime.datetime(1970, 1, 1)
MICROSECOND = datetime.timedelta(microseconds=1)

# Names differ by case, accent and trailing space, and sort by code point, on
# every database.
MARIADB_COLLATION = 'utf8mb4_nopad_bin'
Name = (
    sa.String(NAME_LENGTH)
    .with_variant(sa.String(NAME_LENGTH, collation='C'), 'postgresql')
    .with_variant(
        mysql.VARCHAR(NAME_LENGTH, collation=MARIADB_COLLATION),
        'mysql',
        'mariadb',
    )
)
Digest = sa.String(64).with_variant(
    mysql.CHAR(64, collation='ascii_bin'), 'mysql', 'mariadb'
)
LongText = (
    sa.Text()
    .with_variant(sa.Text(collation='C'), 'postgresql')
    .with_variant(
        mysql.MEDIUMTEXT(collation=MARIADB_COLLATION), 'mysql', 'mariadb'
    )
)
# SQLite numbers rows by itself only in a column of type INTEGER.
Identity = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def to_microseconds(moment):
    """Return a datetime as microseconds since 1970; naive means UTC."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    return (moment - EPOCH) // MICROSECOND


def from_microseconds(value):
    """Return the naive datetime in UTC for microseconds since 1970."""
    return EPOCH + value * MICROSECOND


class Moment(sa.types.TypeDecorator):
    """A naive datetime in UTC, stored as microseconds since 1970."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value, dialect):
        return None if value is None else from_microseconds(value)


metadata = sa.MetaData(
    naming_convention={
        'pk': 'pk_%(table_name)s',
        'uq': 'uq_%(table_name)s_%(column_0_N_name)s',
        'ix': 'ix_%(table_name)s_%(column_0_N_name)s',
        'fk': 'fk_%(table_name)s_%(column_0_N_name)s',
    }
)

meter = sa.Table(
    'meter',
    metadata,
    sa.Column('id', Identity, primary_key=True),
    sa.Column('name', Name, nullable=False, unique=True),
)

series = sa.Table(
    'series',
    metadata,
    sa.Column('id', Identity, primary_key=True),
    sa.Column('digest', Digest, nullable=False, unique=True),
    sa.Column('meter_id', Identity, sa.ForeignKey(meter.c.id), nullable=False),
    sa.Column('counter_type', Name, nullable=False),
    sa.Column('counter_unit', Name, nullable=False),
    sa.Column('resource_id', Name, nullable=False),
    sa.Column('project_id', Name),
    sa.Column('user_id', Name),
    sa.Column('source', Name),
    sa.Index(None, 'meter_id', 'resource_id'),
    sa.Index(None, 'resource_id', 'meter_id'),
)

document = sa.Table(
    'document',
    metadata,
    sa.Column('id', Identity, primary_key=True),
    sa.Column('digest', Digest, nullable=False, unique=True),
    sa.Column('body', LongText, nullable=False),
)

# One row for each text, number or boolean in a document. ``position`` is 0
# but for documents that reach the same key on two ways, as in
# {'a.b': 1, 'a': {'b': 2}}.
document_value = sa.Table(
    'document_value',
    metadata,
    sa.Column(
        'document_id', Identity, sa.ForeignKey(document.c.id), nullable=False
    ),
    sa.Column('key', Name, nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('text', LongText),
    sa.Column('number', sa.Double()),
    sa.Column('boolean', sa.Boolean()),
    sa.PrimaryKeyConstraint('key', 'document_id', 'position'),
    sa.Index(None, 'document_id'),
)

sample = sa.Table(
    'sample',
    metadata,
    sa.Column('id', Identity, primary_key=True),
    sa.Column('message_id', Name, nullable=False, unique=True),
    # The same as the meter of the series, again, for the index below.
    sa.Column('meter_id', Identity, nullable=False),
    sa.Column(
        'series_id', Identity, sa.ForeignKey(series.c.id), nullable=False
    ),
    sa.Column(
        'document_id', Identity, sa.ForeignKey(document.c.id), nullable=False
    ),
    sa.Column('volume', sa.Double(), nullable=False),
    sa.Column('timestamp', Moment, nullable=False),
    sa.Column('recorded_at', Moment, nullable=False),
    # All samples, newest first; expiry.
    sa.Index(None, 'timestamp', 'id'),
    # Samples and statistics of one meter.
    sa.Index(None, 'meter_id', 'timestamp', 'id'),
    # Those of one resource; statistics need no other column.
    sa.Index(None, 'series_id', 'timestamp', 'id', 'volume'),
    # Resources by metadata; which documents are still in use.
    sa.Index(None, 'document_id', 'series_id'),
)
