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

"""The pages of problems say what the tests of the problems ran."""

import json

import bs4
import guide
import pytest
import troubleshooting

EXTENSION = 'guide.troubles'
BUILT = guide.CHECKOUT / 'doc/build/html'
PAGE = 'Page\n====\n\n.. troubles:: {}\n'


@pytest.fixture
def build(site):
    def build(text, **settings):
        built = site(EXTENSION, settings, builder='html', index=text)
        page = (built.folder / 'index.html').read_text()
        return built, bs4.BeautifulSoup(page, 'html.parser')

    return build


def test_each_problem_has_a_section(build):
    _, html = build(PAGE.format('client'))
    problems = troubleshooting.find('client')
    assert len(html('section')) == 1 + len(problems)
    versions = troubleshooting.read_results()['versions']
    for name, problem in problems.items():
        section = html.find(id=f'trouble-{name}').parent
        assert problem.title in section.get_text()
        blocks = [block.get_text() for block in section('pre')]
        assert blocks == [f'{problem.symptom}\n', f'{problem.confirmation}\n']
        told = section.get_text()
        for server, version in versions[name].items():
            assert f'{server} {version}' in told


def test_a_published_pattern_is_shown(build):
    _, html = build(PAGE.format('published'))
    blocks = [block.get_text() for block in html('pre')]
    for problem in troubleshooting.find('published').values():
        assert problem.pattern.rstrip() + '\n' in blocks


def test_a_module_that_is_not_there(build):
    built, _ = build(PAGE.format('elsewhere'))
    assert "there is no module 'elsewhere'" in built.complaints


def test_a_problem_that_was_not_run(build, tmp_path):
    results = troubleshooting.read_results()
    del results['versions']['large-token-nginx']
    file = tmp_path / 'results.json'
    file.write_text(json.dumps(results))
    built, _ = build(PAGE.format('client'), troubles_file=str(file))
    assert 'results.json lacks large-token-nginx' in built.complaints


@pytest.mark.parametrize('place', troubleshooting.PLACES)
def test_the_site_has_each_text(place):
    page = BUILT / 'admin/troubleshooting' / f'{place}.html'
    html = bs4.BeautifulSoup(page.read_text(), 'html.parser')
    blocks = [block.get_text() for block in html('pre')]
    overview = (BUILT / 'admin/troubleshooting.html').read_text()
    for name, problem in troubleshooting.find(place).items():
        assert f'{problem.symptom}\n' in blocks
        assert f'{place}.html#trouble-{name}' in overview
