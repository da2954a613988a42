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

import guide
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


@pytest.mark.timeout(900)
@pytest.mark.parametrize('page', PAGES, ids=str)
def test_a_page_does_what_it_says(page, checker):
    with copying():
        checker.check_page(SOURCE / page)
