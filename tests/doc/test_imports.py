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

"""The graph of imports is that of the code."""

import bs4
import pytest

EXTENSION = 'guide.imports'
PAGE = 'Page\n====\n\n.. import-graph:: shop eventlet\n'


@pytest.fixture
def build(site, tmp_path):
    def build(files):
        for name, text in files.items():
            path = tmp_path / 'code' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return site(
            EXTENSION,
            {'import_graph_folder': str(tmp_path / 'code')},
            builder='html',
            index=PAGE,
        )

    return build


def picture(built):
    assert built.status == 0, built.complaints
    page = (built.folder / 'index.html').read_text()
    return bs4.BeautifulSoup(page, 'html.parser').find('svg')


SHOP = {
    'shop/till.py': 'from shop.stock import lists\nimport json\n',
    'shop/stock/lists.py': '',
    'shop/doors/front.py': 'def main():\n    from shop import till\n',
    'shop/doors/green/back.py': 'from shop.doors import front\n',
}
GREEN = 'from eventlet import queue\n'


def test_imports_are_arrows_between_parts(build):
    svg = picture(build({**SHOP, 'shop/doors/green/__init__.py': GREEN}))
    labels = {text.string for text in svg('text')}
    assert labels == {
        'eventlet',
        'front',
        'shop.doors',
        'shop.doors.green',
        'shop.stock',
        'shop.till',
    }
    assert svg['role'] == 'img'
    assert svg['aria-label'] == (
        'shop.doors imports shop.till. '
        'shop.doors.green imports eventlet, shop.doors. '
        'shop.stock imports none of them. '
        'shop.till imports shop.stock.'
    )
    assert len(svg.select('g.edge')) == 4


def test_another_import_is_another_arrow(build):
    svg = picture(build({**SHOP, 'shop/doors/side.py': GREEN}))
    assert 'shop.doors imports eventlet, shop.till.' in svg['aria-label']


def test_a_package_that_is_not_there_fails(build):
    built = build({})
    assert 'shop holds no modules' in built.complaints


def test_no_graphviz_fails(build, monkeypatch):
    monkeypatch.setenv('PATH', '')
    assert 'install graphviz' in build(SHOP).complaints
