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
"""The units that run telemetry-expirer every night."""

import pathlib
import re
import shutil
import subprocess

import pytest
import telemetry

from tests.hosts.test_samples import verify

UNITS = pathlib.Path(telemetry.__file__).parents[1] / 'expirer'
SERVICE = UNITS / 'telemetry-expirer.service'
TIMER = UNITS / 'telemetry-expirer.timer'


def test_systemd_accepts_the_units(tmp_path):
    done = verify(SERVICE, tmp_path)
    assert (done.returncode, done.stderr) == (0, '')
    folder = tmp_path / 'etc' / 'systemd' / 'system'
    shutil.copy(TIMER, folder)
    assert verify_there(tmp_path) == (0, '')


def test_systemd_refuses_a_wrong_timer(tmp_path):
    verify(SERVICE, tmp_path)
    wrong = tmp_path / 'etc' / 'systemd' / 'system' / TIMER.name
    wrong.write_text(TIMER.read_text().replace('03:30', '33:30'))
    status, said = verify_there(tmp_path)
    assert status
    assert f'{TIMER.name}:9: ' in said


def verify_there(root):
    done = subprocess.run(
        ['systemd-analyze', 'verify', f'--root={root}', TIMER.name],
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


def test_it_runs_once_a_night():
    [calendar] = re.findall('^OnCalendar=(.+)$', TIMER.read_text(), re.M)
    done = subprocess.run(
        ['systemd-analyze', 'calendar', '--iterations=3', calendar],
        env={'TZ': 'UTC', 'LC_ALL': 'C', 'PATH': '/usr/bin'},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count('03:30:00') >= 3


@pytest.mark.parametrize('unit', [SERVICE, TIMER], ids=lambda unit: unit.name)
def test_each_says_where_it_goes(unit):
    assert f'/etc/systemd/system/{unit.name}.' in unit.read_text()
