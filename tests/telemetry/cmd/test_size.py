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
"""telemetry-size: what it prints, and what it says about bad input."""

import pathlib
import re

import hosts
import pytest
from telemetry import conf as telemetry_conf
from telemetry import sizing
from telemetry.cmd import size

ARGUMENTS = {
    'rate': '40',
    'cpu-ms': '15',
    'wait-ms': '20',
    'worker-mb': '90',
    'cores': '2',
    'memory-mb': '4000',
    'connections': '97',
}
SAMPLES = {
    'uWSGI': 'uwsgi/telemetry-api.ini',
    'gunicorn': 'gunicorn/gunicorn.conf.py',
    'Apache': 'apache_mod_wsgi/telemetry-api.conf',
}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """A function that runs the command; it gives status, output and error."""
    monkeypatch.setenv('OS_TELEMETRY_CONFIG_DIR', str(tmp_path))
    monkeypatch.setenv(
        'OS_DATABASE__CONNECTION', f'sqlite:///{tmp_path}/telemetry.sqlite'
    )

    def run(without=(), **changes):
        changes = {
            name.replace('_', '-'): value for name, value in changes.items()
        }
        arguments = [
            f'--{name}={value}'
            for name, value in (ARGUMENTS | changes).items()
            if name not in without
        ]
        status = size.main(arguments)
        return status, *capsys.readouterr()

    return run


def lines(output, title):
    """The lines that are printed below a title."""
    [part] = [part for part in output.split('\n# ') if part.startswith(title)]
    return part.strip().splitlines()[1:]


def test_it_prints_what_the_formula_gives(run):
    status, output, error = run(rate=90)
    found = sizing.size(sizing.Task(90, 15, 20, 2, 4000, 90, 97))
    assert (status, error) == (0, '')
    words = ' '.join(output.split())
    assert f'processes {found.processes} threads of each {found.threads} ' in (
        words
    )
    assert f'while replacing {2 * found.connections}, of 97 ' in words
    assert 'while replacing 360 MB, of 4000 MB ' in words
    assert 'most requests a second 93.3 ' in words


@pytest.mark.parametrize('host', SAMPLES)
def test_the_lines_are_those_of_the_samples(run, host):
    """For a small service they are even the same numbers."""
    sample = pathlib.Path(hosts.FOLDER, SAMPLES[host]).read_text()
    there = [line.strip() for line in sample.splitlines()]
    printed = lines(run()[1], host)
    assert len(printed) == 2
    for line in printed:
        assert line in there


def test_the_lines_of_the_configuration_are_taken(run, tmp_path):
    printed = lines(run(rate=90)[1], 'with each of them')
    (tmp_path / 'telemetry.conf').write_text('\n'.join(printed))
    found = telemetry_conf.load().database
    assert (found.max_pool_size, found.max_overflow) == (6, 0)


def test_cores_and_memory_are_those_of_this_machine(run, monkeypatch):
    monkeypatch.setattr(size.os, 'sched_getaffinity', lambda pid: {1, 5, 6})
    status, output, _ = run(without=('cores', 'memory-mb'))
    assert status == 0
    assert 'on 3 cores:' in output
    [memory] = re.findall(r'360 MB, of (\d+) MB', output)
    total = pathlib.Path('/proc/meminfo').read_text().split()[1]
    assert int(memory) == int(total) * 1024 // 10**6


def test_the_database_is_asked_what_it_allows(run, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        size.storage.Storage,
        'connection_limit',
        lambda self: asked.append(self) or 33,
    )
    assert 'of 33\n' in run(without=('connections',))[1]
    assert 'of 97\n' in run()[1]
    assert len(asked) == 1


def test_sqlite_has_no_limit_and_its_file_is_not_made(run, tmp_path):
    status, output, _ = run(without=('connections',))
    assert status == 0
    assert 'while replacing          16\n' in output
    assert not list(tmp_path.iterdir())


def test_a_database_that_does_not_answer_is_named(run, monkeypatch):
    monkeypatch.setenv(
        'OS_DATABASE__CONNECTION', 'postgresql+psycopg://x@127.0.0.1:1/x'
    )
    status, output, error = run(without=('connections',))
    assert (status, output) == (1, '')
    assert '127.0.0.1:1' in error


def test_a_rate_that_one_machine_cannot_meet(run):
    status, output, error = run(rate=200)
    assert (status, output) == (1, '')
    assert error == (
        'telemetry-size: error: rate: 200 requests a second need 5 cores, '
        'each used to 70%, and there are 2. This machine can answer 93.3 a '
        'second. 3 such machines can do it together.\n'
    )


@pytest.mark.parametrize('name', ['rate', 'cpu-ms', 'wait-ms', 'worker-mb'])
def test_what_only_the_user_knows_is_asked_for(run, name):
    status, output, error = run(without=(name,))
    assert (status, output) == (1, '')
    assert error.startswith('telemetry-size: error: ')
    assert name in error
    assert error.count('\n') == 1


@pytest.mark.parametrize('name', ARGUMENTS)
def test_a_value_without_sense_is_named(run, capsys, name):
    status, _, error = run(**{name: '-1'})
    assert status == 1
    assert error == (
        f'telemetry-size: error: {name.replace("-", "_")}: -1 is not a '
        'number above 0\n'
    )
    with pytest.raises(SystemExit) as ended:
        run(**{name: 'many'})
    assert ended.value.code
    said = capsys.readouterr().err.replace('_', '-')
    assert f'argument --{name}: ' in said
