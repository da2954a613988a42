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
"""Links lead to where the caller came from."""

import json

import pytest
from telemetry import conf as telemetry_conf
from telemetry.api import deploy
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app

FORWARDED = {
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'cloud.example:8443',
    'X-Forwarded-Prefix': '/telemetry',
}


def _link(client, **kwargs):
    document = client.get('/', **kwargs).json
    return document['versions']['values'][0]['links'][0]['href']


def test_under_a_prefix(client):
    link = _link(client, base_url='https://cloud.example/some/prefix')
    assert link == 'https://cloud.example/some/prefix/v2'


def test_a_proxy_is_not_believed(client):
    assert _link(client, headers=FORWARDED) == 'http://localhost/v2'


@pytest.mark.parametrize(
    ('headers', 'link'),
    [
        (FORWARDED, 'https://cloud.example:8443/telemetry/v2'),
        (
            {'Forwarded': 'for=192.0.2.1;proto=https;host=cloud.example'},
            'https://cloud.example/v2',
        ),
        ({}, 'http://localhost/v2'),
    ],
)
def test_a_proxy_that_the_operator_trusts(conf, monkeypatch, headers, link):
    monkeypatch.setenv(
        'OS_OSLO_MIDDLEWARE__ENABLE_PROXY_HEADERS_PARSING', 'true'
    )
    client = Client(deploy.load(telemetry_conf.load()))
    assert _link(client, headers=headers) == link


def test_without_a_host_header(application):
    environ = EnvironBuilder(base_url='http://192.0.2.7:8777').get_environ()
    del environ['HTTP_HOST']
    body, _, _ = run_wsgi_app(application, environ, buffered=True)
    document = json.loads(b''.join(body))
    link = document['versions']['values'][0]['links'][0]['href']
    assert link == 'http://192.0.2.7:8777/v2'


def test_an_id_that_ends_in_a_slash(client):
    for key in ('host/', 'host'):
        client.post(
            '/v2/meters/load',
            json=[
                {
                    'counter_name': 'load',
                    'counter_type': 'gauge',
                    'counter_unit': 'process',
                    'counter_volume': 1,
                    'resource_id': key,
                }
            ],
        )
    for resource in client.get('/v2/resources').json:
        found = client.get(resource['links'][0]['href'])
        assert found.json['resource_id'] == resource['resource_id']
