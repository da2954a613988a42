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

"""Contract: take away what only the old code needs."""

from alembic import op

revision = '002'
down_revision = '001.2'


def upgrade():
    op.execute('DROP TRIGGER sample_has_both ON sample')
    op.execute('DROP FUNCTION sample_has_both')
    op.drop_column('sample', 'recorded_at')
    # With the constraint PostgreSQL need not read the table for this.
    op.alter_column('sample', 'stored_at', nullable=False)
    op.drop_constraint('sample_stored_at_is_there', 'sample')
