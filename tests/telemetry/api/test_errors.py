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
"""Every failure becomes an answer with an error body."""

import logging

import pytest
from telemetry import conf as telemetry_conf
from telemetry import storage
from telemetry.api import deploy, routes
from telemetry.storage import errors as storage_errors
from werkzeug.test import Client


def _fault(response):
    return response.json['error_message']


@pytest.mark.parametrize(
    'rule', list(routes.URL_MAP.iter_rules()), ids=lambda rule: rule.rule
)
def test_each_route_refuses_other_methods(client, rule):
    path = rule.rule.translate({ord('<'): '', ord('>'): '', ord(':'): ''})
    response = client.open(path, method='PATCH')
    assert response.status_code == 405
    assert rule.methods <= set(response.allow.as_set(True))
    assert 'PATCH' in _fault(response)['faultstring']


def test_without_a_schema(application):
    response = Client(application).get('/v2/meters')
    assert response.status_code == 503
    assert _fault(response)['faultcode'] == 'Server'
    assert 'telemetry-dbsync' in _fault(response)['faultstring']
    response = Client(application).get('/healthcheck')
    assert response.status_code == 503
    assert 'telemetry-dbsync' in response.text


def test_without_a_database(monkeypatch, tmp_path):
    monkeypatch.setenv(
        'OS_DATABASE__CONNECTION', f'sqlite:///{tmp_path}/none/secret.sqlite'
    )
    monkeypatch.setenv('OS_DATABASE__MAX_RETRIES', '0')
    client = Client(deploy.load(telemetry_conf.load()))
    response = client.get('/v2/meters')
    assert response.status_code == 503
    assert _fault(response)['faultcode'] == 'Server'
    assert 'secret' not in response.text
    response = client.get(
        '/healthcheck', headers={'Accept': 'application/json'}
    )
    assert response.status_code == 503
    assert response.json['reasons'] == ['The database does not answer']
    assert client.head('/healthcheck').status_code == 503


def test_an_unexpected_error(client, monkeypatch, caplog):
    def fail(*args, **kwargs):
        raise RuntimeError('secret')

    monkeypatch.setattr(storage.Storage, 'meters', fail)
    with caplog.at_level(logging.ERROR, 'telemetry'):
        response = client.get('/v2/meters')
    assert response.status_code == 500
    assert _fault(response)['faultcode'] == 'Server'
    key = response.headers['x-openstack-request-id']
    assert key in _fault(response)['faultstring']
    assert 'secret' not in response.text
    assert key in caplog.text
    assert 'RuntimeError: secret' in caplog.text


def test_storage_refuses_a_filter(client, monkeypatch):
    def fail(*args, **kwargs):
        raise storage_errors.FilterError('colour', 'no such field')

    monkeypatch.setattr(storage.Storage, 'samples', fail)
    response = client.get('/v2/samples')
    assert response.status_code == 400
    assert 'colour' in _fault(response)['faultstring']


def test_an_error_in_xml_without_what_xml_cannot_hold(client):
    response = client.get(
        '/v2/samples/%01', headers={'Accept': 'application/xml'}
    )
    assert response.status_code == 404
    assert '<faultstring>Sample \ufffd Not Found</faultstring>' in (
        response.text
    )


@pytest.mark.parametrize('path', ['/v2/meters/\xff', '/\xff'])
def test_a_path_that_is_not_utf8(client, path):
    response = client.get('/', environ_overrides={'PATH_INFO': path})
    assert response.status_code == 400
    assert 'UTF-8' in _fault(response)['faultstring']


@pytest.mark.parametrize(
    'path',
    [
        '/v2/meters/%00',
        '/v2/meters/%00/statistics',
        '/v2/samples/%00',
        '/v2/resources/%00',
        '/v2/meters?q.field=metadata.%00&q.value=1',
        '/v2/meters/a/statistics?groupby=metadata.%00',
    ],
)
def test_nul_characters(client, path):
    response = client.get(path)
    assert response.status_code == 400
    assert 'NUL' in _fault(response)['faultstring']


@pytest.mark.parametrize('host', ['<a>', 'a b'])
def test_a_host_that_is_not_one(client, host):
    response = client.get('/', environ_overrides={'HTTP_HOST': host})
    assert response.status_code == 400
    assert 'Host' in _fault(response)['faultstring']


def test_an_upgrade_that_is_not_taken(client):
    response = client.get(
        '/', headers={'Connection': 'upgrade', 'Upgrade': 'websocket'}
    )
    assert response.status_code == 200


def test_many_arguments(client):
    response = client.get('/v2/samples?' + 'limit=1&' * 1001)
    assert response.status_code == 400
    assert 'more than 1000' in _fault(response)['faultstring']


def test_every_answer_has_its_length(client):
    for path in ('/', '/v2/meters', '/v2/nothing', '/healthcheck'):
        response = client.get(path)
        assert response.content_length == len(response.data), path
        assert client.head(path).data == b''
