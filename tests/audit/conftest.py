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

"""Small environments to examine: a bare Python, and the real eventlet."""

import importlib.metadata
import pathlib
import subprocess
import sys

import pytest

from tests.audit.packages import Packages


@pytest.fixture(scope='session')
def bare_python(tmp_path_factory):
    """A Python with nothing installed, not even eventlet."""
    folder = tmp_path_factory.mktemp('bare')
    subprocess.run(
        [sys.executable, '-m', 'venv', '--without-pip', folder], check=True
    )
    return folder / 'bin/python'


@pytest.fixture(scope='session')
def eventlet_folder(tmp_path_factory):
    """A folder with the real eventlet, and what it needs."""
    folder = tmp_path_factory.mktemp('eventlet')
    for name in ('eventlet', 'greenlet', 'dnspython'):
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files}:
            path = pathlib.Path(distribution.locate_file(top)).resolve()
            if path.is_dir() and path.name not in ('..', '__pycache__', 'bin'):
                (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def packages(tmp_path, bare_python, eventlet_folder):
    folder = tmp_path / 'packages'
    folder.mkdir()
    return Packages(folder, bare_python, eventlet_folder)
