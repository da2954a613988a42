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
"""Applications on databases of their own, and a real Keystone for all."""

import shutil

import pytest
from hosts import uwsgi
from telemetry import conf as telemetry_conf
from telemetry import storage
from telemetry.api import deploy

from tests.identity import keystone_service


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Return a function that makes an application on a new database.

    It takes the samples in the database and the files of the guide to put
    into telemetry.conf.d.
    """

    def make(samples=(), files=()):
        folder = tmp_path / f'telemetry {len(list(tmp_path.iterdir()))}'
        parts = folder / 'telemetry.conf.d'
        parts.mkdir(parents=True)
        (folder / 'telemetry.conf').write_text(
            f'[database]\nconnection = sqlite:///{folder}/db\n'
        )
        for file in files:
            shutil.copy(keystone_service.FILES / file, parts)
        monkeypatch.setenv('OS_TELEMETRY_CONFIG_DIR', str(folder))
        conf = telemetry_conf.load()
        store = storage.Storage(conf)
        store.upgrade()
        if samples:
            store.add_samples(samples)
        application = deploy.load(conf)
        application.folder, application.store = folder, store
        return application

    return make


@pytest.fixture(scope='session')
def served(tmp_path_factory):
    """Return a host for an API that asks Keystone, which is not started.

    Of all hosts this one lets the most headers of clients through.
    """
    folder = tmp_path_factory.mktemp('served')
    folder.chmod(0o777)
    return uwsgi.UWSGI('telemetry.wsgi:application', folder)


@pytest.fixture(scope='session')
def keystone(tmp_path_factory, served):
    """Return a Keystone with the users admin, alice, bob and telemetry.

    alice is a member of the project blue, bob of red.
    """
    folder = tmp_path_factory.mktemp('keystone')
    with keystone_service.Keystone(folder) as running:
        running.alice, running.blue = running.add_user('alice', 'blue')
        running.bob, running.red = running.add_user('bob', 'red')
        running.register(served.base_url)
        yield running


@pytest.fixture(scope='session')
def api(keystone, served):
    """Return the running API of the host, with the files of the guide."""
    parts = served.root / 'telemetry.conf.d'
    parts.mkdir()
    shutil.copy(keystone_service.FILES / 'keystone.conf', parts)
    connection = f'sqlite:///{served.root}/db'
    served.environ |= keystone.options() | {
        'OS_TELEMETRY_CONFIG_DIR': str(served.root),
        'OS_DATABASE__CONNECTION': connection,
    }
    conf = telemetry_conf.new()
    conf([], default_config_files=[], default_config_dirs=[])
    conf.set_override('connection', connection, 'database')
    storage.Storage(conf).upgrade()
    (served.root / 'db').chmod(0o666)
    with served:
        yield served


@pytest.fixture
def protected(build, keystone, monkeypatch):
    """Return a function that makes an application which asks Keystone."""
    for option, value in keystone.options().items():
        monkeypatch.setenv(option, value)

    def make(samples=()):
        return build(samples, files=['keystone.conf'])

    return make
