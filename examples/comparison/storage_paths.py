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

"""The telemetry API with two paths more, which only use its storage.

``/slow?SECONDS`` runs a query that takes so long, and no CPU.
``/streamed?ROWS`` sends rows while its transaction is open: with a slow
client the transaction stays open, as it does in applications that stream.

Both have a pool of their own, of the configured size: other requests never
wait for their connections.
"""

from telemetry import wsgi
from telemetry.storage import database

_SLEEP = {'postgresql': 'SELECT pg_sleep({})', 'mysql': 'SELECT sleep({})'}
_database = database.Database(wsgi.conf)
_ROW = b'x' * 999 + b'\n'


def application(environ, start_response):
    """The WSGI application."""
    if environ['PATH_INFO'] == '/slow':
        return _slow(float(environ['QUERY_STRING']), start_response)
    if environ['PATH_INFO'] == '/streamed':
        return _streamed(int(environ['QUERY_STRING']), start_response)
    return wsgi.application(environ, start_response)


def _slow(seconds, start_response):
    with _database.read() as connection:
        query = _SLEEP[connection.dialect.name].format(seconds)
        connection.exec_driver_sql(query).all()
    start_response('204 No Content', [('Content-Length', '0')])
    return []


def _streamed(rows, start_response):
    start_response('200 OK', [('Content-Length', str(rows * len(_ROW)))])
    with _database.read() as connection:
        connection.exec_driver_sql('SELECT 1').all()
        for _ in range(rows):
            yield _ROW
