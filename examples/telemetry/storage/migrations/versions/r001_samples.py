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
"""Meters, series, documents and samples.

The column types come from the schema: one that is in use there must never
change, only be replaced by a new one.
"""

import sqlalchemy as sa
from alembic import op

from telemetry.storage.schema import Digest, Identity, LongText, Moment, Name

revision = '001'
down_revision = None


def upgrade():
    op.create_table(
        'meter',
        sa.Column('id', Identity, nullable=False),
        sa.Column('name', Name, nullable=False),
        sa.PrimaryKeyConstraint('id', name='pk_meter'),
        sa.UniqueConstraint('name', name='uq_meter_name'),
    )
    op.create_table(
        'series',
        sa.Column('id', Identity, nullable=False),
        sa.Column('digest', Digest, nullable=False),
        sa.Column('meter_id', Identity, nullable=False),
        sa.Column('counter_type', Name, nullable=False),
        sa.Column('counter_unit', Name, nullable=False),
        sa.Column('resource_id', Name, nullable=False),
        sa.Column('project_id', Name),
        sa.Column('user_id', Name),
        sa.Column('source', Name),
        sa.PrimaryKeyConstraint('id', name='pk_series'),
        sa.UniqueConstraint('digest', name='uq_series_digest'),
        sa.ForeignKeyConstraint(
            ['meter_id'], ['meter.id'], name='fk_series_meter_id'
        ),
        sa.Index('ix_series_meter_id_resource_id', 'meter_id', 'resource_id'),
        sa.Index('ix_series_resource_id_meter_id', 'resource_id', 'meter_id'),
    )
    op.create_table(
        'document',
        sa.Column('id', Identity, nullable=False),
        sa.Column('digest', Digest, nullable=False),
        sa.Column('body', LongText, nullable=False),
        sa.PrimaryKeyConstraint('id', name='pk_document'),
        sa.UniqueConstraint('digest', name='uq_document_digest'),
    )
    op.create_table(
        'document_value',
        sa.Column('document_id', Identity, nullable=False),
        sa.Column('key', Name, nullable=False),
        sa.Column('position', sa.Integer(), nullable=False),
        sa.Column('text', LongText),
        sa.Column('number', sa.Double()),
        sa.Column('boolean', sa.Boolean()),
        sa.PrimaryKeyConstraint(
            'key', 'document_id', 'position', name='pk_document_value'
        ),
        sa.ForeignKeyConstraint(
            ['document_id'],
            ['document.id'],
            name='fk_document_value_document_id',
        ),
        sa.Index('ix_document_value_document_id', 'document_id'),
    )
    op.create_table(
        'sample',
        sa.Column('id', Identity, nullable=False),
        sa.Column('message_id', Name, nullable=False),
        sa.Column('meter_id', Identity, nullable=False),
        sa.Column('series_id', Identity, nullable=False),
        sa.Column('document_id', Identity, nullable=False),
        sa.Column('volume', sa.Double(), nullable=False),
        sa.Column('timestamp', Moment, nullable=False),
        sa.Column('recorded_at', Moment, nullable=False),
        sa.PrimaryKeyConstraint('id', name='pk_sample'),
        sa.UniqueConstraint('message_id', name='uq_sample_message_id'),
        sa.ForeignKeyConstraint(
            ['series_id'], ['series.id'], name='fk_sample_series_id'
        ),
        sa.ForeignKeyConstraint(
            ['document_id'], ['document.id'], name='fk_sample_document_id'
        ),
        sa.Index('ix_sample_timestamp_id', 'timestamp', 'id'),
        sa.Index(
            'ix_sample_meter_id_timestamp_id', 'meter_id', 'timestamp', 'id'
        ),
        sa.Index(
            'ix_sample_series_id_timestamp_id_volume',
            'series_id',
            'timestamp',
            'id',
            'volume',
        ),
        sa.Index(
            'ix_sample_document_id_series_id', 'document_id', 'series_id'
        ),
    )
