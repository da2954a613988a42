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

"""The command: what it refuses, lists and prints."""

import sys

import pytest
from comparison import __main__ as command
from comparison import data, report


def test_a_plan_is_listed(capsys):
    assert command.main(['--full', '--plan']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(set(lines)) > 500
    assert any(line.startswith('slow-query/') for line in lines)


def test_a_part_of_a_plan(capsys):
    assert command.main(['--full', '--experiment', 'restart', '--plan']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(line.startswith('restart/') for line in lines)


def test_an_application_of_somebody_else(capsys):
    arguments = ['--app', 'shop:app', '--request', 'GET', '/items', '--plan']
    assert command.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert 'styles/uwsgi 2x4/None/10000/closed/own/8/0' in lines


def test_a_method_that_cannot_be_sent_is_refused(capsys):
    arguments = ['--app', 'shop:app', '--request', 'POST', '/items']
    assert command.main(arguments) == 1
    assert '--request POST /items: ' in capsys.readouterr().err


def test_plans_have_files_of_their_own(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    wanted = []
    monkeypatch.setattr(
        command.runner,
        'Runner',
        lambda output, say: wanted.append(output) or sys.exit(),
    )
    for arguments in ([], ['--full'], ['--app', 'shop:app']):
        with pytest.raises(SystemExit):
            command.main(arguments)
    assert len(set(map(str, wanted))) == 3


def test_an_unknown_part_is_refused(capsys):
    assert command.main(['--experiment', 'nope']) == 1
    assert "no experiment 'nope'; there are: " in capsys.readouterr().err


def test_a_file_that_is_there_is_refused(capsys, tmp_path):
    output = tmp_path / 'old.jsonl'
    output.write_text('{"kind": "settings"}\n')
    assert command.main(['--output', str(output)]) == 1
    assert '--resume' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('', 'no settings'),
        ('{"kind": "run"}\n', 'no settings'),
        ('x\n', ':1:'),
    ],
)
def test_a_broken_file_is_named(tmp_path, content, message):
    file = tmp_path / 'broken.jsonl'
    file.write_text(content)
    with pytest.raises(command.ComparisonError, match=f'broken.*{message}'):
        data.read(file)


def test_the_last_lines_tell_ratios_and_marks(run):
    runs = [
        run(requests=100),
        run('werkzeug eventlet', requests=250),
        run('werkzeug fork', requests=10),
        run('uwsgi 2x4', marks=['others used 50% of the machine']),
    ]
    lines = report.as_text(data.Data({}, runs)).splitlines()
    eventlet = next(line for line in lines if 'werkzeug eventlet' in line)
    assert eventlet.endswith('ratio 2.5')
    assert '125/s' in eventlet
    assert lines[-2] == '4 runs; 1 are marked, and left out'
    assert 'in the published run' in lines[-1]
    lines = report.as_text(data.Data({}, runs[:1])).splitlines()
    assert lines[-1] == '1 runs; 0 are marked, and left out'
