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
"""What load balancers see: alive, ready, and told to stay away."""

import pytest
from telemetry import conf as telemetry_conf
from telemetry import storage
from telemetry.api import deploy
from werkzeug.test import Client


@pytest.fixture
def client(conf, tmp_path, monkeypatch):
    """A client of an API that the file ``drain`` disables."""
    monkeypatch.setenv(
        'OS_HEALTHCHECK__BACKENDS', 'telemetry_storage,disable_by_file'
    )
    monkeypatch.setenv(
        'OS_HEALTHCHECK__DISABLE_BY_FILE_PATH', str(tmp_path / 'drain')
    )
    return Client(deploy.load(telemetry_conf.load()))


def statuses(client):
    return {
        path: client.get(path).status_code
        for path in ('/', '/healthcheck', '/v2/meters')
    }


def test_alive_before_it_is_ready(client, conf):
    """Without its tables."""
    assert statuses(client) == {
        '/': 200,
        '/healthcheck': 503,
        '/v2/meters': 503,
    }
    storage.Storage(conf).upgrade()
    assert statuses(client) == {
        '/': 200,
        '/healthcheck': 200,
        '/v2/meters': 200,
    }


def test_who_drains_still_answers(client, conf, tmp_path):
    storage.Storage(conf).upgrade()
    drain = tmp_path / 'drain'
    drain.touch()
    assert statuses(client) == {
        '/': 200,
        '/healthcheck': 503,
        '/v2/meters': 200,
    }
    assert 'DISABLED BY FILE' in client.get('/healthcheck').text
    assert client.head('/healthcheck').status_code == 503
    drain.unlink()
    assert client.get('/healthcheck').status_code == 200
