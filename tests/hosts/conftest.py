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

"""Hosts that run, each with an application, once for all tests."""

import contextlib
import pathlib

import databases
import hosts
import pytest
from telemetry import conf as telemetry_conf
from telemetry import storage

from tests.hosts import found

HOSTS = hosts.find()
# In the environment of the host, and to stay there.
UNTOLD = 'not-for-clients'


def pytest_addoption(parser):
    parser.addoption(
        '--write-support-matrix',
        action='store_true',
        help='write what the hosts do into examples/hosts/'
        'support-matrix.json, instead of comparing it with what is there',
    )


def pytest_configure(config):
    config.addinivalue_line(
        'markers', 'behaviour(name): a line of the support matrix'
    )
    config.stash[found.KEY] = found.Found()


def pytest_collection_modifyitems(config, items):
    """A behaviour that a host says it cannot have must really be missing.

    The same check must then fail: xfail is strict in this project.
    """
    for item in items:
        if mark := item.get_closest_marker('behaviour'):
            config.stash[found.KEY].expect(mark.args[0], item.function)
            cannot = HOSTS[item.callspec.params['host']].cannot
            if reason := cannot.get(mark.args[0]):
                item.add_marker(pytest.mark.xfail(reason=reason))
    # The results are compared when they are there.
    items.sort(key=lambda item: item.path.stem == 'test_support_matrix')


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    mark = item.get_closest_marker('behaviour')
    if mark and report.when == 'call':
        item.config.stash[found.KEY].add(
            item.callspec.params['host'], mark.args[0], report.outcome
        )
    return report


@pytest.fixture(scope='session', params=HOSTS)
def host(request):
    """The class of a host: each test runs on all of them."""
    return HOSTS[request.param]


@pytest.fixture(scope='session')
def start(host, tmp_path_factory):
    """Start the host with one of the applications in this folder."""

    @contextlib.contextmanager
    def start(application='applications:application', **options):
        root = tmp_path_factory.mktemp(host.name)
        folder = pathlib.Path(__file__).parent
        with host(application, root, python_path=[folder], **options) as one:
            yield one

    return start


@pytest.fixture(scope='session')
def server(start, request):
    """A running host with the application of ``applications.py``."""
    with start(environ={'TELEMETRY_SECRET': UNTOLD}) as server:
        request.config.stash[found.KEY].versions[server.name] = {
            **server.versions(),
            'Python': server.get('/').json()['python'],
        }
        yield server


def make_tables(connection):
    """Make the schema in a new database."""
    conf = telemetry_conf.new()
    conf([], default_config_files=[], default_config_dirs=[])
    conf.set_override('connection', connection, 'database')
    storage.Storage(conf).upgrade()


@pytest.fixture(scope='session')
def database(host, tmp_path_factory):
    """The URL of a new database with the schema in it."""
    folder = tmp_path_factory.mktemp('database')
    connection = f'sqlite:///{folder}/telemetry.sqlite'
    make_tables(connection)
    return connection


@pytest.fixture(scope='session')
def postgresql(tmp_path_factory):
    """A PostgreSQL of these tests, with the schema, to stop and start."""
    make = databases.find()['postgresql']
    with make(tmp_path_factory.mktemp('postgresql')) as server:
        make_tables(server.url)
        yield server


@pytest.fixture(scope='session')
def start_telemetry(start, tmp_path_factory):
    """Start the host with the telemetry API on a database."""

    def start_telemetry(database, **options):
        environ = {
            'OS_DATABASE__CONNECTION': database,
            'OS_TELEMETRY_CONFIG_DIR': str(tmp_path_factory.mktemp('etc')),
        }
        return start('telemetry.wsgi:application', environ=environ, **options)

    return start_telemetry


@pytest.fixture(scope='session')
def telemetry(start_telemetry, database):
    """A running host with the telemetry API."""
    with start_telemetry(database) as server:
        yield server
