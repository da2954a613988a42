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

"""The check for text that nothing runs, and for examples that idle."""

import re

import guide
import pytest

EXTENSION = 'guide.check'
LITERAL = """
Page
====

{}
"""
INCLUDE = LITERAL.format('.. literalinclude:: ../{}\n')


@pytest.fixture
def checkout(tmp_path):
    """A checkout with one example, which a test names, and a tox.ini."""
    (tmp_path / 'examples/hosts/uwsgi').mkdir(parents=True)
    (tmp_path / 'examples/hosts/uwsgi/api.ini').write_text('[uwsgi]\n')
    (tmp_path / 'tests').mkdir()
    (tmp_path / 'tests/test_host.py').write_text("start('api.ini')\n")
    (tmp_path / 'tox.ini').write_text('[tox]\n')
    return tmp_path


@pytest.fixture
def build(site, checkout):
    def build(index, extension=EXTENSION, **pages):
        settings = {
            'check_root': str(checkout),
            'check_trusted': ['tox.ini'],
        }
        return site(extension, settings, index=index, **pages)

    return build


USED = INCLUDE.format('examples/hosts/uwsgi/api.ini')


def test_a_tested_file_and_a_trusted_one_pass(build):
    built = build(USED + '\n.. literalinclude:: ../tox.ini\n')
    assert built.status == 0, built.complaints


@pytest.mark.parametrize(
    'block',
    [
        'Text::\n\n   pip install nothing',
        'Text:\n\n.. code-block:: console\n\n   $ pip install nothing',
        'Text:\n\n.. code:: python\n\n   1 / 0',
        'Text:\n\n.. parsed-literal::\n\n   pip *install* nothing',
        'Text:\n\n>>> 1 / 0\n1',
        'Text:\n\n.. code-block:: ini\n   :caption: x\n\n   [a]',
    ],
)
def test_a_block_that_nothing_runs_fails_with_page_and_line(build, block):
    built = build(USED + '\n' + block + '\n')
    assert built.status != 0
    line = USED.count('\n') + 2 + block.count('\n', 0, block.find('\n\n') + 2)
    text = built.complaints
    assert 'nothing runs or tests this block' in text
    found = int(text.split('index.rst:')[1].split(':')[0])
    assert line <= found <= line + 4


def test_a_block_in_an_included_file_is_found_there(build, checkout):
    (checkout / 'site/part.inc').write_text('Text::\n\n   nothing\n')
    built = build(USED + '\n.. include:: part.inc\n')
    assert built.status != 0
    assert 'part.inc:3: ERROR: nothing runs' in built.complaints


def test_an_example_that_no_test_names_fails(build, checkout):
    (checkout / 'tests/test_host.py').write_text("start('other.ini')\n")
    built = build(USED)
    assert built.status != 0
    assert 'no test names examples/hosts/uwsgi/api.ini' in built.complaints
    assert 'index.rst:5: ERROR' in built.complaints


def test_a_new_example_beside_others_fails(build, checkout):
    """The name of its folder is in a test, as that of each host is."""
    (checkout / 'tests/test_host.py').write_text("start('uwsgi', 'api.ini')")
    (checkout / 'examples/hosts/uwsgi/new.ini').write_text('[uwsgi]\n')
    built = build(USED + INCLUDE.format('examples/hosts/uwsgi/new.ini'))
    assert built.status != 0
    assert 'no test names examples/hosts/uwsgi/new.ini' in built.complaints


def test_an_example_that_is_driven_or_typed_passes(build, checkout):
    hosts = checkout / 'examples/hosts'
    (hosts / 'uwsgi/driven.ini').write_text('[uwsgi]\n')
    (hosts / 'uwsgi/__init__.py').write_text("SAMPLES = ['driven.ini']\n")
    (hosts / 'uwsgi/typed.sh').write_text('true\n')
    built = build(
        USED
        + INCLUDE.format('examples/hosts/uwsgi/driven.ini')
        + INCLUDE.format('examples/hosts/uwsgi/__init__.py')
        + INCLUDE.format('examples/hosts/uwsgi/typed.sh')
        + '\n.. transcript::\n\n   $ sh examples/hosts/uwsgi/typed.sh\n',
        extension="guide.check', 'guide.transcript",
    )
    # Of the three, the program is the one that nothing names.
    assert built.complaints.count('no test names') == 1
    assert 'no test names examples/hosts/uwsgi/__init__.py' in built.complaints


def test_a_folder_that_tests_take_whole_passes(site, checkout):
    (checkout / 'tests/test_host.py').write_text('')
    settings = {'check_root': str(checkout), 'check_folders': ['hosts']}
    built = site(EXTENSION, settings, index=USED)
    assert built.status == 0, built.complaints


def test_a_file_that_is_no_example_fails(build, checkout):
    (checkout / 'notes.txt').write_text('anything\n')
    built = build(USED + '\n.. literalinclude:: ../notes.txt\n')
    assert built.status != 0
    assert 'notes.txt is neither an example nor' in built.complaints


def test_a_file_from_elsewhere_fails(build, checkout):
    other = checkout.parent / f'{checkout.name}-other.txt'
    other.write_text('anything\n')
    built = build(USED + f'\n.. literalinclude:: ../../{other.name}\n')
    assert built.status != 0
    assert 'is not part of the checkout' in built.complaints


def test_an_example_that_no_page_uses_fails(build, checkout):
    (checkout / 'examples/hosts/uwsgi/forgotten.service').write_text('[Unit]')
    built = build(USED)
    assert built.status != 0
    assert (
        'ERROR: examples/hosts/uwsgi/forgotten.service: no page uses this'
        in built.complaints
    )


def test_a_download_uses_an_example(build, checkout):
    (checkout / 'examples/more.yaml').write_text('a: 1\n')
    built = build(USED + '\n:download:`more <../examples/more.yaml>`\n')
    assert built.status == 0, built.complaints


def test_leavings_of_tools_and_silent_modules_are_no_examples(build, checkout):
    cache = checkout / 'examples/__pycache__'
    cache.mkdir()
    (cache / 'x.pyc').write_bytes(b'')
    (checkout / 'examples/__init__.py').write_text('"""Only words."""\n')
    built = build(USED)
    assert built.status == 0, built.complaints


def test_package_tree_lists_modules_and_accounts_for_them(build, checkout):
    package = checkout / 'examples/telemetry'
    package.mkdir()
    (package / '__init__.py').write_text('"""The API."""\n')
    (package / 'wsgi.py').write_text('"""For every\nhost.\n\nMore."""\nx = 1')
    (package / 'alembic.ini').write_text('[alembic]\n')
    assert build(USED).status != 0
    built = build(USED + '\n.. package-tree:: telemetry\n')
    assert built.status == 0, built.complaints
    text = built.text()
    assert 'telemetry/wsgi.py' in text
    assert 'For every host.' in text
    assert 'More' not in text


def test_pages_read_in_several_processes_are_seen_together(build, checkout):
    package = checkout / 'examples/telemetry'
    package.mkdir()
    (package / '__init__.py').write_text('x = 1\n')
    pages = {f'page{number}': ':orphan:\n\nText.\n' for number in range(8)}
    pages['page7'] += '\n.. package-tree:: telemetry\n'
    built = build(USED, processes=2, **pages)
    assert built.status == 0, built.complaints


def test_package_tree_of_no_package_fails(build):
    built = build(USED + '\n.. package-tree:: hosts\n')
    assert 'examples/hosts is not a Python package' in built.complaints


def test_outputs_of_commands_pass(build):
    extensions = "guide.check', 'guide.commands', 'guide.transcript"
    built = build(
        USED
        + '\n.. command-output:: echo 1\n   :caption: One\n'
        + '\n.. session::\n\n   $ echo 2\n'
        + '\n.. transcript::\n\n   $ echo 3\n   3\n',
        extension=extensions,
    )
    assert built.status == 0, built.complaints


def test_the_page_about_tests_names_each_folder():
    page = guide.CHECKOUT / 'doc/source/contributor/testing.rst'
    named = set(re.findall('``tests/([a-z]+)``', page.read_text()))
    tests = guide.CHECKOUT / 'tests'
    assert named == {path.parent.name for path in tests.glob('*/test_*.py')}
