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
"""telemetry-dbsync. That two may run at once is tested with the storage."""

import pytest
import telemetry.conf
from telemetry.cmd import dbsync
from telemetry.storage import Storage


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Return where the command is told to have its database."""
    path = tmp_path / 'telemetry.sqlite'
    monkeypatch.setenv('OS_DATABASE__CONNECTION', f'sqlite:///{path}')
    monkeypatch.setenv('OS_TELEMETRY_CONFIG_DIR', str(tmp_path))
    return path


def test_twice(path, capsys):
    assert dbsync.main([]) == 0
    assert capsys.readouterr().out == 'Created the tables, version 001.\n'
    Storage(telemetry.conf.load()).check()
    assert dbsync.main([]) == 0
    assert capsys.readouterr() == (
        'The tables are at version 001 already.\n',
        '',
    )


def test_a_missing_folder_is_one_line(path, monkeypatch, capsys):
    missing = path / 'x.sqlite'
    monkeypatch.setenv('OS_DATABASE__CONNECTION', f'sqlite:///{missing}')
    assert dbsync.main([]) == 1
    output, error = capsys.readouterr()
    assert output == ''
    assert error == (
        f'telemetry-dbsync: error: database sqlite:///{missing}: '
        'unable to open database file\n'
    )


def test_a_file_that_is_no_database_is_one_line(path, capsys):
    path.write_text('some other file ' * 100)
    assert dbsync.main([]) == 1
    assert capsys.readouterr().err == (
        f'telemetry-dbsync: error: database sqlite:///{path}: '
        'file is not a database\n'
    )
    assert path.read_text() == 'some other file ' * 100


def test_an_unknown_option(path, capsys):
    with pytest.raises(SystemExit) as caught:
        dbsync.main(['--force'])
    assert caught.value.code == 2
    assert 'unrecognized arguments: --force' in capsys.readouterr().err
    assert not path.exists()
