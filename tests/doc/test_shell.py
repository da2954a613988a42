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

"""The shell that runs a page's commands."""

import pathlib
import socket
import time

import pytest
from guide import shell


@pytest.fixture
def bash(tmp_path):
    env = shell.environment(tmp_path, 54321)
    with shell.Shell(tmp_path, env, seconds=30, port=54321) as opened:
        yield opened


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid):
    try:
        return pathlib.Path(f'/proc/{pid}/stat').read_text().split()[2] != 'Z'
    except OSError:
        return False


def test_status_and_both_outputs_of_a_command_come_back(bash):
    assert bash.run('echo one; echo two >&2; false') == (1, 'one\ntwo\n')


def test_folder_variables_and_functions_last(bash, tmp_path):
    bash.run('mkdir -p deep/er')
    bash.run('cd deep/er')
    bash.run('name=guide')
    assert bash.run('echo $PWD $name') == (0, f'{tmp_path}/deep/er guide\n')


def test_output_without_a_last_newline_is_not_lost(bash):
    assert bash.run('printf 200') == (0, '200')


def test_a_command_that_reads_its_input_reads_nothing(bash):
    assert bash.run('cat') == (0, '')
    assert bash.run('echo still here') == (0, 'still here\n')


def test_a_here_document_reaches_its_command(bash):
    assert bash.run('cat <<EOF\na  b\n\nEOF') == (0, 'a  b\n\n')


def test_the_port_on_the_page_is_another_one_in_truth(bash):
    typed = 'printf %s http://127.0.0.1:8777/ > url; cat url; wc -c < url'
    assert bash.run(typed) == (0, 'http://127.0.0.1:8777/23\n')


def test_environment_is_fixed_and_free_of_the_services_own(
    tmp_path, monkeypatch
):
    monkeypatch.setenv('OS_DATABASE__CONNECTION', 'sqlite:////real')
    monkeypatch.setenv('LC_ALL', 'xx_YY')
    monkeypatch.setenv('VIRTUAL_ENV', '/somewhere')
    env = shell.environment(tmp_path, 5)
    assert 'OS_DATABASE__CONNECTION' not in env
    assert 'VIRTUAL_ENV' not in env
    assert env['LC_ALL'] == 'C.UTF-8'
    assert env['TZ'] == 'UTC'
    assert env['OS_API__PORT'] == '5'


def test_a_hanging_command_and_its_children_are_stopped(tmp_path):
    env = shell.environment(tmp_path, 1)
    with (
        shell.Shell(tmp_path, env, seconds=1, port=1) as bash,
        pytest.raises(shell.CommandTimeoutError) as caught,
    ):
        bash.run('echo begun; sleep 600 & echo $! > pid; wait')
    assert 'did not end within 1 s' in str(caught.value)
    assert caught.value.output == 'begun\n'
    pid = int((tmp_path / 'pid').read_text())
    wait_for(lambda: not is_alive(pid))


def test_closing_stops_what_runs_in_the_background(bash, tmp_path):
    bash.run('sleep 600 &')
    pid = int(bash.run('echo $!')[1])
    assert is_alive(pid)
    bash.close()
    wait_for(lambda: not is_alive(pid))


def test_a_command_that_ends_the_shell_is_told(bash):
    with pytest.raises(shell.ShellEndedError, match='exit 3'):
        bash.run('echo bye; exit 3')


def test_start_returns_when_the_output_is_as_wanted(bash, tmp_path):
    output = bash.start(
        'echo ready; touch started; sleep 600',
        lambda text: text.endswith('ready\n'),
    )
    assert output == 'ready\n'


def test_start_tells_of_a_server_that_ends_at_once(bash):
    with pytest.raises(shell.ShellEndedError, match='port in use'):
        bash.start('echo port in use; false', lambda text: 'ready' in text)


def test_stopping_a_group_that_is_gone_is_no_error(bash):
    bash.close()
    bash.close()


def test_commands_are_split_as_the_copy_button_does():
    session = [
        '$ echo one',
        'one',
        '$ echo \\',
        '  two',
        'two',
        '',
        'three',
        '$ cat <<EOF',
        '$ not a command',
        '',
        'EOF',
        '$ true',
    ]
    assert shell.split_commands(session) == [
        (0, 'echo one', 'one'),
        (2, 'echo \\\n  two', 'two\n\nthree'),
        (7, 'cat <<EOF\n$ not a command\n\nEOF', ''),
        (11, 'true', ''),
    ]


@pytest.mark.parametrize(
    ('session', 'message'),
    [
        (['echo one'], "not 'echo one'"),
        (['$ cat <<EOF', 'text'], 'not complete'),
        (['$ echo \\'], 'not complete'),
    ],
)
def test_a_session_without_form_is_refused(session, message):
    with pytest.raises(ValueError, match=message):
        shell.split_commands(session)


def test_a_free_port_can_be_bound():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', shell.free_port()))


def test_no_descriptor_is_left_behind(tmp_path):
    env = shell.environment(tmp_path, 1)
    descriptors = pathlib.Path('/proc/self/fd')
    before = len(list(descriptors.iterdir()))
    for _ in range(3):
        with shell.Shell(tmp_path, env, seconds=30, port=1) as bash:
            bash.run('true')
    assert len(list(descriptors.iterdir())) == before
