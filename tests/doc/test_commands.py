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

"""program-output and command-output, on small sites of their own."""

import re

EXTENSION = 'guide.commands'


def page(command, *options, name='command-output'):
    options = ''.join(f'   {option}\n' for option in options)
    return f'Page\n====\n\n.. {name}:: {command}\n{options}'


def test_a_command_is_shown_with_its_output(site):
    built = site(EXTENSION, index=page('echo live'))
    assert built.status == 0, built.complaints
    assert '$ echo live\n   live\n' in built.text()


def test_the_environment_is_fixed(site, monkeypatch):
    monkeypatch.setenv('COLUMNS', '203')
    monkeypatch.setenv('LC_ALL', 'xx_YY')
    built = site(
        EXTENSION,
        index=page('echo $COLUMNS $LC_ALL $TZ $NO_COLOR', ':shell:'),
    )
    assert '80 C.UTF-8 UTC 1' in built.text()


def test_a_failing_command_fails_the_build_with_page_and_line(site):
    built = site(EXTENSION, index=page('ls /no/such/folder'))
    assert built.status != 0
    assert re.search(
        r"index\.rst:4: ERROR: 'ls /no/such/folder' returned 2, not 0",
        built.complaints,
    )
    assert 'No such file' in built.complaints


def test_a_failing_command_in_an_included_file_is_found_there(site, tmp_path):
    (tmp_path / 'site/part.inc').write_text('\n\n.. command-output:: false\n')
    text = 'Page\n====\n\ntext\n\n.. include:: part.inc\n'
    built = site(EXTENSION, index=text)
    assert built.status != 0
    assert 'part.inc:3: ERROR' in built.complaints


def test_an_announced_failure_is_shown(site):
    built = site(
        EXTENSION, index=page('echo no; exit 3', ':shell:', ':returncode: 3')
    )
    assert built.status == 0, built.complaints


def test_a_missing_program_fails_the_build(site):
    built = site(EXTENSION, index=page('no-such-program --help'))
    assert built.status != 0
    assert 'index.rst:4: ERROR: cannot start' in built.complaints


def test_a_hanging_command_is_stopped_and_fails_the_build(site):
    built = site(
        EXTENSION,
        {'session_timeout': 1},
        index=page('sleep 600', name='program-output'),
    )
    assert built.status != 0
    assert 'index.rst:4: ERROR' in built.complaints
    assert "'sleep 600' did not end within 1 s" in built.complaints


def test_a_second_build_never_shows_old_output(site, tmp_path):
    value = tmp_path / 'value'
    value.write_text('old')
    assert 'old' in site(EXTENSION, index=page(f'cat {value}')).text()
    value.write_text('new')
    second = site(EXTENSION).text()
    assert 'new' in second
    assert 'old' not in second


def test_commands_of_this_python_come_first(site):
    built = site(EXTENSION, index=page('sphinx-build --version'))
    assert built.status == 0, built.complaints
