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
"""What is refused, and what is said, when the service starts."""

import json
import logging
import pathlib
import shutil
import subprocess
import sys

import pytest
from oslo_config import cfg
from telemetry import conf as telemetry_conf
from telemetry.api import deploy
from werkzeug.test import Client

from tests.identity import keystone_service

KEYSTONE = {
    'OS_API__AUTH_STRATEGY': 'keystone',
    'OS_KEYSTONE_AUTHTOKEN__WWW_AUTHENTICATE_URI': 'http://127.0.0.1:9/v3',
    'OS_KEYSTONE_AUTHTOKEN__AUTH_URL': 'http://127.0.0.1:9/v3',
    'OS_KEYSTONE_AUTHTOKEN__AUTH_TYPE': 'password',
}


def set_all(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ('option', 'value', 'message'),
    [
        ('WWW_AUTHENTICATE_URI', None, 'www_authenticate_uri'),
        ('AUTH_TYPE', None, 'auth_type'),
        ('AUTH_TYPE', 'mispelt', 'mispelt'),
        ('AUTH_URL', None, 'auth_url'),
    ],
)
def test_an_option_for_keystone_is_missing(
    build, monkeypatch, option, value, message
):
    name = f'OS_KEYSTONE_AUTHTOKEN__{option}'
    set_all(monkeypatch, KEYSTONE)
    monkeypatch.delenv(name)
    if value:
        monkeypatch.setenv(name, value)
    with pytest.raises(cfg.Error, match=message) as caught:
        build()
    assert 'keystone_authtoken' in str(caught.value)


@pytest.mark.parametrize('content', ['- a list', 'a: b: c', '"x": [1'])
def test_a_policy_file_that_cannot_be_read(build, content):
    file = build().folder / 'policy.yaml'
    file.write_text(content)
    with pytest.raises(cfg.Error, match='policy.yaml'):
        deploy.load(telemetry_conf.load())


def test_a_policy_file_that_is_not_there(build, monkeypatch):
    monkeypatch.setenv('OS_OSLO_POLICY__POLICY_FILE', 'my-policy.yaml')
    with pytest.raises(cfg.Error, match='my-policy.yaml'):
        build()


def test_a_rule_is_kept_by_headers_alone(build):
    application = build()
    shutil.copy(keystone_service.FILES / 'policy.yaml', application.folder)
    client = Client(application)
    for roles, status in (('member', 403), ('service', 400), ('admin', 400)):
        headers = {'X-Project-Id': 'lab', 'X-Roles': roles}
        answer = client.post('/v2/meters/m', json=[], headers=headers)
        assert answer.status_code == status


IMPORTED = """
import json, sys
import telemetry.wsgi
names = 'eventlet', 'keystonemiddleware'
print(json.dumps({name: name in sys.modules for name in names}))
"""


@pytest.mark.parametrize('keystone', [False, True])
def test_the_host_imports_no_more_than_it_needs(tmp_path, keystone):
    done = subprocess.run(
        [
            sys.executable,
            '-c',
            IMPORTED,
        ],
        env={
            'OS_TELEMETRY_CONFIG_DIR': str(tmp_path),
            **(KEYSTONE if keystone else {}),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    *log, names = done.stdout.splitlines()
    assert json.loads(names) == {
        'eventlet': False,
        'keystonemiddleware': keystone,
    }
    assert ('auth_strategy is noauth' in ''.join(log)) != keystone


SECRETS = {
    '[database]\nconnection = mysql+pymysql://u:pass@db/t': 'connection',
    '[polling]\nauth_token = abc': '[polling] auth_token',
    '[keystone_authtoken]\npassword = abc': '[keystone_authtoken] password',
    '[keystone_authtoken]\napplication_credential_id = 1\n'
    'application_credential_secret = abc': ('application_credential_secret'),
}


@pytest.fixture
def warnings(tmp_path, monkeypatch, caplog):
    """Return a function: what is logged at the start for a telemetry.conf."""

    def start(text, mode):
        set_all(monkeypatch, KEYSTONE)
        monkeypatch.setenv('OS_TELEMETRY_CONFIG_DIR', str(tmp_path))
        file = tmp_path / 'telemetry.conf'
        file.write_text(text)
        file.chmod(mode)
        conf = telemetry_conf.load()
        if 'application' in text:
            monkeypatch.setenv(
                'OS_KEYSTONE_AUTHTOKEN__AUTH_TYPE', 'v3applicationcredential'
            )
        deploy.load(conf)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            deploy.warn(conf)
        return caplog.text

    return start


@pytest.mark.parametrize(('text', 'name'), SECRETS.items())
def test_a_file_with_a_secret_that_all_can_read(
    warnings, tmp_path, text, name
):
    said = warnings(text, 0o644)
    assert name in said
    assert f'chmod o-rwx {tmp_path}/telemetry.conf' in said
    assert 'pass@' not in said
    assert 'abc' not in said
    assert warnings(text, 0o640) == ''


def test_a_file_without_a_secret(warnings):
    text = '[database]\nconnection = postgresql://telemetry@/telemetry'
    assert warnings(text, 0o644) == ''


def test_every_answer_is_safe_to_show(build):
    client = Client(build())
    for path in ('/', '/healthcheck', '/v2/samples', '/v2/none'):
        headers = client.get(path).headers
        assert headers['X-Content-Type-Options'] == 'nosniff'
        assert headers['Cache-Control'] == 'no-store'


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--host', '0.0.0.0'], 'lets others in'),  # noqa: S104
        (['--host', '::'], 'lets others in'),
        # These get as far as the missing tables.
        (['--host', '::', '--allow-public-noauth'], 'telemetry-dbsync'),
        (['--host', 'localhost'], 'telemetry-dbsync'),
    ],
)
def test_the_development_server_stays_on_the_loopback(
    tmp_path, arguments, message
):
    done = subprocess.run(
        [
            pathlib.Path(sys.executable).with_name('telemetry-api'),
            *('--port', '0'),
            *arguments,
        ],
        env={
            'OS_TELEMETRY_CONFIG_DIR': str(tmp_path),
            'OS_DATABASE__CONNECTION': f'sqlite:///{tmp_path}/db',
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert message in line
