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
"""Reading the configuration."""

import pytest
from oslo_config import cfg
from telemetry import conf as telemetry_conf


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv('OS_TELEMETRY_CONFIG_DIR', str(tmp_path))
    return tmp_path


def test_defaults_without_a_file():
    conf = telemetry_conf.load()
    assert (conf.api.host, conf.api.port) == ('127.0.0.1', 8777)
    assert (conf.api.default_limit, conf.api.sample_source) == (
        100,
        'openstack',
    )
    assert conf.api.threads is None
    assert conf.database.connection == (
        'sqlite:////var/lib/telemetry/telemetry.sqlite'
    )
    assert not conf.oslo_middleware.enable_proxy_headers_parsing


def test_file_then_parts_then_environment(directory, monkeypatch):
    (directory / 'telemetry.conf').write_text(
        '[api]\nport = 1\nworkers = 2\ndefault_limit = 3\n'
    )
    parts = directory / 'telemetry.conf.d'
    parts.mkdir()
    (parts / 'local.conf').write_text('[api]\nworkers = 20\nport = 10\n')
    monkeypatch.setenv('OS_API__PORT', '100')
    conf = telemetry_conf.load()
    assert (conf.api.port, conf.api.workers, conf.api.default_limit) == (
        100,
        20,
        3,
    )


def test_the_command_line_of_the_process_is_not_read(monkeypatch):
    monkeypatch.setattr('sys.argv', ['host', '--config-file', '/missing'])
    assert telemetry_conf.load().config_file == []


@pytest.mark.parametrize(
    ('variable', 'value'),
    [
        ('OS_API__PORT', '99999'),
        ('OS_API__WORKERS', '0'),
        ('OS_API__MAX_LIMIT', '-1'),
        ('OS_API__THREADS', 'some'),
        ('OS_API__MAX_REQUEST_BODY_SIZE', 'large'),
        ('OS_DATABASE__MAX_POOL_SIZE', 'five'),
    ],
)
def test_a_bad_value_is_named_when_loading(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    option = variable.partition('__')[2].lower()
    with pytest.raises(cfg.Error, match=f'option {option} .*{variable}'):
        telemetry_conf.load()


def test_a_bad_file_is_named(directory):
    file = directory / 'telemetry.conf'
    file.write_text('port 8777\n')
    with pytest.raises(cfg.Error, match=str(file)):
        telemetry_conf.load()


def test_every_option_is_explained_and_registered():
    conf = telemetry_conf.new()
    for group, opts in telemetry_conf.list_opts():
        for opt in opts:
            assert opt.help, f'[{group}] {opt.name}'
            conf.import_opt(opt.name, 'telemetry.conf', group)


def test_configurations_are_independent():
    one, other = telemetry_conf.load(), telemetry_conf.load()
    one.set_override('port', 5, 'api')
    assert other.api.port == 8777
