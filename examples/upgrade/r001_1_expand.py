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

"""Expand: both versions of the code find their column, and all new rows have
both. The next version fills the rows that are there already.
"""

import sqlalchemy as sa
from alembic import op
from telemetry.storage.schema import Moment

revision = '001.1'
down_revision = '001'


def upgrade():
    # An empty column is added at once, however large the table is.
    op.add_column('sample', sa.Column('stored_at', Moment))
    # For rows to come: those that are there are checked by the next version.
    op.execute(
        'ALTER TABLE sample ADD CONSTRAINT sample_stored_at_is_there '
        'CHECK (stored_at IS NOT NULL) NOT VALID'
    )
    op.execute(
        """
        CREATE FUNCTION sample_has_both() RETURNS trigger
        LANGUAGE plpgsql AS $$
        BEGIN
            NEW.stored_at := coalesce(NEW.stored_at, NEW.recorded_at);
            NEW.recorded_at := coalesce(NEW.recorded_at, NEW.stored_at);
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER sample_has_both BEFORE INSERT ON sample
        FOR EACH ROW EXECUTE FUNCTION sample_has_both()
        """
    )
