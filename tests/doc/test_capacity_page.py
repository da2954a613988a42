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

"""The page about disk and expiry says what the data say."""

import json

import bs4
import pytest
from experiments.capacity import RESULTS, report

EXTENSION = 'guide.capacity'
PAGE = 'Page\n====\n\n.. capacity:: {}\n'


@pytest.mark.parametrize('part', report.PARTS)
def test_each_part_is_made_from_the_data(site, part):
    built = site(EXTENSION, {}, builder='html', index=PAGE.format(part))
    assert (built.status, built.complaints) == (0, '')
    page = (built.folder / 'index.html').read_text()
    text = bs4.BeautifulSoup(page, 'html.parser').get_text()
    data = json.loads(RESULTS.read_text())
    for title in report.DATABASES.values():
        assert title in text
    if part == 'conditions':
        assert data['versions']['PostgreSQL'] in text
        assert f'{data["samples"]:,}' in text


def test_an_unknown_part_fails(site):
    built = site(EXTENSION, {}, index=PAGE.format('nothing'))
    assert "no part 'nothing'" in built.complaints


def test_data_that_cannot_be_read_fail(site, tmp_path):
    file = tmp_path / 'results.json'
    file.write_text('{')
    settings = {'capacity_file': str(file)}
    built = site(EXTENSION, settings, index=PAGE.format('disk'))
    assert f'cannot read {file}' in built.complaints
