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

"""Storage on purpose: a slow query, a restart, a slow reader; and no host.

Each function takes the running host, the store, the step of the plan and a
folder for files. It returns the :class:`comparison.load.Load` of fast
requests in the meantime, and a dict of what else was found.
"""

import concurrent.futures
import contextlib
import socket
import time

import sqlalchemy as sa
from telemetry.api import deploy
from werkzeug.test import Client

from comparison import load, requests
from comparison.hang_up import hang_up

RATE = 20
_OPEN_TRANSACTIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE usename = 'telemetry' AND xact_start IS NOT NULL;
    """
#: What slow readers ask for: about as many bytes each way.
_LARGE = {
    'whole': '/v2/meters/cpu_util?limit=10000',
    'streamed': '/streamed?6000',
}


def slow_query(server, store, step, folder):
    """Callers of a query of 0.2 s that uses no CPU, beside a fast request.

    Found: ``slow_per_second``. Undisturbed callers get 5 in a second each.
    """
    with concurrent.futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(
            load.closed,
            server,
            (requests.SLOW,),
            step.amount,
            step.seconds + 1,
            _sub(folder, 'slow'),
        )
        time.sleep(0.5)
        fast = load.open_loop(
            server, requests.LIST, RATE, step.seconds, folder
        )
        slow = slow.result()
    fast.errors += slow.errors
    return fast, {'slow_per_second': round(slow.requests / slow.seconds, 2)}


def restart(server, store, step, folder):
    """The database is stopped and started while requests come in.

    Found: ``down_seconds``, how long the database was away; ``failed``, how
    many requests did not get their answer; ``failing_seconds``, how long
    after the database was back the last of them was sent.
    """
    with concurrent.futures.ThreadPoolExecutor() as pool:
        fast = pool.submit(
            load.open_loop,
            server,
            requests.LIST,
            step.amount,
            step.seconds,
            folder,
        )
        time.sleep(step.seconds / 3)
        down = time.time()
        store.server.stop()
        store.server.start()
        up = time.time()
        fast = fast.result()
    bad = [
        int(start) / 1e6
        for start, status, *_ in map(
            str.split, (folder / 'requests.tsv').read_text().splitlines()
        )
        if int(status) != requests.LIST.status
    ]
    found = {
        'down_seconds': round(up - down, 3),
        'failed': fast.errors,
        'failing_seconds': round(max(max(bad, default=0) - up, 0), 3),
    }
    fast.errors = 0
    return fast, found


def slow_reader(server, store, step, folder):
    """Clients take large answers slowly, beside fast requests.

    Found: ``transactions``, how many transactions were open at most.
    """
    path = _LARGE[step.traffic]
    with contextlib.ExitStack() as stack:
        for _ in range(step.amount):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((server.address, server.port))
            stack.enter_context(client)
            client.sendall(
                f'GET {path} HTTP/1.1\r\nHost: localhost\r\n'
                'Connection: close\r\n\r\n'.encode()
            )
            client.recv(1)
        transactions = int(store.server.sql(_OPEN_TRANSACTIONS))
        fast = load.open_loop(
            server, requests.LIST, RATE, step.seconds, folder
        )
    return fast, {'transactions': transactions}


def bare(server, store, step, folder):
    """The queries of a request over one bare connection of the driver.

    Found: ``per_second``, how many times in a second.
    """
    statements = []

    def note(connection, cursor, statement, parameters, *_):
        statements.append((statement, parameters))

    application = deploy.load(store.conf())
    request = requests.BY_NAME[step.traffic]
    # The first request also looks at the version of the tables.
    Client(application).get(request.path)
    sa.event.listen(sa.Engine, 'before_cursor_execute', note)
    try:
        Client(application).get(request.path)
    finally:
        sa.event.remove(sa.Engine, 'before_cursor_execute', note)
    engine = sa.create_engine(store.url)
    with contextlib.closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        began = time.monotonic()
        times = 0
        while time.monotonic() - began < step.seconds:
            for statement, parameters in statements:
                cursor.execute(statement, parameters)
                cursor.fetchall()
            connection.rollback()
            times += 1
        seconds = time.monotonic() - began
    engine.dispose()
    return None, {'per_second': round(times / seconds, 2)}


BY_NAME = {
    function.__name__: function
    for function in (slow_query, restart, slow_reader, bare, hang_up)
}


def _sub(folder, name):
    path = folder / name
    path.mkdir(exist_ok=True)
    return path
