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

"""What an examined import can not do."""

import errno
import os
import signal
import socket

import pytest
from audit import run


@pytest.fixture
def outside(tmp_path):
    """A folder that belongs to somebody else than the import."""
    folder = tmp_path / 'outside'
    folder.mkdir()
    (folder / 'kept').write_text('as it was')
    (folder / 'empty').mkdir()
    return folder


def everything(folder):
    """What is in a folder, with modes and contents."""
    return sorted(
        (
            str(path.relative_to(folder)),
            path.lstat().st_mode,
            path.lstat().st_mtime,
            path.read_text() if path.is_file() else '',
        )
        for path in folder.rglob('*')
    )


WRITES = {
    'write': 'open(OUT + "/kept", "w")',
    'append': 'open(OUT + "/kept", "a")',
    'update': 'open(OUT + "/kept", "r+")',
    'create': 'os.open(OUT + "/new", os.O_CREAT | os.O_WRONLY)',
    'through a link': (
        'os.symlink(OUT, os.environ["HOME"] + "/link"); '
        'open(os.environ["HOME"] + "/link/kept", "w")'
    ),
    'relative': 'open(os.path.relpath(OUT + "/kept"), "w")',
    'in an open folder': (
        'os.open("kept", os.O_WRONLY, dir_fd=os.open(OUT, os.O_RDONLY))'
    ),
    'remove': 'os.remove(OUT + "/kept")',
    'remove in an open folder': (
        'os.remove("kept", dir_fd=os.open(OUT, os.O_RDONLY))'
    ),
    'remove all': 'shutil.rmtree(OUT)',
    'rename from': 'os.rename(OUT + "/kept", os.environ["HOME"] + "/x")',
    'rename to': (
        'open(os.environ["HOME"] + "/x", "w").close(); '
        'os.rename(os.environ["HOME"] + "/x", OUT + "/kept")'
    ),
    'mkdir': 'os.mkdir(OUT + "/new")',
    'rmdir': 'os.rmdir(OUT + "/empty")',
    'chmod': 'os.chmod(OUT + "/kept", 0o777)',
    'chown': 'os.chown(OUT + "/kept", 1, 1)',
    'truncate': 'os.truncate(OUT + "/kept", 0)',
    'utime': 'os.utime(OUT + "/kept", (1, 1))',
    'link': 'os.link(OUT + "/kept", OUT + "/new")',
    'symlink': 'os.symlink(OUT + "/kept", OUT + "/new")',
    'a database': 'sqlite3.connect(OUT + "/new")',
}


TRY_ALL = """\
import errno, os, shutil, socket, sqlite3
{names}
for kind, line in {lines!r}.items():
    try:
        exec(line)
    except OSError as error:
        assert error.errno in {numbers!r}, (kind, error)
    else:
        raise AssertionError(f'{{kind}} is allowed')
"""


def test_the_disk_is_read_only(packages, outside):
    packages.module(
        'app',
        TRY_ALL.format(
            names=f'OUT = {str(outside)!r}',
            lines=WRITES,
            numbers=[errno.EROFS],
        ),
    )
    before = everything(outside)
    result = packages.result('app:OUT')
    assert everything(outside) == before
    assert result['error'] == ''
    assert result['denied']


def test_its_own_folder_can_be_written_to(packages, monkeypatch):
    monkeypatch.setenv('HOME', '/nonexistent')
    packages.module(
        'app',
        """\
        import os, pathlib, shutil, sqlite3, tempfile
        home = pathlib.Path.home()
        (home / '.cache/app').mkdir(parents=True)
        (home / '.cache/app/x').write_text('x')
        shutil.rmtree(home / '.cache')
        open('here', 'w').close()
        assert pathlib.Path('here').resolve().parent == home.resolve()
        with tempfile.NamedTemporaryFile() as file:
            assert file.name.startswith(str(home))
        sqlite3.connect(home / 'db').execute('CREATE TABLE a (b)')
        sqlite3.connect(':memory:').execute('CREATE TABLE a (b)')
        open(os.devnull, 'w').write('x')
        """,
    )
    result = packages.result('app:home')
    assert result['error'] == ''
    assert result['denied'] == []


CONNECTS = {
    'connect': 'socket.create_connection(TO)',
    'send': 'socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", TO)',
    'bind': 'socket.socket().bind(("127.0.0.1", 0))',
    'look up': 'socket.getaddrinfo("localhost", 80)',
    'look up a name': 'socket.gethostbyname("localhost")',
}


@pytest.mark.parametrize('namespace', [True, False])
def test_there_is_no_network(packages, monkeypatch, namespace):
    if not namespace:  # a machine that does not permit one
        monkeypatch.setattr(run, 'without_network', list)
    with socket.create_server(('127.0.0.1', 0)) as listener:
        listener.settimeout(0)
        packages.module(
            'app',
            TRY_ALL.format(
                names=f'TO = {listener.getsockname()!r}',
                lines=CONNECTS,
                numbers=[errno.ENETUNREACH, socket.EAI_AGAIN],
            ),
        )
        result = packages.result('app:TO')
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert result['error'] == ''
    assert len(result['denied']) >= len(CONNECTS) - 1


STARTS = {
    'system': 'os.system(TOUCH)',
    'fork': 'os.fork() or open(OUT, "w")',
    'exec': 'os.execv("/bin/touch", ["touch", OUT])',
    'spawn': 'os.posix_spawn("/bin/touch", ["touch", OUT], {})',
    'pty': 'import pty; pty.spawn(["touch", OUT])',
}


def test_no_process_starts(packages, tmp_path):
    out = tmp_path / 'touched'
    packages.module(
        'app',
        TRY_ALL.format(
            names=f'OUT = {str(out)!r}\nTOUCH = "touch " + OUT',
            lines=STARTS,
            numbers=[errno.EPERM],
        ),
    )
    assert packages.result('app:OUT')['error'] == ''
    assert not out.exists()


def test_every_other_program_fails_at_once(packages, tmp_path):
    out = tmp_path / 'touched'
    packages.module(
        'app',
        f"""\
        import multiprocessing.util, subprocess
        ended = subprocess.run(['touch', {str(out)!r}])
        assert ended.returncode == 1
        ended = subprocess.run('exit 0', shell=True)
        assert ended.returncode == 1
        multiprocessing.util.spawnv_passfds(
            b'/bin/touch', [b'touch', {os.fsencode(out)!r}], ()
        )
        """,
    )
    result = packages.result('app:ended')
    assert result['error'] == ''
    assert not out.exists()
    assert 'subprocess.Popen touch' in [
        denied['action'] for denied in result['denied']
    ]


def test_no_other_process_gets_a_signal(packages):
    packages.module(
        'app', f'import os\nos.kill(os.getppid(), {signal.SIGTERM:d})\n'
    )
    assert 'PermissionError' in packages.result('app:os')['error']


def test_no_secrets_are_handed_on(packages, monkeypatch):
    monkeypatch.setenv('SECRET_TOKEN', 'x')
    monkeypatch.setenv('PYTHONPATH', '/nonexistent')
    packages.module(
        'app',
        """\
        import os
        os.environ['PATH'], os.environ['GIVEN']
        assert 'SECRET_TOKEN' not in os.environ
        assert 'PYTHONPATH' not in os.environ
        """,
    )
    assert packages.result('--env', 'GIVEN=1', 'app:os')['error'] == ''


def test_the_examined_python_does_not_see_the_audit(packages):
    packages.module('audit.__init__', 'mine = True\n')
    packages.module('sandbox', 'mine = True\n')
    packages.module(
        'app', 'import audit, sandbox\nassert audit.mine and sandbox.mine\n'
    )
    assert packages.result('app:audit')['error'] == ''


def test_a_target_sees_its_own_name(packages):
    packages.module(
        'svc', 'import sys\nassert sys.argv == ["svc"]\ndef main(): pass\n'
    )
    packages.script('svc', 'svc')
    assert packages.result('svc')['error'] == ''


def test_threads_that_go_on_do_not_matter(packages):
    packages.module(
        'app',
        """\
        import threading, time
        threading.Thread(target=time.sleep, args=(60,)).start()
        """,
    )
    assert packages.result('app:time')['verdict'] == 'never touches it'
