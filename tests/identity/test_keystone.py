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
"""Tokens of a real Keystone, and the rules of the policy."""

import datetime
import logging
import shutil
import subprocess
import time

import pytest
from keystoneauth1 import adapter, session
from keystoneauth1.identity import v3
from keystoneclient.v3 import client as keystone_client
from telemetry.api import routes
from werkzeug.test import Client

from tests.identity import keystone_service, planted
from tests.requests import ceilometer_client

RULES = list(routes.URL_MAP.iter_rules())
SAMPLE = {
    'counter_name': 'power',
    'counter_type': 'gauge',
    'counter_unit': 'W',
    'counter_volume': 1,
    'resource_id': 'lamp',
}


@pytest.fixture
def client(protected, keystone):
    """A client of an API with samples of blue and of red."""
    return Client(
        protected(planted.own(keystone.blue) + planted.foreign(keystone.red))
    )


@pytest.fixture(scope='session')
def tokens(keystone):
    """Return the tokens of users in their projects."""
    return {
        user: keystone.session(user, project).get_token()
        for user, project in {
            'admin': 'admin',
            'alice': 'blue',
            'bob': 'red',
            'telemetry': 'service',
        }.items()
    }


def get(client, token, path='/v2/samples', **headers):
    return client.get(
        path,
        headers={'X-Auth-Token': token}
        | {name.replace('_', '-'): value for name, value in headers.items()},
    )


def fault(response):
    return response.json['error_message']['faultstring']


def is_refused(response, keystone, text):
    assert response.status_code == 401
    assert text in fault(response)
    assert response.headers['WWW-Authenticate'] == (
        f'Keystone uri="{keystone.url}"'
    )
    return True


@pytest.mark.parametrize('rule', RULES, ids=lambda rule: rule.rule)
@pytest.mark.parametrize('token', [None, 'nonsense'])
def test_without_a_valid_token(client, keystone, rule, token):
    headers = {'X-Auth-Token': token} if token else {}
    for path in planted.paths(rule):
        for method in rule.methods:
            answer = client.open(path, method=method, headers=headers)
            if rule.rule in ('/', '/healthcheck'):
                assert answer.status_code in (200, 204)
            elif method == 'HEAD':
                assert answer.status_code == 401
            else:
                text = 'is not valid' if token else 'needs a token'
                assert is_refused(answer, keystone, text)
            assert planted.MARK not in answer.text


def test_paths_and_methods_come_before_the_token(client):
    assert client.get('/v2/nothing').status_code == 404
    assert client.delete('/v2/samples').status_code == 405


@pytest.mark.parametrize(
    'token', [' ', 'a b', 'x' * 5000, '\u00fc', 'a\x0bb', '\t']
)
def test_a_token_of_odd_characters(client, keystone, token):
    answer = client.get(
        '/v2/samples', environ_overrides={'HTTP_X_AUTH_TOKEN': token}
    )
    assert is_refused(answer, keystone, 'token')


def test_who_sees_what(client, keystone, tokens):
    def projects(token):
        answer = get(client, token)
        assert answer.status_code == 200
        return {sample['project_id'] for sample in answer.json}

    assert projects(tokens['alice']) == {keystone.blue}
    assert projects(tokens['bob']) == {keystone.red}
    assert projects(tokens['admin']) == {keystone.blue, keystone.red}
    # A service is no administrator.
    assert projects(tokens['telemetry']) == set()


def test_an_administrator_of_the_system_needs_no_project(client, keystone):
    auth = v3.Password(
        keystone.url,
        username='admin',
        password=keystone_service.PASSWORD,
        user_domain_id='default',
        system_scope='all',
    )
    answer = get(client, session.Session(auth).get_token())
    assert len(answer.json) == 8


def test_a_service_that_lends_a_token(client, keystone, tokens):
    for service, status in (('telemetry', 200), ('bob', 401)):
        answer = get(client, tokens['alice'], X_Service_Token=tokens[service])
        assert answer.status_code == status
    assert is_refused(answer, keystone, 'is not valid')


def test_a_token_of_no_project(client, keystone):
    token = keystone.session('alice').get_token()
    assert is_refused(get(client, token), keystone, 'no project')


FAKES = {
    'X-Roles': 'admin',
    'X-Role': 'admin',
    'X-Project-Id': 'red',
    'X-Tenant-Id': 'red',
    'X-Tenant': 'red',
    'X-User-Id': 'bob',
    'X-Identity-Status': 'Confirmed',
    'X-Is-Admin-Project': 'True',
    'X-Service-Roles': 'admin,service',
    'X-Service-Identity-Status': 'Confirmed',
    'OpenStack-System-Scope': 'all',
}


@pytest.mark.parametrize('separator', '-_')
def test_identity_headers_of_a_client_give_nothing(
    api, keystone, tokens, separator
):
    fakes = {
        name.replace('-', separator): value.replace('red', keystone.red)
        for name, value in FAKES.items()
    }
    url = f'{api.base_url}/v2/meters/faked'
    with api.session() as http:
        for user, status in (('bob', 201), ('alice', 201)):
            posted = http.post(
                url,
                json=[SAMPLE | {'counter_name': 'faked'}],
                headers=fakes | {'X-Auth-Token': tokens[user]},
            )
            assert posted.status_code == status
        (sample,) = posted.json()
        assert sample['project_id'] == keystone.blue
        assert sample['user_id'] == keystone.alice
        found = http.get(
            url, headers=fakes | {'X-Auth-Token': tokens['alice']}
        )
        assert {item['project_id'] for item in found.json()} == {keystone.blue}
        assert http.get(url, headers=fakes).status_code == 401


def test_clients_find_the_api_in_the_catalog(api, keystone):
    found = adapter.Adapter(
        keystone.session('alice', 'blue'),
        service_type='metering',
        interface='public',
    )
    found.post('/v2/meters/power', json=[SAMPLE])
    assert found.get_endpoint() == api.base_url
    assert [
        item['project_id'] for item in found.get('/v2/meters/power').json()
    ]
    done = subprocess.run(
        [ceilometer_client.COMMAND, 'meter-list'],
        env=keystone.environ('alice', 'blue'),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert 'power' in done.stdout, done.stderr
    assert keystone.blue in done.stdout


def test_the_check_of_the_guide(api, keystone):
    done = subprocess.run(
        ['sh', keystone_service.FILES / 'check.sh'],
        env=keystone.tools(api.base_url) | keystone.environ('bob', 'red'),
        capture_output=True,
        text=True,
        timeout=120,
    )
    first, *meters, last = done.stdout.splitlines()
    assert first == 'without a token: 401', done.stderr
    assert last == 'with a token: 200'
    assert keystone.blue not in ''.join(meters)


def test_a_token_that_expires(client, keystone):
    own = keystone_client.Client(session=keystone.session('alice', 'blue'))
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=8)
    # Keystone keeps whole seconds.
    end = end.replace(microsecond=0)
    credential = own.application_credentials.create(
        'short', expires_at=end.replace(tzinfo=None)
    )
    token = session.Session(
        v3.ApplicationCredential(
            keystone.url,
            application_credential_id=credential.id,
            application_credential_secret=credential.secret,
        )
    ).get_token()
    assert get(client, token).status_code == 200
    limit = time.monotonic() + 60
    while (answer := get(client, token)).status_code == 200:
        assert time.monotonic() < limit
        time.sleep(0.2)
    assert datetime.datetime.now(datetime.UTC) >= end
    assert is_refused(answer, keystone, 'has expired')


def test_a_token_is_asked_about_once(client, keystone):
    token = keystone.session('alice', 'blue').get_token()
    asked = keystone.validations()
    assert get(client, token).status_code == 200
    assert keystone.validations() == asked + 1
    keystone.admin.tokens.revoke_token(token)
    # As the guide warns.
    assert get(client, token).status_code == 200
    assert keystone.validations() == asked + 1


def test_a_revoked_token_without_the_cache(protected, keystone, monkeypatch):
    monkeypatch.setenv('OS_KEYSTONE_AUTHTOKEN__TOKEN_CACHE_TIME', '-1')
    client = Client(protected())
    token = keystone.session('alice', 'blue').get_token()
    assert get(client, token).status_code == 200
    keystone.admin.tokens.revoke_token(token)
    assert is_refused(get(client, token), keystone, 'is not valid')


@pytest.mark.parametrize(
    ('option', 'value'),
    [('AUTH_URL', 'http://127.0.0.1:9/v3'), ('PASSWORD', 'wrong')],
)
def test_when_keystone_cannot_be_asked(
    protected, monkeypatch, tokens, caplog, option, value
):
    client = protected()
    monkeypatch.setenv(f'OS_KEYSTONE_AUTHTOKEN__{option}', value)
    client = Client(protected())
    with caplog.at_level(logging.CRITICAL):
        answer = get(client, tokens['alice'])
    assert answer.status_code == 503
    assert 'Keystone' in fault(answer)
    assert answer.json['error_message']['faultcode'] == 'Server'
    assert 'Unable to validate token' in caplog.text
    assert get(client, tokens['alice'], '/').status_code == 200


def test_a_policy_file_changes_a_rule(protected, tokens):
    application = protected()
    client = Client(application)

    def post(user):
        return client.post(
            '/v2/meters/power',
            json=[SAMPLE],
            headers={'X-Auth-Token': tokens[user]},
        )

    assert post('alice').status_code == 201
    # It needs no new start.
    shutil.copy(keystone_service.FILES / 'policy.yaml', application.folder)
    answer = post('alice')
    assert answer.status_code == 403
    assert fault(answer) == (
        'The policy telemetry:create_samples does not allow this.'
    )
    assert post('telemetry').status_code == 201
    assert post('admin').status_code == 201
    assert len(get(client, tokens['alice']).json) == 1


def test_posting_for_another_project(client, keystone, tokens):
    for user, status in (('alice', 400), ('admin', 201)):
        answer = client.post(
            '/v2/meters/power',
            json=[SAMPLE | {'project_id': keystone.red}],
            headers={'X-Auth-Token': tokens[user]},
        )
        assert answer.status_code == status
