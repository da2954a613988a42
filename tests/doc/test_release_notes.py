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

"""The release notes, built from clones of this checkout."""

import shutil
import subprocess
import sys

import guide
import pytest


def build(checkout, folder):
    return subprocess.run(
        [
            sys.executable,
            '-m',
            'sphinx',
            '-W',
            '-b',
            'text',
            checkout / 'releasenotes/source',
            folder,
        ],
        cwd=checkout,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def clone(tmp_path):
    """A function that clones this checkout, with options of git clone."""

    def clone(*options):
        subprocess.run(
            ['git', 'clone', '-q', *options]
            + [guide.CHECKOUT.as_uri(), tmp_path / 'clone'],
            check=True,
        )
        return tmp_path / 'clone'

    return clone


def test_notes_are_built_from_a_full_clone(clone, tmp_path):
    built = build(clone(), tmp_path / 'built')
    assert built.returncode == 0, built.stderr
    text = (tmp_path / 'built/index.txt').read_text()
    for section in ('Prelude', 'Upgrade', 'New features'):
        assert f'\n{section}\n' in text
    assert '0.0.0' not in text


def test_notes_of_a_tag_carry_its_name(clone, tmp_path):
    checkout = clone()
    subprocess.run(
        ['git', '-c', 'user.name=A', '-c', 'user.email=a@example.org']
        + ['-C', checkout, 'tag', '-a', '-m', 'First', '77.0.0'],
        check=True,
    )
    built = build(checkout, tmp_path / 'built')
    assert built.returncode == 0, built.stderr
    assert '\n77.0.0\n' in (tmp_path / 'built/index.txt').read_text()


def test_a_shallow_clone_is_told_what_to_do(clone, tmp_path):
    built = build(clone('--depth=1'), tmp_path / 'built')
    assert built.returncode != 0
    assert 'git fetch --unshallow' in built.stderr


def test_without_a_history_the_message_says_so(clone, tmp_path):
    checkout = clone()
    shutil.rmtree(checkout / '.git')
    built = build(checkout, tmp_path / 'built')
    assert built.returncode != 0
    assert 'come from the history of git, and git says' in built.stderr
    assert 'not a git repository' in built.stderr
