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

"""The page about eventlet's gains says what the data say."""

import copy
import json

import bs4
import pytest
from experiments.which_commands_gain import RESULTS, commands, report, verdict
from guide import CHECKOUT

EXTENSION = 'guide.gains'
PAGE = 'Page\n====\n\n.. commands-gain:: {}\n'
DATA = json.loads(RESULTS.read_text())


def tables(html):
    return [
        [
            [cell.get_text(' ', strip=True) for cell in row(['th', 'td'])]
            for row in table('tr')
        ]
        for table in html('table')
    ]


@pytest.fixture
def build(site, tmp_path):
    def build(argument, data=DATA):
        file = tmp_path / 'results.json'
        file.write_text(json.dumps(data))
        built = site(
            EXTENSION,
            {'gains_file': str(file)},
            builder='html',
            index=PAGE.format(argument),
        )
        page = (built.folder / 'index.html').read_text()
        return built, bs4.BeautifulSoup(page, 'html.parser')

    return build


def changed(name, style, factor):
    """The data, with all the work of one style changed."""
    data = copy.deepcopy(DATA)
    for run in data['commands'][name]['runs']:
        if run['style'] == style:
            for key in run['work']:
                run['work'][key] *= factor
    return data


def verdicts(html):
    ((_, *rows),) = tables(html)
    return {row[0].removeprefix('telemetry-'): row[-1] for row in rows}


def expected(data=DATA):
    return {
        name: report.verdict_on(name, data['commands'][name]['runs'])
        if name in data['commands']
        else 'not measured'
        for name in commands.COMMANDS
    }


def test_the_verdicts_are_computed_from_the_data(build):
    built, html = build('')
    assert (built.status, built.complaints) == (0, '')
    assert verdicts(html) == expected()
    # All takes a hundredth of the time, or a hundred times as long.
    _, html = build('', changed('dbsync', 'eventlet', 0.01))
    assert verdicts(html)['dbsync'] == verdict.GAINS
    _, html = build('', changed('dbsync', 'eventlet', 100))
    assert verdicts(html)['dbsync'] == verdict.LOSES


@pytest.mark.parametrize('name', DATA['commands'])
def test_the_figures_of_a_command(build, name):
    built, html = build(name)
    assert (built.status, built.complaints) == (0, '')
    ((_, *rows),) = tables(html)
    runs = DATA['commands'][name]['runs']
    lines = report.lines(name, runs) + report.costs(name, runs)
    assert [row[1] for row in rows] == [line.title for line in lines]
    assert [row[-1] for row in rows] == [line.ratio.meaning for line in lines]
    text = html.get_text()
    assert f'{len(runs)} runs' in text
    assert DATA['commands'][name]['versions']['eventlet'] in text


def test_the_plot_has_a_mark_for_each_figure(build):
    built, html = build('plot')
    assert (built.status, built.complaints) == (0, '')
    lines = [
        line
        for name, found in DATA['commands'].items()
        for line in report.lines(name, found['runs'])
    ]
    assert len(html('circle')) == len(lines)
    assert 'logarithmic' in html.svg['aria-label']


def test_what_was_not_measured_has_no_verdict(build):
    data = copy.deepcopy(DATA)
    del data['commands']['expirer']
    _, html = build('', data)
    assert verdicts(html) == expected(data)
    assert verdicts(html)['expirer'] == 'not measured'
    built, html = build('expirer', data)
    assert built.complaints == ''
    assert 'Not measured yet' in html.get_text()


def test_an_unknown_command_fails(build):
    assert "no command 'nothing'" in build('nothing')[0].complaints


def test_the_built_site_has_the_verdicts_of_the_data():
    page = CHECKOUT / 'doc/build/html/contributor/which-commands-gain.html'
    html = bs4.BeautifulSoup(page.read_text(), 'html.parser')
    found = {
        row[0].removeprefix('telemetry-'): row[-1]
        for table in tables(html)
        for row in table
        if row[0].startswith('telemetry-')
    }
    assert found == expected()
