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
"""What a process says about its connections when it opens the first one."""

import logging

import pytest
from telemetry import storage

from tests.databases.conftest import connections, wait_for
from tests.databases.test_outages import LIMITS, NO_LIMITS, full

# The tests' servers have 10, of which PostgreSQL keeps 3 for administrators.
ALLOWED = {'postgresql': 7, 'mariadb': 10}


@pytest.fixture
def said(own_conf, caplog):
    """Return a function: what is said with these options of [database]."""

    def say(**options):
        for name, value in options.items():
            own_conf.set_override(name, value, 'database')
        store = storage.Storage(own_conf)
        caplog.clear()
        with caplog.at_level(logging.INFO, 'telemetry.storage.capacity'):
            store.check()
            store.check()
        [record] = caplog.records
        return record.levelname, record.getMessage()

    return say


@pytest.fixture
def allowed(own_server):
    return ALLOWED[own_server.name]


def test_room_for_so_many_processes(said, allowed):
    level, text = said(max_pool_size=2, max_overflow=1)
    assert level == 'INFO'
    assert text == (
        f'This process may open 3 of the {allowed} connections that the '
        f'database allows. Number of such processes that fit: {allowed // 3}'
    )


def test_more_than_the_database_allows(said, allowed):
    level, text = said(max_pool_size=4, max_overflow=50)
    assert level == 'WARNING'
    assert 'may open 54 connections' in text
    assert f'of the {allowed} that the database allows' in text
    assert 'max_pool_size + max_overflow' in text


@pytest.mark.parametrize(
    'options', [{'max_pool_size': 0}, {'max_overflow': -1}]
)
def test_no_limit_at_all(said, allowed, options):
    level, text = said(**options)
    assert level == 'WARNING'
    assert 'without limit' in text
    assert f'allows {allowed} in all' in text


def test_the_limit_of_the_user(own_server, said):
    change = LIMITS[own_server.name]
    own_server.sql(change.format(4))
    try:
        level, text = said(max_pool_size=5)
    finally:
        own_server.sql(change.format(NO_LIMITS[own_server.name]))
    assert level == 'WARNING'
    assert 'of the 4 that the database allows' in text


def test_the_limit_that_telemetry_status_reckons_with(own_conf, allowed):
    assert storage.Storage(own_conf).connection_limit() == allowed


def test_connections_of_others_count(own_server, own_conf, said, allowed):
    with full(own_server) as others:
        before = connections(own_server)
        for connection in others[:2]:
            connection.close()
        wait_for(lambda: connections(own_server) == before - 2)
        level, text = said(max_pool_size=4)
    assert level == 'WARNING'
    assert 'may open 4 connections' in text
    assert f' of the {allowed} ' in text
