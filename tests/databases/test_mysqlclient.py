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
"""Where mysqlclient differs from PyMySQL, as the page says."""

import os
import subprocess
import sys

import hosts
import pytest
from hosts import tls
from telemetry.storage import errors

from tests.databases import conftest, test_tls

BOTH = [
    name for name, server in conftest.DRIVERS.items() if server == 'mariadb'
]

# Counts the turns of another thread while a query takes a second.
TURNS = """
import telemetry.cmd.eventlet
import itertools, sys, threading, time
import sqlalchemy as sa

turns = itertools.count()

def take_turns():
    while True:
        time.sleep(0.05)
        next(turns)

with sa.create_engine(sys.argv[1]).connect() as connection:
    threading.Thread(target=take_turns, daemon=True).start()
    time.sleep(0)
    connection.exec_driver_sql('SELECT SLEEP(1)')
    print(next(turns), flush=True)
"""


@pytest.fixture(params=BOTH)
def driver(request):
    return request.param


@pytest.fixture
def url(driver, database_server):
    server = database_server('mariadb')
    return server.url.replace(server.driver, driver)


def succeeds(url):
    try:
        test_tls.check(url)
    except errors.StorageUnavailable:
        return False
    return True


def test_localhost_is_a_socket(driver, url):
    # The socket of this server is not in the place of the distribution.
    there = succeeds(url.replace('127.0.0.1', 'localhost'))
    assert there == (driver == 'mysql+pymysql')


def test_ssl_ca_alone_takes_a_server_without_tls(driver, url, tmp_path):
    certificate, _ = tls.certificate(tmp_path, '127.0.0.1')
    assert succeeds(f'{url}?ssl_ca={certificate}') == (
        driver == 'mysql+mysqldb'
    )


def test_ssl_ca_alone_takes_any_name(driver, tmp_path):
    with test_tls.start(driver, tmp_path, '127.0.0.9') as server:
        url = f'{server.url}?ssl_ca={tmp_path}/certificate.pem'
        assert succeeds(url) == (driver == 'mysql+mysqldb')


def test_green_threads_wait_for_it(driver, url):
    done = subprocess.run(
        [sys.executable, '-c', TURNS, url],
        env={**os.environ, 'PYTHONPATH': str(hosts.FOLDER.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (int(done.stdout) == 0) == (driver == 'mysql+mysqldb')
