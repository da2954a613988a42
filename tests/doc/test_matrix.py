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

"""The support matrix: the page says what the data say."""

import json

import bs4
import pytest
from guide import CHECKOUT

EXTENSION = 'guide.matrix'
PAGE = """
Page
====

.. support-matrix::

   :big: The *big* one
   :small: The small one
"""
DATA = {
    'behaviours': {'reload': 'Reloads.', 'chunked': 'Stores chunks.'},
    'hosts': {
        'big': {
            'about': 'Big.',
            'versions': {'nginx': '1.2', 'Python': '3.11'},
            'can': ['reload', 'chunked'],
            'cannot': {},
        },
        'small': {
            'about': 'Small.',
            'versions': {'uWSGI': '2.0.30'},
            'can': ['reload'],
            'cannot': {'chunked': 'Not at all. Send the length.'},
        },
    },
}


def tables(folder, page='index'):
    """The tables of a page: lists of rows, each a list of texts."""
    html = bs4.BeautifulSoup(
        (folder / f'{page}.html').read_text(), 'html.parser'
    )
    return [
        [
            [cell.get_text(' ', strip=True) for cell in row(['th', 'td'])]
            for row in table('tr')
        ]
        for table in html('table')
    ], html


@pytest.fixture
def build(site, tmp_path):
    def build(data=DATA, index=PAGE, **pages):
        file = tmp_path / 'matrix.json'
        file.write_text(json.dumps(data))
        settings = {'matrix_file': str(file)}
        return site(EXTENSION, settings, builder='html', index=index, **pages)

    return build


def test_the_page_has_versions_answers_and_reasons(build):
    built = build()
    assert (built.status, built.complaints) == (0, '')
    (versions, answers), html = tables(built.folder)
    assert versions[1:] == [
        ['The big one', 'Big.', 'nginx 1.2, Python 3.11'],
        ['The small one', 'Small.', 'uWSGI 2.0.30'],
    ]
    assert answers == [
        ['What it does', 'The big one', 'The small one'],
        ['Reloads.', 'yes', 'yes'],
        ['Stores chunks.', 'yes', 'no'],
    ]
    no = html.find('a', string='no')
    term = html.find(id=no['href'].removeprefix('#'))
    assert 'Stores chunks.' in term.get_text()
    assert term.find_next_sibling('dd').get_text(strip=True) == (
        'The small one: Not at all. Send the length.'
    )


def test_another_page_can_show_what_differs(build):
    other = PAGE.replace('matrix::\n', 'matrix::\n   :differing:\n')
    built = build(other=':orphan:\n' + other)
    assert (built.status, built.complaints) == (0, '')
    (answers,), html = tables(built.folder, 'other')
    assert answers[1:] == [['Stores chunks.', 'yes', 'no']]
    assert html.find('a', string='no')['href'] == 'index.html#instead-chunked'


def test_changed_data_change_the_page(build):
    build()
    data = json.loads(json.dumps(DATA))
    data['hosts']['big']['can'].remove('reload')
    data['hosts']['big']['cannot']['reload'] = 'Start it again.'
    (_, answers), _ = tables(build(data).folder)
    assert answers[1] == ['Reloads.', 'no', 'yes']


def test_hosts_with_one_reason_share_it(build):
    data = json.loads(json.dumps(DATA))
    data['hosts']['big'] = data['hosts']['small']
    _, html = tables(build(data).folder)
    assert html.dd.get_text(' ', strip=True).startswith('The big one, The sm')
    assert str(html).count('Not at all.') == 1


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda data: data['hosts'].pop('big'), 'in matrix.json: big'),
        (
            lambda data: data['hosts'].update(new=data['hosts']['big']),
            'in matrix.json: new',
        ),
        (
            lambda data: data['hosts']['big']['can'].pop(),
            'big does not have each behaviour once',
        ),
        (
            lambda data: data['hosts']['small']['can'].append('chunked'),
            'small does not have each behaviour once',
        ),
    ],
)
def test_data_that_do_not_fit_the_page_fail(build, change, message):
    data = json.loads(json.dumps(DATA))
    change(data)
    assert message in build(data).complaints


def test_a_content_without_hosts_fails(build):
    page = 'Page\n====\n\n.. support-matrix::\n\n   Words.\n'
    assert 'is not a list of ":HOST: title"' in build(index=page).complaints


def test_the_built_site_says_what_the_data_say():
    data = json.loads(
        (CHECKOUT / 'examples/hosts/support-matrix.json').read_text()
    )
    (versions, answers), html = tables(
        CHECKOUT / 'doc/build/html/reference', 'support-matrix'
    )
    tested = {tuple(row[1:]) for row in versions[1:]}
    assert tested == {
        (
            host['about'],
            ', '.join(f'{name} {it}' for name, it in host['versions'].items()),
        )
        for host in data['hosts'].values()
    }
    assert [row[0] for row in answers[1:]] == list(data['behaviours'].values())
    # The order of the hosts is that of the page: their answers tell.
    assert sorted(
        zip(*(row[1:] for row in answers[1:]), strict=True)
    ) == sorted(
        tuple(
            'yes' if behaviour in host['can'] else 'no'
            for behaviour in data['behaviours']
        )
        for host in data['hosts'].values()
    )
    text = html.get_text(' ', strip=True)
    for host in data['hosts'].values():
        for reason in host['cannot'].values():
            assert ' '.join(reason.split()) in ' '.join(text.split())
