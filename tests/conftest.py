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
"""Configurations and applications on databases of their own."""

import contextlib
import functools
import pathlib

import databases
import pytest
from telemetry import conf as telemetry_conf
from telemetry.api import deploy
from xdist.scheduler import loadscope

# Modules that hold assertions and no tests of their own.
pytest.register_assert_rewrite('tests.requests.ceilometer_client')


#: These folders take minutes, the longest first.
LONG = [
    'hosts',
    'telemetry',
    'doc',
    'comparison',
    'troubleshooting',
    'identity',
    'databases',
    'audit',
    'move',
    'experiments',
]


def pytest_collection_modifyitems(items):
    """The longest folders are the first: all processes end together then."""
    here = pathlib.Path(__file__).parent

    def place(item):
        folder = item.path.relative_to(here).parts[0]
        return LONG.index(folder) if folder in LONG else len(LONG)

    items.sort(key=place)


class Folders(loadscope.LoadScopeScheduling):
    """Let processes share the tests, but none the tests of a folder.

    So a folder starts its servers once, and its own results are in one
    place. The mark ``xdist_group`` would say the same, but pytest-xdist 3.8
    does not hear it with pytest 9.2.
    """

    def _split_scope(self, nodeid):
        return nodeid.split('/')[1]


def pytest_xdist_make_scheduler(config, log):
    return Folders(config, log)


@pytest.fixture(scope='session')
def database_server(tmp_path_factory):
    """Return a function: the running server of a name, started once."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def start(name):
            server = databases.find()[name](tmp_path_factory.mktemp(name))
            return stack.enter_context(server)

        yield start


@pytest.fixture
def connection(tmp_path):
    return f'sqlite:///{tmp_path}/telemetry.sqlite'


@pytest.fixture
def conf(connection, monkeypatch, tmp_path):
    monkeypatch.setenv('OS_TELEMETRY_CONFIG_DIR', str(tmp_path))
    monkeypatch.setenv('OS_DATABASE__CONNECTION', connection)
    return telemetry_conf.load()


@pytest.fixture
def application(conf):
    return deploy.load(conf)
