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
"""The driver of the database servers itself."""

import os
import pathlib
import tempfile

import databases
import psutil
import pytest


@pytest.fixture(params=databases.find())
def make(request):
    return databases.find()[request.param]


@pytest.fixture
def sockets(monkeypatch, tmp_path):
    """Return the folder in which servers put theirs."""
    folder = pathlib.Path(tempfile.mkdtemp())
    monkeypatch.setattr(tempfile, 'tempdir', str(folder))
    yield folder
    folder.rmdir()


def test_leaves_nothing_behind_and_keeps_its_data(make, sockets, tmp_path):
    with make(tmp_path / 'server') as server:
        process = psutil.Process(server.process.pid)
        assert process.uids().real != 0 or os.geteuid() != 0
        assert list(sockets.iterdir())
        server.stop()
        assert not process.is_running()
        assert not list(sockets.iterdir())
        server.start()
        # The user and the database, once made, are still there.
        with pytest.raises(databases.ServerError, match='telemetry'):
            server.create()


def test_a_missing_server_names_its_package(make, monkeypatch, tmp_path):
    monkeypatch.setattr(databases.shutil, 'which', lambda *a, **k: None)
    with pytest.raises(databases.ServerError, match=f'install {make.package}'):
        make(tmp_path / 'server').start()


def test_a_wrong_setting_is_in_the_message(make, sockets, tmp_path):
    with pytest.raises(databases.ServerError, match='no_such_setting'):
        make(tmp_path / 'server', no_such_setting='1').start()
