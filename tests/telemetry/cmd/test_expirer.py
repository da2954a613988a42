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
"""telemetry-expirer."""

import datetime
import re

import pytest
import telemetry.conf
from telemetry.cmd import expirer
from telemetry.storage import Storage

from tests.telemetry.storage.samples import sample


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """Return a Storage with a sample of now and one of an hour ago."""
    monkeypatch.setenv(
        'OS_DATABASE__CONNECTION', f'sqlite:///{tmp_path}/telemetry.sqlite'
    )
    monkeypatch.setenv('OS_TELEMETRY_CONFIG_DIR', str(tmp_path))
    storage = Storage(telemetry.conf.load())
    storage.upgrade()
    now = datetime.datetime.now(datetime.UTC)
    hour = datetime.timedelta(hours=1)
    storage.add_samples(
        [
            sample(message_id='old', resource_id='a', timestamp=now - hour),
            sample(message_id='new', resource_id='b', timestamp=now),
        ]
    )
    return storage


def stored(storage):
    return [each.message_id for each in storage.samples()]


def test_by_default_all_is_kept(storage, capsys):
    assert expirer.main([]) == 0
    assert capsys.readouterr().out == (
        'Nothing removed: [expirer] time_to_live keeps all samples.\n'
    )
    assert stored(storage) == ['new', 'old']


@pytest.mark.parametrize(
    'text',
    [
        '[expirer]\ntime_to_live = 1800\n',
        # The name that deployers of Ceilometer know.
        '[database]\nmetering_time_to_live = 1800\n',
    ],
)
def test_what_is_too_old_goes(storage, tmp_path, capsys, text):
    (tmp_path / 'telemetry.conf').write_text(text)
    assert expirer.main([]) == 0
    assert re.fullmatch(
        r'Removed from before [-0-9]{10}T[:0-9]{8}Z: 1 samples, 1 series, '
        r'0 metadata documents, 0 meters\.\n',
        capsys.readouterr().out,
    )
    assert stored(storage) == ['new']


def test_the_command_line_has_the_last_word(storage, tmp_path):
    (tmp_path / 'telemetry.conf').write_text('[expirer]\ntime_to_live = 60\n')
    assert expirer.main(['--time-to-live', '86400']) == 0
    assert stored(storage) == ['new', 'old']


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--time-to-live', str(10**12)], '[expirer] time_to_live: 1000000'),
        (['--batch-size', '0'], 'Invalid Integer(min=1, max=10000) value: 0'),
    ],
)
def test_bad_values_are_named(storage, capsys, arguments, words):
    try:
        status = expirer.main(arguments)
    except SystemExit as end:
        status = end.code
    assert status != 0
    assert words in capsys.readouterr().err
    assert stored(storage) == ['new', 'old']


def test_missing_tables_are_one_line(storage, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(
        'OS_DATABASE__CONNECTION', f'sqlite:///{tmp_path}/empty.sqlite'
    )
    assert expirer.main(['--time-to-live', '60']) == 1
    assert capsys.readouterr().err == (
        'telemetry-expirer: error: the database has no tables of this '
        'service; run telemetry-dbsync\n'
    )
