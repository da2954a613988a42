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

"""The session directive, on small sites of its own."""

import datetime
import pathlib
import re
import tempfile

import pytest
from guide import session

EXTENSION = 'guide.session'


def page(*lines, options=()):
    body = [f'   {line}' for line in (*options, '', *lines)]
    return '\n'.join(['Page', '====', '', '.. session::', *body, ''])


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder of its own for what the sessions make."""
    folder = tmp_path / 'temporary'
    folder.mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(folder))
    return folder


def test_commands_are_shown_with_what_came_back(site):
    built = site(EXTENSION, index=page('$ echo $((6 * 7))', '$ true'))
    assert built.status == 0, built.complaints
    assert '   $ echo $((6 * 7))\n   42\n   $ true\n' in built.text()


def test_sessions_of_a_page_share_a_shell_and_pages_do_not(site):
    text = page('$ word=shared; cd /') + '\n' + page('$ echo $word in $PWD')
    text = text.replace('\nPage\n====\n', '\n', 1)
    built = site(
        EXTENSION,
        index=text,
        other=':orphan:\n\n' + page('$ echo "${word:-nothing}" in $PWD'),
    )
    assert built.status == 0, built.complaints
    assert 'shared in /\n' in built.text()
    assert 'nothing in ~\n' in built.text('other')


def test_a_failing_command_fails_the_build_with_page_and_line(site):
    built = site(EXTENSION, index=page('$ true', '$ ls /no/such/folder'))
    assert built.status != 0
    assert re.search(
        r'index\.rst:7: ERROR: .*returned 2, not 0', built.complaints
    )
    assert 'No such file' in built.complaints


def test_a_fault_is_heard_of_from_a_process_that_reads_some_pages(site):
    pages = {
        f'page{number}': ':orphan:\n\n' + page(f'$ [ {number} != 5 ]')
        for number in range(8)
    }
    built = site(EXTENSION, processes=2, index=page('$ true'), **pages)
    assert built.status != 0
    assert 'page5.rst:8: ERROR' in built.complaints
    assert '$ [ 7 != 5 ]' in built.text('page7')


def test_an_announced_failure_is_shown(site):
    built = site(
        EXTENSION,
        index=page('$ true', '$ (exit 3)', options=[':status: 3']),
    )
    assert built.status == 0, built.complaints


def test_an_announced_failure_that_does_not_come_fails_the_build(site):
    built = site(EXTENSION, index=page('$ true', options=[':status: 3']))
    assert built.status != 0
    assert 'returned 0, not 3' in built.complaints


def test_a_hanging_command_is_stopped_and_fails_the_build(site):
    built = site(EXTENSION, {'session_timeout': 1}, index=page('$ sleep 600'))
    assert built.status != 0
    assert 'index.rst:6: ERROR' in built.complaints
    assert "'sleep 600' did not end within 1 s" in built.complaints


@pytest.mark.parametrize(
    ('lines', 'message'),
    [
        (['$ echo 1', '2'], 'is written here by the build'),
        (['echo 1'], 'a session starts with a command'),
        (['$ exit 0'], 'ended the shell'),
    ],
)
def test_a_session_that_cannot_be_right_fails_the_build(site, lines, message):
    built = site(EXTENSION, index=page(*lines))
    assert built.status != 0
    assert 'index.rst:6: ERROR' in built.complaints
    assert message in built.complaints


def test_a_second_build_never_shows_old_output(site, tmp_path):
    value = tmp_path / 'value'
    value.write_text('old')
    text = page(f'$ cat {value}')
    assert 'old' in site(EXTENSION, index=text).text()
    value.write_text('new')
    second = site(EXTENSION).text()
    assert 'new' in second
    assert 'old' not in second


def test_nothing_is_left_behind(site, temporary):
    built = site(
        EXTENSION,
        index=page('$ sleep 600 &', '$ echo $! > examples.pid; pwd'),
        other=':orphan:\n\n' + page('$ false'),
    )
    assert built.status != 0
    assert list(temporary.iterdir()) == []


def test_a_live_telemetry_api_answers_and_ids_and_times_are_normalised(
    site, temporary
):
    url = 'http://127.0.0.1:8777'
    built = site(
        EXTENSION,
        index=page(
            "$ curl -sf -H 'Content-Type: application/json' \\",
            '    -d @examples/samples/cpu_util.json \\',
            f'    {url}/v2/meters/cpu_util > /dev/null',
            f"$ curl -sf '{url}/v2/samples?limit=2'",
            f"$ curl -sf '{url}/v2/meters/cpu_util/statistics'",
            options=[':api:'],
        ),
    )
    assert built.status == 0, built.complaints
    text = built.text()
    assert f"$ curl -sf '{url}/v2/samples?limit=2'" in text
    assert '"id": "<id>"' in text
    assert '3c2f9b5e-7a41-4e8d-9a51-0d6f2b8c1e10' in text
    assert '2026-01-15T23:00:00' in text
    assert '<time>' in text
    assert '"count": 48' in text
    assert list(temporary.iterdir()) == []


def test_an_api_that_does_not_start_fails_the_build_with_its_words(
    site, monkeypatch
):
    monkeypatch.setattr(session.shell, 'free_port', lambda: 'no port')
    built = site(EXTENSION, index=page('$ true', options=[':api:']))
    assert built.status != 0
    assert 'index.rst:7: ERROR' in built.complaints
    assert 'no port' in built.complaints


def test_what_changes_is_replaced_where_all_can_see_it():
    now = datetime.datetime.now(datetime.UTC)
    text = (
        f'{now:%Y-%m-%d %H:%M:%S}.123 4567 INFO telemetry [-] at /tmp/x/db\n'
        f'"{now:%Y-%m-%dT%H:%M:%S}.5+00:00" "2013-04-01T10:00:00"\n'
        'Date: Mon, 23 Nov 2026 10:00:00 GMT\n'
        '"GET /v2/meters" status: 200 len: 2 time: 0.0012\n'
        '00000000-1111-2222-3333-444444444444 '
        'aaaaaaaa-1111-2222-3333-444444444444\n'
    )
    seen = session.normalise(
        text,
        pathlib.Path('/tmp/x'),  # noqa: S108
        'GET aaaaaaaa-1111-2222-3333-444444444444',
    )
    assert seen == (
        '<time> <pid> INFO telemetry [-] at ~/db\n'
        '"<time>" "2013-04-01T10:00:00"\n'
        'Date: <date>\n'
        '"GET /v2/meters" status: 200 len: 2 time: <s>\n'
        '<id> aaaaaaaa-1111-2222-3333-444444444444\n'
    )
