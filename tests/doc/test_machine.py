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

"""The transcripts that root types, and the copy of this machine for them."""

import contextlib
import os
import pathlib
import pwd
import re
import socket
import subprocess
import sys

import guide
import psutil
import pytest
from guide import machine, transcript

SOURCE = guide.CHECKOUT / 'doc/source'
PAGES = sorted(
    path.relative_to(SOURCE)
    for path in SOURCE.rglob('*.rst')
    if any(item.machine is not None for item in transcript.transcripts(path))
)


@contextlib.contextmanager
def copying():
    """Skip with the reason where no copy can be made; fail in CI."""
    try:
        yield
    except machine.UnavailableError as error:
        if os.environ.get('CI'):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope='module')
def checker(tmp_path_factory):
    return machine.Checker(tmp_path_factory.mktemp('pages'), guide.CHECKOUT)


@pytest.fixture(scope='module')
def copy(tmp_path_factory):
    shared = tmp_path_factory.mktemp('shared')
    folder = tmp_path_factory.mktemp('copy')
    with copying(), machine.Machine(folder, {'/srv/shared': shared}) as made:
        made.shared = shared
        yield made


@pytest.fixture
def root(copy):
    with copy.shell('/srv/shared', seconds=60) as opened:
        yield opened


def write(folder, **pages):
    for name, text in pages.items():
        folder.joinpath(name.replace('_', '.')).write_text(text)


@pytest.mark.timeout(900)
@pytest.mark.parametrize('page', PAGES, ids=str)
def test_a_page_does_what_it_says(page, checker):
    with copying():
        checker.check_page(SOURCE / page)


def test_the_hosts_are_set_up_on_a_machine():
    hosts = {path.name for path in PAGES if path.parent.name == 'install'}
    assert hosts >= {
        'apache-mod-wsgi.rst',
        'apache-uwsgi.rst',
        'gunicorn.rst',
        'nginx-gunicorn.rst',
        'nginx-uwsgi.rst',
        'uwsgi.rst',
    }


SETUP = """
.. transcript::
   :machine:

   $ date +%N > /srv/number
   $ useradd --system traveller
"""
FIRST = """
First
=====

Steps
-----

.. include:: setup.inc

.. transcript::
   :machine:

   $ cat > /etc/systemd/system/hello.service <<EOF
   [Service]
   Type=oneshot
   RemainAfterExit=yes
   User=traveller
   ExecStart=/bin/echo good day
   EOF
   $ systemctl daemon-reload
   $ systemctl start hello

Undo
----

.. transcript::
   :machine:

   $ systemctl stop hello
"""
SECOND = """
.. transcript::
   :machine: first

   $ systemctl is-active hello
   active

.. transcript::

   $ echo "no root"
   no root

.. transcript::
   :machine:
   :status: 4

   $ systemctl status nothing
   Unit nothing.service could not be found.
"""


@pytest.fixture
def pages(tmp_path):
    write(tmp_path, setup_inc=SETUP, first_rst=FIRST, second_rst=SECOND)
    return tmp_path


def test_the_steps_of_another_page_come_first_without_its_undo(pages):
    found = [
        (item.source.name, item.line, len(item.commands), item.status)
        for item in machine.steps(pages / 'second.rst')
    ]
    assert found == [
        ('setup.inc', 5, 2, 0),
        ('first.rst', 13, 3, 0),
        ('second.rst', 5, 1, 0),
        ('second.rst', 17, 1, 4),
    ]


def test_the_undo_of_the_page_itself_comes_last(pages):
    *_, last = machine.steps(pages / 'first.rst')
    assert last.undo
    assert last.commands[0][1] == 'systemctl stop hello'


def test_transcripts_of_root_are_not_run_as_the_reader(pages, tmp_path):
    folder = tmp_path / 'work'
    folder.mkdir()
    transcript.check_page(pages / 'second.rst', folder, guide.CHECKOUT)


def test_only_the_first_transcript_names_another_page(pages):
    write(pages, second_rst=SECOND.replace(':machine:\n', ':machine: first\n'))
    with pytest.raises(ValueError, match=r'second.rst:17: only the first'):
        machine.steps(pages / 'second.rst')


def test_a_page_that_is_not_there_cannot_come_first(pages):
    write(pages, second_rst=SECOND.replace('first', 'third'))
    with pytest.raises(FileNotFoundError, match='third.rst'):
        machine.steps(pages / 'second.rst')


def test_an_included_file_is_run_once_for_all_pages(pages, checker):
    seen = set()
    for name in ('one', 'two'):
        page = pages / f'{name}.rst'
        page.write_text("""
.. include:: setup.inc

.. transcript::
   :machine:

   $ id -un traveller
   traveller
   $ cat /srv/number
""")
        with copying(), pytest.raises(transcript.MismatchError) as caught:
            checker.check_page(page)
        seen.add(re.search(r'got:\n(\d+)', str(caught.value))[1])
    assert len(seen) == 1


@pytest.mark.parametrize(
    ('true', 'false', 'where'),
    [
        ('start hello', 'start goodbye', 'first.rst:21: '),
        ('   active', '   inactive', 'second.rst:5: '),
        (':status: 4', ':status: 3', 'second.rst:17: '),
        ('--system traveller', '--system "a b"', 'setup.inc:6: '),
    ],
)
def test_a_page_with_a_planted_fault_fails(pages, checker, true, false, where):
    texts = {'setup_inc': SETUP, 'first_rst': FIRST, 'second_rst': SECOND}
    assert any(true in text for text in texts.values())
    for name, text in texts.items():
        write(pages, **{name: text.replace(true, false)})
    with copying(), pytest.raises(transcript.MismatchError, match=where):
        checker.check_page(pages / 'second.rst')


def test_root_is_alone_with_a_systemd_of_its_own(root):
    assert root.run('id -un') == (0, 'root\n')
    assert root.run('cat /proc/1/comm') == (0, 'systemd\n')
    status, output = root.run('systemctl list-units --type service')
    assert status == 0
    assert 'systemd-journald.service' in output
    assert not re.search('apache2|nginx|postgresql|mariadb', output)


def test_a_service_is_locked_up_as_its_unit_says(root):
    typed = (
        'systemd-run --quiet --pipe --property DynamicUser=yes '
        '--property ProtectSystem=strict touch /etc/mine'
    )
    status, output = root.run(typed)
    assert status != 0
    assert 'Read-only file system' in output


def test_what_is_done_in_the_copy_stays_there(root, copy):
    assert root.run('useradd --system traveller') == (0, '')
    assert root.run('id -un traveller') == (0, 'traveller\n')
    with pytest.raises(KeyError):
        pwd.getpwnam('traveller')
    assert root.run('echo for both > note')[0] == 0
    assert copy.shared.joinpath('note').read_text() == 'for both\n'


def test_the_kernel_is_not_changed_from_the_copy(root):
    status, output = root.run('echo 1 > /proc/sys/kernel/printk')
    assert status != 0
    assert 'Read-only file system' in output


def test_the_network_of_the_copy_is_its_own(root):
    with socket.create_server(('127.0.0.1', 0)) as outside:
        port = outside.getsockname()[1]
        assert root.run(f'curl -s http://127.0.0.1:{port}/')[0] == 7


def test_nothing_is_left_of_a_copy(tmp_path):
    with copying(), machine.Machine(tmp_path) as copy:
        with copy.shell('/', seconds=60) as opened:
            opened.run('systemd-run sleep 600')
        below = psutil.Process(copy.pid).children(recursive=True)
        assert {'systemd', 'sleep'} <= {process.name() for process in below}
    assert psutil.wait_procs(below, timeout=60)[1] == []
    assert list(tmp_path.iterdir()) == []
    groups = pathlib.Path('/sys/fs/cgroup').rglob(f'machine.{copy.pid}')
    assert list(groups) == []


def test_who_is_not_root_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(os, 'geteuid', lambda: 65534)
    with pytest.raises(machine.UnavailableError, match='this is not root'):
        machine.Machine(tmp_path)


def test_root_who_must_not_mount_is_told_what_is_needed(tmp_path):
    with copying():
        if os.geteuid() != 0:
            raise machine.UnavailableError('this is not root')
    done = subprocess.run(
        [
            *('setpriv', '--bounding-set=-sys_admin', sys.executable, '-c'),
            f'from guide import machine; machine.Machine({str(tmp_path)!r})',
        ],
        env={**os.environ, 'PYTHONPATH': str(SOURCE / '_ext')},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert 'Operation not permitted' in done.stderr
    assert 'docker run --privileged' in done.stderr


def test_without_permission_tests_are_skipped_but_not_in_ci(monkeypatch):
    def without():
        with copying():
            raise machine.UnavailableError('this is not root')

    monkeypatch.delenv('CI', raising=False)
    with pytest.raises(pytest.skip.Exception, match='--privileged'):
        without()
    monkeypatch.setenv('CI', 'true')
    with pytest.raises(machine.UnavailableError, match='--privileged'):
        without()


def test_packages_that_pip_cannot_find_are_named(tmp_path):
    tmp_path.joinpath('constraints.txt').write_text('')
    tmp_path.joinpath('pyproject.toml').write_text("""
[build-system]
requires = ["./nowhere"]
[project]
name = "trial"
version = "1"
[project.optional-dependencies]
more = []
""")
    with pytest.raises(RuntimeError, match='nowhere'):
        machine.download(tmp_path, tmp_path / 'packages')
