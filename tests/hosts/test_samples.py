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

"""What the samples of single hosts promise beyond what all hosts do."""

import shutil
import socket
import subprocess

import hosts
import pytest

UNITS = sorted(hosts.FOLDER.glob('*/*.service'))


def verify(unit, root):
    """Check a unit as systemd does, on a machine set up as it says."""
    for line in unit.read_text().splitlines():
        if line.startswith('Exec'):
            program = root / line.partition('=')[2].split()[0].lstrip('/')
            program.parent.mkdir(parents=True, exist_ok=True)
            program.touch(0o755)
    folder = root / 'etc' / 'systemd' / 'system'
    folder.mkdir(parents=True)
    (folder / unit.name).write_bytes(unit.read_bytes())
    shutil.copytree(
        '/usr/lib/systemd/system',
        root / 'usr' / 'lib' / 'systemd' / 'system',
        symlinks=True,
    )
    (root / 'lib').symlink_to('usr/lib')
    return subprocess.run(
        ['systemd-analyze', 'verify', f'--root={root}', unit.name],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize('unit', UNITS, ids=lambda unit: unit.parent.name)
def test_systemd_accepts_the_unit(unit, tmp_path):
    done = verify(unit, tmp_path)
    assert (done.returncode, done.stderr) == (0, '')


def test_systemd_refuses_a_wrong_unit(tmp_path):
    wrong = tmp_path / 'telemetry-api.service'
    wrong.write_text(UNITS[0].read_text().replace('KillMode', 'KillMood'))
    assert 'KillMood' in verify(wrong, tmp_path / 'root').stderr


@pytest.mark.parametrize('name', ['gunicorn', 'uwsgi', 'uwsgi-debian'])
def test_tells_systemd_when_it_has_started(name, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(60)
        systemd.bind(str(tmp_path / 'notify'))
        server = hosts.find()[name](
            'wsgiref.simple_server:demo_app',
            tmp_path,
            environ={'NOTIFY_SOCKET': str(tmp_path / 'notify')},
        )
        with server:
            messages = systemd.recv(1000)
            while b'READY=1' not in messages.split():
                messages = systemd.recv(1000)
