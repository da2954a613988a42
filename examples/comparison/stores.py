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

"""The databases of the comparison, and the samples in them."""

import contextlib
import dataclasses
import datetime
import pathlib

import databases
import psutil
import sqlalchemy as sa
from telemetry import conf as telemetry_conf
from telemetry import storage
from telemetry.storage import base, schema

from comparison import ComparisonError

SQLITE = 'sqlite'
#: psycopg waits in C, unless it finds a process patched by gevent: it does not
#: look for eventlet. Like this it waits in Python and lets green threads run.
COOPERATIVE = 'postgresql, waiting in Python'
#: A driver in C that knows nothing of green threads.
MYSQLCLIENT = 'mariadb, mysqlclient'
#: Name of a store to its server, the driver if it is not the server's usual
#: one, and environment variables of the application.
SERVERS = {
    SQLITE: (None, None, {}),
    'postgresql': ('postgresql', None, {}),
    COOPERATIVE: ('postgresql', None, {'PSYCOPG_WAIT_FUNC': 'wait_select'}),
    'mariadb': ('mariadb', None, {}),
    MYSQLCLIENT: ('mariadb', 'mysql+mysqldb', {}),
}
RESOURCES = 20
_BATCH = 5000
_FIRST = datetime.datetime(2026, 1, 1)


@dataclasses.dataclass
class Store:
    """A database with samples in it.

    :ivar name: one of :data:`SERVERS`
    :ivar url: its URL, as ``[database] connection`` takes it
    :ivar server: the running :class:`databases.Server`, None for SQLite
    """

    name: str
    url: str
    server: databases.Server | None

    @property
    def environ(self):
        """The environment variables that lead the telemetry API here."""
        *_, environ = SERVERS[self.name]
        return {
            'OS_DATABASE__CONNECTION': self.url,
            # No configuration of this machine.
            'OS_TELEMETRY_CONFIG_DIR': '/nonexistent',
            **environ,
        }

    def conf(self):
        """The configuration of a telemetry API on it."""
        conf = telemetry_conf.new()
        conf([], default_config_files=[], default_config_dirs=[])
        conf.set_override('connection', self.url, 'database')
        return conf

    def processes(self):
        """All processes of the server, as :class:`psutil.Process`."""
        if self.server is None:
            return []
        main = psutil.Process(self.server.process.pid)
        return [main, *main.children(recursive=True)]

    def count(self, meter):
        """How many samples of a meter there are."""
        with _connect(self.url) as connection:
            return connection.scalar(
                sa.select(sa.func.count())
                .select_from(
                    schema.sample.join(schema.series).join(
                        schema.meter,
                        schema.series.c.meter_id == schema.meter.c.id,
                    )
                )
                .where(schema.meter.c.name == meter)
            )

    def fill(self, number):
        """Have at least so many samples of the meter ``cpu_util``.

        The first come through the storage of the telemetry API. Then the
        table doubles, each time with older samples.
        """
        with contextlib.closing(storage.Storage(self.conf())) as stored:
            stored.upgrade()
            there = self.count('cpu_util')
            for start in range(there, min(number, 10000), _BATCH):
                stored.add_samples(
                    [_sample(start + index) for index in range(_BATCH)]
                )
        if there >= number:
            return
        with _connect(self.url) as connection:
            while (there := self.count('cpu_util')) < number:
                _double(connection, there, number - there)
            _gather_statistics(connection)


class Stores:
    """The databases of a run, each started when it is first asked for.

    Use it as a context manager: leaving stops the servers.

    :param root: a folder for their data
    """

    def __init__(self, root):
        self._root = pathlib.Path(root)
        self._servers = {}
        self._stack = contextlib.ExitStack()

    def get(self, name, samples):
        """Give the store of a name, with so many samples in it.

        :raises ComparisonError: the server is not installed or does not
            start
        """
        if name not in SERVERS:
            raise ComparisonError(
                f'There is no store {name!r}; there are: {", ".join(SERVERS)}'
            )
        server_name, driver, _ = SERVERS[name]
        server = self._server(server_name, samples)
        if server is None:
            file = self._root / f'telemetry-{samples}.sqlite'
            store = Store(name, f'sqlite:///{file}', None)
        else:
            url = server.url
            if driver:
                url = url.replace(server.driver, driver, 1)
            store = Store(name, url, server)
        store.fill(samples)
        return store

    def _server(self, name, samples):
        """A server for each number of samples, which only ever grows."""
        if name is None:
            return None
        if (name, samples) not in self._servers:
            make = databases.find()[name]
            try:
                self._servers[name, samples] = self._stack.enter_context(
                    make(self._root / f'{name}-{samples}')
                )
            except databases.ServerError as error:
                raise ComparisonError(str(error)) from error
        return self._servers[name, samples]

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._stack.close()


@contextlib.contextmanager
def _connect(url):
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _sample(number):
    resource = number % RESOURCES
    moment = _FIRST + datetime.timedelta(minutes=number // RESOURCES)
    return base.Sample(
        message_id=f'sample-{number:08}',
        source='comparison',
        counter_name='cpu_util',
        counter_type='gauge',
        counter_unit='%',
        counter_volume=float(number % 101),
        user_id='user',
        project_id=f'project-{resource % 4}',
        resource_id=f'resource-{resource}',
        timestamp=moment,
        recorded_at=moment,
        resource_metadata={
            'display_name': f'server-{resource}',
            'flavor': {'vcpus': 2, 'ram': 2048},
        },
    )


def _double(connection, there, missing):
    """Copy samples to an earlier time: the newest stay the newest."""
    table = schema.sample.c
    old = sa.select(
        (table.message_id + f'-{there}').label('message_id'),
        table.meter_id,
        table.series_id,
        table.document_id,
        table.volume,
        sa.type_coerce(
            sa.type_coerce(table.timestamp, sa.BigInteger)
            - there // RESOURCES * 60_000_000,
            sa.BigInteger,
        ),
        table.recorded_at,
    ).limit(missing)
    names = [column.name for column in table if column.name != 'id']
    connection.execute(sa.insert(schema.sample).from_select(names, old))
    connection.commit()


def _gather_statistics(connection):
    """Let the database know its new data, which it would do a minute later.

    Until then its plans are those for tables that it knows nothing of, and
    what is measured first is at a disadvantage.
    """
    tables = ', '.join(schema.metadata.tables)
    statements = {
        'postgresql': 'VACUUM ANALYZE',
        'mysql': f'ANALYZE TABLE {tables}',
        # SQLite has no statistics in a telemetry API either.
        'sqlite': None,
    }
    if statement := statements[connection.dialect.name]:
        # PostgreSQL does not do this within a transaction.
        connection.execution_options(isolation_level='AUTOCOMMIT')
        connection.exec_driver_sql(statement).close()
