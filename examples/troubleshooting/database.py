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

"""What databases and their drivers say, in the log of the application."""

import contextlib
import functools
import sqlite3
import time
from concurrent import futures

import sqlalchemy as sa
from hosts import driver

from troubleshooting import collect

PROBLEMS, problem = collect()

LOG = 'the log of the application, with 503 for the client'
DBSYNC = 'what ``telemetry-dbsync`` prints, or the log of the application'
TABLES = {
    'look_at': '``telemetry-dbsync`` finds the tables:',
    'confirmation': 'The tables are at version',
}
POSTGRESQL = 'https://www.postgresql.org/docs/current'
SQLALCHEMY = 'https://docs.sqlalchemy.org/en/20'
MARIADB = {
    'MariaDB, error codes': 'https://mariadb.com/kb/en/'
    'mariadb-error-code-reference/'
}


@contextlib.contextmanager
def telemetry(trial, url, **options):
    """Run the telemetry API on gunicorn with these [database] options."""
    environ = environment(trial, url) | {
        f'OS_DATABASE__{name.upper()}': str(value)
        for name, value in options.items()
    }
    with trial.faulty(
        'gunicorn',
        {'gunicorn/gunicorn.conf.py': {'workers = 2': 'workers = 1'}},
        application='telemetry.wsgi:application',
        environ=environ,
    ) as server:
        yield server


def environment(trial, url):
    return {
        'OS_DATABASE__CONNECTION': url,
        'OS_TELEMETRY_CONFIG_DIR': str(trial.folder()),
    }


def dbsync(trial, url):
    return trial.command('telemetry-dbsync', **environment(trial, url))


@functools.cache
def make_tables(trial, name):
    dbsync(trial, trial.database(name).url)


def with_tables(trial, name):
    """Give a running database server with the tables of the API."""
    make_tables(trial, name)
    return trial.database(name)


@problem(
    title='More requests than connections',
    seen_in=LOG,
    symptom='No connection to the database is free: ...QueuePool limit of '
    'size ... overflow ... reached, connection timed out, timeout ...',
    cause='All connections of the pool of this process are taken, by slow '
    'queries or by more threads than there are connections.',
    action='Keep the threads of a process at or below ``[database] '
    'max_pool_size`` + ``max_overflow``, and find the slow queries: :doc:`'
    '/install/database`.',
    look_at='Both of two requests at the same time are answered:',
    confirmation='HTTP/1.1 200 OK',
    sometimes=True,
    sources={'SQLAlchemy, error 3o7r': 'https://sqlalche.me/e/20/3o7r'},
)
def pool_exhausted(trial):
    database = with_tables(trial, 'postgresql')
    for overflow in (0, 1):
        with telemetry(
            trial,
            database.url,
            max_pool_size=1,
            max_overflow=overflow,
            pool_timeout=1,
        ) as server:
            yield slow_query_beside_another(trial, database, server)


def slow_query_beside_another(trial, database, server):
    """Ask twice while a lock keeps the answers back for a while."""
    engine = sa.create_engine(database.url)
    with futures.ThreadPoolExecutor() as pool:
        with engine.begin() as lock:
            lock.exec_driver_sql('LOCK TABLE meter')
            answers = [
                pool.submit(trial.curl, server, '/v2/meters') for _ in range(2)
            ]
            # One is over where it gets no connection, and else none is.
            futures.wait(answers, 5, futures.FIRST_COMPLETED)
        seen = ''.join(answer.result() for answer in answers)
    engine.dispose()
    return seen + trial.log(server)


@contextlib.contextmanager
def full(database):
    """Take every connection that ordinary users can have."""
    engine = sa.create_engine(database.url, poolclass=sa.pool.NullPool)
    with contextlib.ExitStack() as taken:
        with contextlib.suppress(sa.exc.OperationalError):
            while True:
                taken.enter_context(engine.connect())
        yield


@problem(
    title='PostgreSQL has no connection left',
    seen_in=DBSYNC,
    symptom='remaining connection slots are reserved for',
    cause='All processes of all services together have as many connections '
    'open as ``max_connections`` allows, but for the few that are kept for '
    'administrators.',
    action='Count: processes × (``max_pool_size`` + ``max_overflow``), on all '
    'machines: :doc:`/install/database`. Make the pools smaller, or raise '
    '``max_connections``.',
    **TABLES,
    sources={
        'PostgreSQL, max_connections': f'{POSTGRESQL}/'
        'runtime-config-connection.html'
    },
)
def postgresql_full(trial):
    database = with_tables(trial, 'postgresql')
    with full(database):
        yield dbsync(trial, database.url)
    yield dbsync(trial, database.url)


@problem(
    title='MariaDB has no connection left',
    seen_in=DBSYNC,
    symptom='Too many connections',
    cause='All processes of all services together have as many connections '
    'open as ``max_connections`` allows.',
    action='Count: processes × (``max_pool_size`` + ``max_overflow``), on all '
    'machines: :doc:`/install/database`. Make the pools smaller, or raise '
    '``max_connections``.',
    **TABLES,
    sources=MARIADB,
)
def mariadb_full(trial):
    database = with_tables(trial, 'mariadb')
    with full(database):
        yield dbsync(trial, database.url)
    yield dbsync(trial, database.url)


ENDED = {
    'seen_in': LOG,
    'cause': 'The query took longer than the :ref:`limit of the user '
    '<limit-queries>`.',
    'action': 'Ask for less at a time, or find out why it takes so long: '
    'here another transaction holds a lock. Or raise the limit, and keep it '
    'below the time that the proxy waits.',
    'look_at': 'Without the lock the same request is answered:',
    'confirmation': 'HTTP/1.1 200 OK',
}


@problem(
    title='PostgreSQL ends a query',
    symptom='The database ended a query: ...canceling statement due to '
    'statement timeout',
    **ENDED,
    sources={
        'PostgreSQL, statement_timeout': f'{POSTGRESQL}/'
        'runtime-config-client.html'
    },
)
def postgresql_ends_query(trial):
    return ended(
        trial,
        'postgresql',
        "ALTER ROLE telemetry SET statement_timeout = '{}s';",
        'LOCK TABLE meter',
    )


@problem(
    title='MariaDB ends a query',
    symptom='The database ended a query: ...max_statement_time exceeded',
    **ENDED,
    sources={
        'MariaDB, aborting statements': 'https://mariadb.com/kb/en/'
        'aborting-statements/'
    },
)
def mariadb_ends_query(trial):
    return ended(
        trial,
        'mariadb',
        'ALTER USER telemetry WITH MAX_STATEMENT_TIME {};',
        'LOCK TABLES meter WRITE',
    )


def ended(trial, name, limit, lock):
    """Ask while a lock keeps the answer back for longer than the limit."""
    database = with_tables(trial, name)
    engine = sa.create_engine(database.url)
    database.sql(limit.format(1))
    try:
        with telemetry(trial, database.url) as server:
            with engine.connect() as other:
                other.exec_driver_sql(lock)
                yield trial.look(server, '/v2/meters')
                other.invalidate()
            yield trial.curl(server, '/v2/meters')
    finally:
        database.sql(limit.format(0))
        engine.dispose()


@problem(
    title='Under eventlet a slow query stops all other requests',
    seen_in='the traceback of a program with '
    '``eventlet.debug.hub_blocking_detection(True)``',
    symptom='RuntimeError: Blocking detector ALARMED at...',
    cause='The driver waits for the database in C, where green threads cannot '
    'take turns. psycopg looks for gevent, and not for eventlet. Without the '
    'detector nothing tells: all clients just wait.',
    action='Set ``PSYCOPG_WAIT_FUNC=wait_select`` in the environment of the '
    'service: then psycopg waits in Python. psycopg does not document it. '
    'Better, leave eventlet: :doc:`/admin/leave-eventlet`.',
    look_at='Another green thread works on during the query. The program of '
    'the test prints:',
    confirmation='another green thread has run',
    sources={
        'psycogreen, README': 'https://github.com/psycopg/psycogreen',
        'psycopg, issue 527': 'https://github.com/psycopg/psycopg/issues/527',
    },
    holds_for='psycopg 3.1.5 and later with its C module, as in '
    '``psycopg[binary]``.',
)
def blocking_driver(trial):
    database = trial.database('postgresql')
    url = sa.make_url(database.url).set(drivername='postgresql')
    program = (
        'import eventlet; eventlet.monkey_patch()\n'
        'import eventlet.debug\n'
        'import psycopg\n'
        'eventlet.debug.hub_blocking_detection(True, 1)\n'
        'def run():\n'
        '    eventlet.sleep(0.5)\n'
        "    print('another green thread has run')\n"
        'other = eventlet.spawn(run)\n'
        f'psycopg.connect({url.render_as_string(False)!r}).execute(\n'
        "    'SELECT pg_sleep(3)')\n"
    )
    for variables in ({}, {'PSYCOPG_WAIT_FUNC': 'wait_select'}):
        yield trial.python(program, 'eventlet', 'psycopg', **variables)


@problem(
    title='MariaDB has closed an idle connection',
    seen_in='the traceback of an application with SQLAlchemy',
    symptom='(pymysql.err.OperationalError) (2006, "MySQL server has gone '
    'away (...)")',
    cause='A connection of the pool was idle for longer than '
    '``wait_timeout`` of MariaDB, 8 hours by default. The next request finds '
    'it closed.',
    action='Let the pool test each connection before it gives it out, with '
    '``pool_pre_ping=True``, as oslo.db does, or renew them earlier, with '
    '``[database] connection_recycle_time``.',
    look_at='The query is answered. The program of the test prints:',
    confirmation='MariaDB answers',
    sources={
        'SQLAlchemy, disconnects': f'{SQLALCHEMY}/core/pooling.html'
        '#dealing-with-disconnects'
    },
)
def idle_connection(trial):
    for pre_ping in (False, True):
        yield ask_again(
            trial.database('mariadb'),
            lambda connection: (
                connection.exec_driver_sql('SET SESSION wait_timeout = 1'),
                connection.commit(),
            ),
            lambda: time.sleep(1.5),
            pre_ping,
        ).replace('the database', 'MariaDB')


@problem(
    title='PostgreSQL was restarted',
    seen_in='the traceback of an application with SQLAlchemy',
    symptom='(psycopg.errors.AdminShutdown) terminating connection due to '
    'administrator command',
    cause='A restart, or an administrator, ended the connections that the '
    'pool holds. The next request finds them closed.',
    action='Let the pool test each connection before it gives it out, with '
    '``pool_pre_ping=True``, as oslo.db does.',
    look_at='The query is answered. The program of the test prints:',
    confirmation='PostgreSQL answers',
    sources={
        'SQLAlchemy, disconnects': f'{SQLALCHEMY}/core/pooling.html'
        '#dealing-with-disconnects'
    },
)
def restarted(trial):
    database = trial.database('postgresql')
    for pre_ping in (False, True):
        yield ask_again(
            database,
            lambda connection: None,
            lambda: database.sql(
                'SELECT pg_terminate_backend(pid) FROM pg_stat_activity '
                "WHERE usename = 'telemetry';"
            ),
            pre_ping,
        ).replace('the database', 'PostgreSQL')


def ask_again(database, prepare, disturb, pre_ping):
    """Use a connection of a pool before and after something happens."""
    engine = sa.create_engine(database.url, pool_pre_ping=pre_ping)
    with engine.connect() as connection:
        prepare(connection)
    disturb()
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql('SELECT 1')
        return 'the database answers'
    except sa.exc.OperationalError as error:
        return str(error)
    finally:
        engine.dispose()


@problem(
    title='SQLite is locked at once, whatever the timeout',
    seen_in='the traceback of an application',
    symptom='sqlite3.OperationalError: database is locked',
    cause='A transaction began with a read, and another process wrote before '
    'this one did. SQLite cannot wait here: what was read is out of date. '
    'More processes make this more frequent.',
    action='Begin with ``BEGIN IMMEDIATE`` where a transaction will write, as '
    'the telemetry API does; or move to PostgreSQL or MariaDB: :doc:`'
    '/install/database`.',
    look_at='The second writer waits for its turn. The program of the test '
    'prints:',
    confirmation='both have written',
    sources={
        'SQLite, transactions': 'https://www.sqlite.org/lang_transaction.html'
    },
)
def sqlite_locked(trial):
    trial.versions['SQLite'] = sqlite3.sqlite_version
    for begin in ('BEGIN', 'BEGIN IMMEDIATE'):
        yield two_writers(trial.folder() / 'sqlite', begin)


def two_writers(file, begin):
    with (
        contextlib.closing(connect(file)) as first,
        contextlib.closing(connect(file)) as second,
        futures.ThreadPoolExecutor() as pool,
    ):
        first.execute('PRAGMA journal_mode = WAL')
        first.execute('CREATE TABLE page (text)')
        first.execute(begin)
        first.execute('SELECT * FROM page').fetchall()
        other = pool.submit(
            second.execute, "INSERT INTO page VALUES ('second')"
        )
        # The other one is done, or waits.
        futures.wait([other], 0.3)
        try:
            first.execute("INSERT INTO page VALUES ('first')")
            first.execute('COMMIT')
            other.result()
            return 'both have written'
        except sqlite3.OperationalError as error:
            return f'sqlite3.OperationalError: {error}'


def connect(file):
    return sqlite3.connect(
        file, timeout=30, isolation_level=None, check_same_thread=False
    )


@problem(
    title='The tables are missing',
    seen_in=LOG,
    symptom='The database has no schema: run telemetry-dbsync',
    cause='The database is new, or is not the one that was meant.',
    action='Compare ``[database] connection`` with the one that was meant, '
    'and run ``telemetry-dbsync``. The API need not be restarted.',
    look_at='The same request is answered:',
    confirmation='HTTP/1.1 200 OK',
    sources={},
)
def no_tables(trial):
    url = f'sqlite:///{trial.folder()}/telemetry.sqlite'
    with telemetry(trial, url) as server:
        yield trial.look(server, '/v2/meters')
        dbsync(trial, url)
        yield trial.curl(server, '/v2/meters')


@problem(
    title='PostgreSQL refuses the password',
    seen_in=DBSYNC,
    symptom='password authentication failed for user "telemetry"',
    cause='The password in ``[database] connection`` is wrong, or has a sign '
    'that has a meaning in a URL.',
    action='Correct it. In a URL ``@`` is ``%40``, ``/`` is ``%2F``, and '
    '``%`` is ``%25``.',
    **TABLES,
    sources={
        'PostgreSQL, authentication problems': f'{POSTGRESQL}/'
        'client-authentication-problems.html'
    },
)
def postgresql_password(trial):
    url = with_tables(trial, 'postgresql').url
    yield dbsync(trial, url.replace(':secret@', ':wrong@'))
    yield dbsync(trial, url)


@problem(
    title='MariaDB refuses the password',
    seen_in=DBSYNC,
    symptom="Access denied for user 'telemetry'@'localhost' (using password: "
    'YES)',
    cause='The password in ``[database] connection`` is wrong, or the user '
    'may not come from this machine.',
    action='Correct it. In a URL ``@`` is ``%40``, ``/`` is ``%2F``, and '
    '``%`` is ``%25``. ``SELECT user, host FROM mysql.user`` lists who may '
    'come from where; an anonymous user at ``localhost`` goes before '
    '``telemetry``.',
    **TABLES,
    sources=MARIADB,
)
def mariadb_password(trial):
    url = with_tables(trial, 'mariadb').url
    yield dbsync(trial, url.replace(':secret@', ':wrong@'))
    yield dbsync(trial, url)


@problem(
    title='The driver of PostgreSQL is missing',
    seen_in=DBSYNC,
    symptom="No module named 'psycopg2'",
    cause='The URL names psycopg2, as most guides do, and psycopg is what is '
    'installed. A URL without a driver means psycopg2, too, up to SQLAlchemy '
    '2.0.',
    action='Name the driver that is there: ``postgresql+psycopg://``.',
    **TABLES,
    sources={
        'SQLAlchemy, PostgreSQL': f'{SQLALCHEMY}/dialects/postgresql.html'
    },
)
def no_driver(trial):
    url = with_tables(trial, 'postgresql').url
    yield dbsync(trial, url.replace('+psycopg', '+psycopg2'))
    yield dbsync(trial, url)


@problem(
    title='SQLAlchemy does not know postgres',
    seen_in=DBSYNC,
    symptom="Can't load plugin: sqlalchemy.dialects:postgres",
    cause='The URL begins with ``postgres://``, as other programs write it.',
    action='Write ``postgresql+psycopg://``.',
    **TABLES,
    sources={
        'SQLAlchemy, PostgreSQL': f'{SQLALCHEMY}/dialects/postgresql.html'
    },
)
def unknown_dialect(trial):
    url = with_tables(trial, 'postgresql').url
    yield dbsync(trial, url.replace('postgresql+psycopg', 'postgres'))
    yield dbsync(trial, url)


@problem(
    title='PostgreSQL does not listen at the address',
    seen_in=DBSYNC,
    symptom='connection to server at "127.0.0.1", port ... failed: Connection '
    'refused',
    cause='PostgreSQL is down, or listens at another address or port.',
    action='Start it, or correct the address: ``ss -ltnp`` lists who listens '
    'where.',
    **TABLES,
    sources={
        'PostgreSQL, connection failures': f'{POSTGRESQL}/server-start.html'
        '#CLIENT-CONNECTION-PROBLEMS'
    },
)
def postgresql_down(trial):
    database = with_tables(trial, 'postgresql')
    wrong = str(driver.free_port('127.0.0.1'))
    yield dbsync(trial, database.url.replace(str(database.port), wrong))
    yield dbsync(trial, database.url)


@problem(
    title='MariaDB does not listen at the address',
    seen_in=DBSYNC,
    symptom="Can't connect to MySQL server on '127.0.0.1' ([Errno 111] "
    'Connection refused)',
    cause='MariaDB is down, or listens at another address or port.',
    action='Start it, or correct the address: ``ss -ltnp`` lists who listens '
    'where.',
    **TABLES,
    sources=MARIADB,
)
def mariadb_down(trial):
    database = with_tables(trial, 'mariadb')
    wrong = str(driver.free_port('127.0.0.1'))
    yield dbsync(trial, database.url.replace(str(database.port), wrong))
    yield dbsync(trial, database.url)
