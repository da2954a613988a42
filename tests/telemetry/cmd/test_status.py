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
"""telemetry-status: each check and each rule finds a planted fault."""

import json
import os
import pathlib
import re
import subprocess
import sys

import psutil
import pytest
from telemetry import conf, storage
from telemetry.cmd import status
from telemetry.status import checks, host_files, rules

HOSTS = pathlib.Path(checks.__file__).parents[2] / 'hosts'
#: The files that a rule for a kind of host is tried on.
SAMPLES = {
    'uwsgi': ['uwsgi/telemetry-api.ini'],
    'gunicorn': ['gunicorn/gunicorn.conf.py'],
    'apache': [
        'apache_mod_wsgi/telemetry-api.conf',
        'apache_uwsgi/telemetry-api.conf',
    ],
    'nginx': ['nginx_uwsgi', 'nginx_gunicorn'],
}
#: Faults that are not just a missing directive: a line to add.
PLANTED = {
    ('uwsgi', 'thunder-lock'): 'thunder-lock = true',
    ('uwsgi', 'harakiri'): 'harakiri = 60',
    ('uwsgi', 'gevent'): 'gevent = 100',
    ('gunicorn', 'worker_class'): "worker_class = 'eventlet'",
    ('gunicorn', 'forwarded_allow_ips'): "forwarded_allow_ips = '*'",
    ('gunicorn', 'timeout'): 'timeout = 0',
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A new installation, in which nothing has to be done."""
    config = tmp_path / 'etc'
    config.mkdir()
    file = config / 'telemetry.conf'
    file.write_text(
        f'[database]\nconnection = sqlite:///{tmp_path}/telemetry.sqlite\n'
    )
    monkeypatch.setenv('OS_TELEMETRY_CONFIG_DIR', str(config))
    others = set(psutil.pids())

    def started_since(attributes):
        """Give what this test has started: others may run servers, too."""
        for process in psutil.Process().children(recursive=True):
            if process.pid not in others:
                process.info = process.as_dict(attributes)
                yield process

    monkeypatch.setattr(psutil, 'process_iter', started_since)
    monkeypatch.setattr(checks, 'UNITS', (tmp_path / 'units',))
    (tmp_path / 'units').mkdir()
    store = storage.Storage(conf.load())
    store.upgrade()
    store.close()
    return tmp_path


@pytest.fixture
def check(place, capsys):
    """A function that runs the command.

    It returns the exit status, and the result and details of each check.
    """

    def check(*files):
        arguments = [f'--host-config={file}' for file in files]
        code = status.main([*arguments, 'upgrade', 'check', '--json'])
        found = json.loads(capsys.readouterr().out)
        return code, {
            each['check']: (each['result'], each['details'] or '')
            for each in found['checks']
        }

    return check


def sample(folder, name):
    """Copy a sample into a folder as the guide says, and return its path."""
    source = HOSTS / name
    if not source.is_dir():
        copy = folder / source.name
        copy.write_text(source.read_text())
        return copy
    # As in /etc/nginx: a site, and what it includes from above it.
    site = folder / 'conf.d' / 'telemetry-api.conf'
    site.parent.mkdir()
    site.write_text((HOSTS / 'nginx' / site.name).read_text())
    for file in (
        HOSTS / 'nginx' / 'telemetry-api.local',
        source / 'telemetry-api.backend',
        pathlib.Path('/etc/nginx/uwsgi_params'),
    ):
        (folder / file.name).write_text(file.read_text())
    (folder / 'nginx.conf').write_text('http { include conf.d/*.conf; }\n')
    return site


def without(file, names):
    """Take directives out of the files of a sample; False: there are none."""
    found = False
    for path in [file, *file.parent.parent.glob('telemetry-api.*')]:
        text = path.read_text()
        for name in names:
            directive, _, option = name.partition(' ')
            pattern = rf'^\s*{re.escape(directive)}\b[^\n]*\n'
            if option:
                pattern = rf'\b{re.escape(option)}=\S+'
            text, count = re.subn(
                pattern, '', text, flags=re.MULTILINE | re.IGNORECASE
            )
            found = found or count > 0
        path.write_text(text)
    return found


ALL_SAMPLES = [
    (host, name) for host, names in SAMPLES.items() for name in names
]


@pytest.mark.parametrize(('host', 'name'), ALL_SAMPLES)
def test_the_samples_of_the_guide_have_what_it_calls_necessary(
    check, tmp_path, host, name
):
    file = sample(tmp_path, name)
    assert host_files.read(file).host == host
    code, found = check(file)
    assert found['Configuration of the WSGI host'] == (0, '')
    assert code == 0


@pytest.mark.parametrize(
    'rule', rules.RULES, ids=lambda rule: f'{rule.host}-{rule.names[0]}'
)
def test_each_rule_finds_its_fault_in_a_sample(check, tmp_path, rule):
    tried = 0
    for name in SAMPLES[rule.host]:
        folder = tmp_path / name.replace('/', '-')
        folder.mkdir()
        file = sample(folder, name)
        parsed = host_files.read(file)
        if not rule.where(parsed):
            continue
        line = PLANTED.get((rule.host, rule.names[0]))
        if line:
            file.write_text(f'{file.read_text()}\n{line}\n')
        elif rule.names == ('uwsgi_param',):
            backend = folder / 'telemetry-api.backend'
            text = re.sub('.*uwsgi_param.*\n', '', backend.read_text())
            backend.write_text(text)
        elif not without(file, rule.names):
            continue
        tried += 1
        code, found = check(file)
        result, details = found['Configuration of the WSGI host']
        assert (code, result) == (1, 1)
        assert f'{file}' in details
        assert rule.names[0] in details
        assert rule.why in details
        assert rule.page in details
    assert tried, 'no sample has this directive'


@pytest.mark.parametrize('line', ['harakiri = 60', 'thunder-lock = true'])
def test_one_thread_may_have_what_several_may_not(check, tmp_path, line):
    file = sample(tmp_path, 'uwsgi/telemetry-api.ini')
    text = file.read_text().replace('threads = 4', 'threads = 1')
    file.write_text(f'{text}\n{line}\n')
    assert check(file)[0] == 0


def test_threads_that_the_environment_gives_may_be_several(check, tmp_path):
    file = sample(tmp_path, 'uwsgi/telemetry-api.ini')
    text = file.read_text().replace('threads = 4', 'threads = $(THREADS)')
    file.write_text(f'{text}\nharakiri = 60\n')
    _, found = check(file)
    assert 'harakiri' in found['Configuration of the WSGI host'][1]


@pytest.mark.parametrize(
    ('backend', 'setting', 'name'),
    [
        ('nginx_gunicorn', 'proxy_set_header', 'Host'),
        ('nginx_gunicorn', 'proxy_set_header', 'X-Forwarded-Proto'),
        ('nginx_uwsgi', 'uwsgi_param', 'HTTP_X_FORWARDED_PROTO'),
    ],
)
def test_nginx_has_to_replace_what_clients_say_of_themselves(
    check, tmp_path, backend, setting, name
):
    file = sample(tmp_path, backend)
    text = (tmp_path / 'telemetry-api.backend').read_text()
    changed = re.sub(rf'.*{setting} {name} .*\n', '', text)
    assert changed != text
    (tmp_path / 'telemetry-api.backend').write_text(changed)
    _, found = check(file)
    result, details = found['Configuration of the WSGI host']
    assert result == 1
    assert f'{setting} {name} is missing' in details


@pytest.mark.parametrize(
    'page',
    sorted(
        {rule.page for rule in rules.RULES}
        | {'admin/leave-eventlet', 'admin/option-names'}
    ),
)
def test_the_pages_that_findings_name_exist(page):
    source = HOSTS.parents[1] / 'doc' / 'source'
    assert (source / f'{page}.rst').is_file()


def test_a_file_that_is_no_host_configuration_is_named(check, tmp_path):
    for name, text in {'a.txt': 'hello', 'b.py': 'x = (', 'c': None}.items():
        file = tmp_path / name
        if text is not None:
            file.write_text(text)
        code, found = check(file)
        assert code == 2
        result, details = found['Configuration of the WSGI host']
        assert (result, str(file) in details) == (2, True)


def test_an_nginx_file_whose_include_is_gone_is_a_failure(check, tmp_path):
    file = sample(tmp_path, 'nginx_uwsgi')
    (tmp_path / 'telemetry-api.backend').unlink()
    _, found = check(file)
    result, details = found['Configuration of the WSGI host']
    assert result == 2
    assert 'telemetry-api.backend' in details


def test_without_any_host_file_the_option_is_named(check, monkeypatch):
    monkeypatch.setattr(checks, 'HOST_CONFIGS', ())
    code, found = check()
    result, details = found['Configuration of the WSGI host']
    assert (code, result) == (1, 1)
    assert '--host-config' in details


def test_the_usual_places_are_read_by_themselves(check, tmp_path, monkeypatch):
    file = sample(tmp_path, 'uwsgi/telemetry-api.ini')
    file.write_text(file.read_text().replace('need-app = true', ''))
    monkeypatch.setattr(checks, 'HOST_CONFIGS', (str(file),))
    _, found = check()
    assert 'need-app' in found['Configuration of the WSGI host'][1]


def test_options_of_eventlet_servers_are_found(check, place):
    ini = sample(place, 'uwsgi/telemetry-api.ini')
    file = place / 'etc' / 'telemetry.conf'
    file.write_text(
        f'[DEFAULT]\nwsgi_default_pool_size = 100\n{file.read_text()}'
    )
    code, found = check(ini)
    result, details = found['Options of eventlet servers']
    assert (code, result) == (1, 1)
    assert str(file) in details
    assert 'wsgi_default_pool_size' in details
    assert 'processes and threads of the host' in details
    assert 'admin/option-names' in details


def test_tables_that_are_not_there_are_a_failure(check, place):
    (place / 'telemetry.sqlite').unlink()
    code, found = check(sample(place, 'uwsgi/telemetry-api.ini'))
    result, details = found['Tables of the database']
    assert (code, result) == (2, 2)
    assert 'telemetry-dbsync' in details


def test_a_database_that_does_not_answer_is_a_failure(check, place):
    (place / 'etc' / 'telemetry.conf').write_text(
        '[database]\nconnection = postgresql+psycopg://x@127.0.0.1:1/x\n'
    )
    code, found = check(sample(place, 'uwsgi/telemetry-api.ini'))
    assert code == 2
    for name in ('Tables of the database', 'Connections to the database'):
        assert found[name][0] == 2
        assert '127.0.0.1:1' in found[name][1]


@pytest.mark.parametrize(
    ('limit', 'options', 'result', 'words'),
    [
        (10, 'max_pool_size = 5', 0, ''),
        (9, 'max_pool_size = 5', 2, 'may open 10, and the database allows 9'),
        (10, 'max_pool_size = 4\nmax_overflow = 2', 2, 'may open 12'),
        (10, 'max_pool_size = 0', 2, 'without end'),
        (None, 'max_pool_size = 0', 0, ''),
    ],
)
def test_processes_times_pool_has_to_fit(
    check, place, monkeypatch, limit, options, result, words
):
    monkeypatch.setattr(
        storage.Storage, 'connection_limit', lambda self: limit
    )
    file = place / 'etc' / 'telemetry.conf'
    file.write_text(f'{file.read_text()}{options}\n')
    # Two processes.
    _, found = check(sample(place, 'uwsgi/telemetry-api.ini'))
    assert found['Connections to the database'][0] == result
    assert words in found['Connections to the database'][1]


@pytest.mark.parametrize(
    ('name', 'change', 'processes'),
    [
        ('uwsgi/telemetry-api.ini', ('processes = 2', 'processes = 7'), 7),
        (
            'uwsgi/telemetry-api.ini',
            ('processes = 2', 'workers = %k'),
            os.cpu_count(),
        ),
        (
            'uwsgi/telemetry-api.ini',
            ('processes = 2', 'set-ph = n=3\nprocesses = %(n)'),
            3,
        ),
        ('gunicorn/gunicorn.conf.py', ('workers = 2', 'workers = 7'), 7),
        (
            'apache_mod_wsgi/telemetry-api.conf',
            ('processes=2', 'processes=7'),
            7,
        ),
        ('apache_uwsgi/telemetry-api.conf', ('', ''), None),
        ('nginx_uwsgi', ('', ''), None),
    ],
)
def test_processes_are_read_from_the_file(tmp_path, name, change, processes):
    file = sample(tmp_path, name)
    text = file.read_text()
    assert change[0] in text
    file.write_text(text.replace(*change))
    assert host_files.read(file).processes == processes


def test_a_number_that_is_none_is_named(check, tmp_path):
    file = sample(tmp_path, 'uwsgi/telemetry-api.ini')
    file.write_text(
        file.read_text().replace('processes = 2', 'processes = many')
    )
    _, found = check(file)
    result, details = found['Connections to the database']
    assert result == 2
    assert 'processes = many is not a number' in details


@pytest.mark.parametrize(
    ('host', 'result'),
    [('127.0.0.1', 0), ('::1', 0), ('localhost', 0), ('192.0.2.1', 1)],
)
def test_an_open_development_server_is_found(check, place, host, result):
    file = place / 'etc' / 'telemetry.conf'
    file.write_text(f'{file.read_text()}[api]\nhost = {host}\n')
    _, found = check(sample(place, 'uwsgi/telemetry-api.ini'))
    assert found['Development server'][0] == result
    assert (host in found['Development server'][1]) == bool(result)


@pytest.fixture
def running(tmp_path):
    """A function that runs a script of this name until the test ends."""
    processes = []

    def run(name):
        script = tmp_path / name
        script.write_text(
            'print(1, flush=True)\nimport time\ntime.sleep(600)\n'
        )
        process = subprocess.Popen(
            [sys.executable, script], stdout=subprocess.PIPE
        )
        processes.append(process)
        process.stdout.readline()
        return process.pid

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def test_a_development_server_that_runs_is_a_failure(check, place, running):
    pid = running('telemetry-api')
    file = place / 'etc' / 'telemetry.conf'
    file.write_text(f'{file.read_text()}[api]\nhost = 192.0.2.1\n')
    _, found = check(sample(place, 'uwsgi/telemetry-api.ini'))
    result, details = found['Development server']
    assert result == 2
    assert re.search(r'runs as process \d+', details)
    assert pid in checks._processes('telemetry-api')


def test_an_eventlet_server_that_runs_is_found(check, place, running):
    pid = running('telemetry-api-eventlet')
    code, found = check(sample(place, 'uwsgi/telemetry-api.ini'))
    result, details = found['Eventlet server']
    assert (code, result) == (1, 1)
    assert f'process {pid}.' in details
    assert 'admin/leave-eventlet' in details


def test_a_unit_that_starts_the_eventlet_server_is_found(check, place):
    unit = place / 'units' / 'old.service'
    unit.write_text(
        '[Service]\nExecStart=/opt/x/bin/telemetry-api-eventlet --port 1\n'
    )
    (place / 'units' / 'new.service').write_text(
        '[Service]\nExecStart=/opt/x/bin/telemetry-api\n'
    )
    _, found = check(sample(place, 'uwsgi/telemetry-api.ini'))
    result, details = found['Eventlet server']
    assert result == 1
    assert f'{unit} starts telemetry-api-eventlet' in details
    assert 'new.service' not in details


def test_a_bad_option_is_one_line(place, capsys):
    file = place / 'etc' / 'telemetry.conf'
    file.write_text('[api]\nport = many\n')
    assert status.main(['upgrade', 'check']) == 1
    error = capsys.readouterr().err
    assert error.startswith('telemetry-status: error: ')
    assert error.count('\n') == 1
    assert 'port' in error
