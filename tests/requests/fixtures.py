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
"""Fixtures that the files in examples/requests name."""

import datetime

from gabbi import fixture
from telemetry import conf as telemetry_conf
from telemetry import storage


class EmptyDatabase(fixture.GabbiFixture):
    """Creates the schema if need be, and removes all samples.

    The API that is asked must use the same database, by the connection in
    ``connection``.
    """

    connection = None

    def start_fixture(self):
        conf = telemetry_conf.new()
        conf([], default_config_files=[], default_config_dirs=[])
        conf.set_override('connection', self.connection, 'database')
        database = storage.Storage(conf)
        database.upgrade()
        database.expire(datetime.datetime.max)
