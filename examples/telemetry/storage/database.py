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
"""Connections: one engine for each process, made when first needed."""

import contextlib
import os
import re
import sqlite3
import threading
import weakref

import oslo_db.exception
import sqlalchemy as sa
from oslo_db import api as db_api
from oslo_db.sqlalchemy import session

from telemetry.storage import capacity, errors, versions

# How long a SQLite connection waits for another one to finish writing.
SQLITE_BUSY_SECONDS = 30

_UPGRADE_LOCKS = {
    'postgresql': (
        "SELECT pg_advisory_lock(hashtext('telemetry-dbsync'))",
        "SELECT pg_advisory_unlock(hashtext('telemetry-dbsync'))",
    ),
    **dict.fromkeys(
        ('mysql', 'mariadb'),
        (
            "SELECT get_lock('telemetry-dbsync', 600)",
            "SELECT release_lock('telemetry-dbsync')",
        ),
    ),
}

_UNAVAILABLE = (
    oslo_db.exception.DBConnectionError,
    oslo_db.exception.DBNonExistentDatabase,
    sa.exc.OperationalError,
    sqlite3.OperationalError,
)
_DATABASE_ERRORS = (
    oslo_db.exception.DBError,
    sa.exc.DBAPIError,
    sa.exc.TimeoutError,
    sqlite3.Error,
)

_NO_SLOT = re.compile(
    'FATAL: .*(too many (clients|connections)|remaining connection slots)'
)

_databases = weakref.WeakSet()
# Engines that were open when this process was forked off. Closing their
# connections here would disturb the parent, so they are kept, unused.
_inherited = []


class Database:
    """The configured database.

    Cheap to make: the engine comes with the first use. A forked child never
    uses its parent's engine, it makes its own.
    """

    def __init__(self, conf):
        self._options = conf.database
        self._new_process()
        _databases.add(self)

    def _new_process(self):
        self._lock = threading.Lock()
        self._engine = None
        self._checked = False
        self._reported = False

    def _forked(self):
        if self._engine is not None:
            _inherited.append(self._engine)
        self._new_process()

    @contextlib.contextmanager
    def read(self):
        """Give a connection whose reads all see one state.

        :raises StorageUnavailable: the database cannot be reached
        :raises StorageTimeout: a statement took longer than it allows
        :raises SchemaMissing: telemetry-dbsync has not been run
        """
        with (
            self._translated(),
            _reader(self._ready_engine()).connect() as connection,
        ):
            yield connection

    def write(self, function):
        """Call function(connection) in a transaction and return its result.

        It is called again if the database ends the transaction in favour of
        another one: by a deadlock, or because the expirer removed a row that
        this one was about to refer to. Raises like :meth:`read`.
        """
        options = self._options
        retry = db_api.wrap_db_retry(
            retry_interval=options.db_retry_interval,
            max_retries=options.db_max_retries,
            inc_retry_interval=options.db_inc_retry_interval,
            max_retry_interval=options.db_max_retry_interval,
            retry_on_disconnect=options.use_db_reconnect,
            retry_on_deadlock=True,
            exception_checker=lambda error: isinstance(
                error, oslo_db.exception.DBReferenceError
            ),
        )

        @retry
        def attempt():
            with _begin(self._ready_engine()) as connection:
                return function(connection)

        with self._translated():
            return attempt()

    def upgrade(self, expand_only=False):
        """Create the tables, or bring them to this version.

        Safe to repeat, and when two processes do it at once: the second
        waits for the first. Each version is a transaction, so that others
        wait for no more than one of them. Returns the version.

        :param expand_only: leave out what older code cannot work with
        :raises StorageUnavailable: the database cannot be reached
        """
        # Only here, since no process that serves needs alembic.
        from telemetry.storage import migrations

        with self._translated():
            engine = self._get_engine()
            if engine.dialect.name == 'sqlite':
                _use_write_ahead_log(engine)
            with _upgrade_lock(engine):
                with engine.connect() as connection:
                    pending = migrations.pending(connection, expand_only)
                for version in pending:
                    with _begin(engine) as connection:
                        take_any_time(connection)
                        migrations.upgrade(connection, version)
        return self.version()

    def version(self):
        """Return the version of the tables, None if there are none.

        :raises StorageUnavailable: the database cannot be reached
        """
        with self._translated(), self._get_engine().connect() as connection:
            return versions.current(connection)

    def connection_limit(self):
        """Return how many connections the database allows; None is no limit.

        :raises StorageUnavailable: the database cannot be reached
        """
        if _url(self._options.connection).get_backend_name() == 'sqlite':
            # To ask would make the file.
            return None
        with self._translated(), self._get_engine().connect() as connection:
            return min(
                (limit for limit, _ in capacity.limits(connection)),
                default=None,
            )

    def close(self):
        """Close the connections that are not in use; more may be opened."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()

    def _ready_engine(self):
        engine = self._get_engine()
        if not self._checked:
            with engine.connect() as connection:
                versions.check(connection)
                self._report(connection)
            self._checked = True
        return engine

    def _report(self, connection):
        with self._lock:
            if self._reported:
                return
            self._reported = True
        capacity.report(connection, self._options)

    def _get_engine(self):
        with self._lock:
            if self._engine is None:
                self._engine = self._create_engine()
            return self._engine

    def _create_engine(self):
        options = self._options
        url = _url(options.connection)
        if url.get_backend_name() == 'mariadb':
            # oslo.db knows it by the other name only.
            driver = url.drivername.replace('mariadb', 'mysql', 1)
            url = url.set(drivername=driver)
        if (
            url.get_backend_name() == 'mysql'
            and 'charset' not in url.query
            and 'charset=' not in options.connection_parameters
        ):
            # oslo.db would ask for the charset that lacks emoji.
            url = url.update_query_dict({'charset': 'utf8mb4'})
        return session.create_engine(
            url,
            connection_debug=options.connection_debug,
            connection_parameters=options.connection_parameters,
            connection_recycle_time=options.connection_recycle_time,
            connection_trace=options.connection_trace,
            max_overflow=options.max_overflow,
            max_pool_size=options.max_pool_size,
            max_retries=options.max_retries,
            mysql_sql_mode=options.mysql_sql_mode,
            mysql_wsrep_sync_wait=options.mysql_wsrep_sync_wait,
            pool_timeout=options.pool_timeout,
            retry_interval=options.retry_interval,
            sqlite_synchronous=options.sqlite_synchronous,
            _engine_target=_engine_target(options),
        )

    @contextlib.contextmanager
    def _translated(self):
        """Raise our errors for those of the database and its driver."""
        try:
            yield
        except _DATABASE_ERRORS as error:
            cause = _driver_error(error)
            if _is_missing_table(cause):
                self._checked = False
                raise errors.SchemaMissing(
                    f'{self._where()} lacks a table of this service; '
                    'run telemetry-dbsync'
                ) from error
            if _is_busy(error, cause):
                raise errors.StorageBusy(
                    f'{self._where()}: {_first_line(cause)}'
                ) from error
            if _is_too_long(cause):
                raise errors.StorageTimeout(
                    f'{self._where()}: {_first_line(cause)}'
                ) from error
            if _is_unavailable(error, cause):
                raise errors.StorageUnavailable(
                    f'{self._where()}: {_first_line(cause)}'
                ) from error
            raise
        except OSError as error:
            # PyMySQL opens the files of TLS itself.
            raise errors.StorageUnavailable(
                f'{self._where()}: a file that the connection names: '
                f'{error.strerror}'
            ) from error

    def _where(self):
        return _show(_url(self._options.connection))


def _url(text):
    if not text:
        raise errors.StorageUnavailable('[database] connection is not set')
    try:
        url = sa.make_url(text)
        url.get_dialect().import_dbapi()
    except (sa.exc.NoSuchModuleError, ImportError) as error:
        raise errors.StorageUnavailable(
            f'[database] connection needs a driver: {error}'
        ) from None
    except sa.exc.ArgumentError:
        # Not shown: the text may hold a password.
        raise errors.StorageUnavailable(
            '[database] connection is not a database URL such as '
            'sqlite:////var/lib/telemetry/telemetry.sqlite'
        ) from None
    return url


def _show(url):
    """Return a URL without what may be secret: password and query."""
    return f'database {url.set(query={}).render_as_string()}'


def _driver_error(error):
    """Return what the driver raised, out of what was made of it."""
    while isinstance(error, oslo_db.exception.DBError):
        if error.inner_exception is None:
            break
        error = error.inner_exception
    return getattr(error, 'orig', None) or error


def _is_missing_table(cause):
    return (
        getattr(cause, 'sqlstate', None) == '42P01'  # PostgreSQL
        or cause.args[:1] == (1146,)  # MariaDB
        or str(cause).startswith('no such table')  # SQLite
    )


def _is_busy(error, cause):
    return (
        isinstance(error, sa.exc.TimeoutError)
        # MariaDB: those of the server, and of the user in two ways.
        or cause.args[:1] in ((1040,), (1203,), (1226,))
        # PostgreSQL: psycopg has only the text when it cannot connect.
        or _NO_SLOT.search(str(cause)) is not None
    )


def _is_too_long(cause):
    return (
        getattr(cause, 'sqlstate', None) == '57014'  # PostgreSQL
        or cause.args[:1] == (1969,)  # MariaDB
    )


def _is_unavailable(error, cause):
    return (
        isinstance(error, _UNAVAILABLE)
        or getattr(cause, 'sqlstate', None) == '42501'  # lack of privilege
        or getattr(cause, 'sqlite_errorcode', None) == sqlite3.SQLITE_NOTADB
    )


def _first_line(cause):
    number_and_text = len(cause.args) == 2  # PyMySQL's
    text = cause.args[1] if number_and_text else cause
    return str(text).strip().partition('\n')[0]


def _reader(engine):
    """Let all reads of a transaction see the database as it was at first.

    SQLite and MariaDB do so by themselves.
    """
    if engine.dialect.name == 'postgresql':
        return engine.execution_options(isolation_level='REPEATABLE READ')
    return engine


def _begin(engine):
    """Begin a transaction that is going to write."""
    return engine.execution_options(telemetry_write=True).begin()


def take_any_time(connection):
    """Lift the limit that the user may have for the time of a statement.

    For commands: MariaDB lifts it for as long as the connection lasts, and
    PostgreSQL for this transaction.
    """
    if connection.dialect.name == 'postgresql':
        connection.exec_driver_sql('SET LOCAL statement_timeout = 0')
    elif getattr(connection.dialect, 'is_mariadb', False):
        connection.exec_driver_sql('SET SESSION max_statement_time = 0')


@contextlib.contextmanager
def _upgrade_lock(engine):
    """Hold a lock that only one upgrade of a database can hold.

    On SQLite the transaction itself is such a lock.
    """
    lock, unlock = _UPGRADE_LOCKS.get(engine.dialect.name, (None, None))
    if lock is None:
        yield
        return
    with engine.connect() as connection:
        take_any_time(connection)
        connection.exec_driver_sql(lock)
        try:
            yield
        finally:
            connection.exec_driver_sql(unlock)


def _use_write_ahead_log(engine):
    """Let SQLite read while it writes; the file stays in this mode.

    Unlike other statements, this one does not wait for a writer by itself.
    """
    pause = 0.1

    @db_api.wrap_db_retry(
        retry_interval=pause,
        max_retries=int(SQLITE_BUSY_SECONDS / pause),
        inc_retry_interval=False,
        exception_checker=lambda error: (
            getattr(error, 'sqlite_errorcode', None) == sqlite3.SQLITE_BUSY
        ),
    )
    def attempt():
        # Not within a transaction, where the mode cannot be changed.
        with contextlib.closing(engine.raw_connection()) as connection:
            connection.cursor().execute('PRAGMA journal_mode = WAL')

    attempt()


def _engine_target(options):
    """Return what oslo.db calls to make the engine.

    oslo.db opens a SQLite file anew for each transaction, which takes
    longer than most transactions do and lets the last one to close it tidy
    up the write-ahead log each time. A pool does not.
    """

    def create(url, **arguments):
        if arguments.get('poolclass') is sa.pool.NullPool:
            arguments['poolclass'] = sa.pool.QueuePool
            arguments['pool_size'] = options.max_pool_size
            arguments['max_overflow'] = options.max_overflow
            if options.pool_timeout is not None:
                arguments['pool_timeout'] = options.pool_timeout
        if url.get_backend_name() == 'sqlite':
            arguments['connect_args'].setdefault(
                'timeout', SQLITE_BUSY_SECONDS
            )
        engine = sa.create_engine(url, **arguments)
        if engine.dialect.name == 'sqlite':
            sa.event.listen(engine, 'connect', _sqlite_connect)
            sa.event.listen(engine, 'begin', _sqlite_begin)
        return engine, engine

    return create


def _sqlite_connect(connection, record):
    connection.create_aggregate('stddev_pop', 1, _PopulationDeviation)


def _sqlite_begin(connection):
    """Let a writer take the lock before it reads.

    A transaction that reads first and writes later cannot wait for another
    writer: what it read may be out of date by then, so SQLite ends it with
    "database is locked" at once. oslo.db, which begins the others, leaves
    alone a transaction marked like this.
    """
    if connection.get_execution_options().get('telemetry_write'):
        connection.exec_driver_sql('BEGIN IMMEDIATE')
        connection.info['in_transaction'] = True


class _PopulationDeviation:
    """Standard deviation by Welford's method, which keeps its precision."""

    def __init__(self):
        self.count = 0
        self.mean = 0.0
        self.squares = 0.0

    def step(self, value):
        if value is not None:
            self.count += 1
            delta = value - self.mean
            self.mean += delta / self.count
            self.squares += delta * (value - self.mean)

    def finalize(self):
        if not self.count:
            return None
        return (self.squares / self.count) ** 0.5


def _forget_inherited_engines():
    for database in _databases:
        database._forked()


os.register_at_fork(after_in_child=_forget_inherited_engines)
