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
"""How many connections this process may open, and the database allows."""

import logging

LOG = logging.getLogger(__name__)

# Rows of: how many connections there may be, and how many there are. First
# those of the whole server, then what this user may have. A limit of 0 or
# less is none, but for the server's own.
_LIMITS = {
    'postgresql': """
        SELECT current_setting('max_connections')::int
                 - current_setting('superuser_reserved_connections')::int
                 - coalesce(
                     current_setting('reserved_connections', true)::int, 0),
               (SELECT count(*) FROM pg_stat_activity
                WHERE datname IS NOT NULL)
        UNION ALL
        SELECT rolconnlimit,
               (SELECT count(*) FROM pg_stat_activity
                WHERE usename = current_user)
        FROM pg_roles WHERE rolname = current_user
        UNION ALL
        SELECT datconnlimit,
               (SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database())
        FROM pg_database WHERE datname = current_database()
        """,
    'mariadb': """
        SELECT @@max_connections, CAST(variable_value AS INTEGER)
        FROM information_schema.global_status
        WHERE variable_name = 'THREADS_CONNECTED'
        UNION ALL
        SELECT @@max_user_connections, count(*)
        FROM information_schema.processlist
        WHERE user = substring_index(current_user(), '@', 1)
        """,
}


def limits(connection):
    """Return ``[(connections allowed, connections open)]``.

    One pair for each limit that holds for this connection: that of the
    server, and what its user and database may have. None at all on SQLite.
    """
    dialect = connection.dialect
    is_mariadb = getattr(dialect, 'is_mariadb', False)
    query = _LIMITS.get('mariadb' if is_mariadb else dialect.name)
    if query is None:
        return []
    return [
        (int(limit), int(used))
        for limit, used in connection.exec_driver_sql(query)
        if limit > 0
    ]


def own_connections(options):
    """Return how many connections a process may open; None if it has no end.

    :param options: those of the group [database]
    """
    if options.max_pool_size == 0 or options.max_overflow < 0:
        return None
    return options.max_pool_size + options.max_overflow


def report(connection, options):
    """Log how many processes like this one fit the database's limit.

    A warning if the connections of this one do not. SQLite has no limit.

    :param options: those of the group [database]
    """
    found = limits(connection)
    if not found:
        return
    allowed = min(limit for limit, _ in found)
    own = own_connections(options)
    if own is None:
        LOG.warning(
            'This process opens as many connections to the database as it '
            'has threads, without limit; the database allows %d in all. Set '
            '[database] max_pool_size above 0 and max_overflow to 0 or more',
            allowed,
        )
        return
    pool = connection.engine.pool
    opened = pool.checkedin() + pool.checkedout()
    free = min(limit - used for limit, used in found) + opened
    if own > free:
        LOG.warning(
            'This process may open %d connections to the database ([database] '
            'max_pool_size + max_overflow), but only %d of the %d that the '
            'database allows are free. Lower these options or the number of '
            'processes, or raise the limit of the database',
            own,
            max(free, 0),
            allowed,
        )
        return
    LOG.info(
        'This process may open %d of the %d connections that the database '
        'allows. Number of such processes that fit: %d',
        own,
        allowed,
        allowed // own,
    )
