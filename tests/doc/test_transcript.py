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

"""The transcripts of all pages, and the runner that compares them."""

import pathlib

import guide
import pytest
from guide import transcript

SOURCE = guide.CHECKOUT / 'doc/source'
PAGES = sorted(
    path.relative_to(SOURCE)
    for path in SOURCE.rglob('*.rst')
    if any(item.machine is None for item in transcript.transcripts(path))
)


def page_with(tmp_path, text):
    page = tmp_path / 'page.rst'
    page.write_text(text)
    return page


def check(page, tmp_path, seconds=60):
    folder = tmp_path / 'work'
    folder.mkdir()
    transcript.check_page(page, folder, guide.CHECKOUT, seconds)


@pytest.mark.timeout(900)
@pytest.mark.parametrize('page', PAGES, ids=str)
def test_a_page_tells_what_the_programs_do(page, tmp_path):
    check(SOURCE / page, tmp_path, seconds=600)


def test_there_are_pages_with_transcripts():
    assert pathlib.Path('contributor/write-a-page.rst') in PAGES


@pytest.mark.parametrize(
    ('expected', 'output'),
    [
        ('', ''),
        ('one\ntwo', 'one\ntwo\n'),
        ('one', '\none  \n\n'),
        ('one\n...\ntwo', 'one\ntwo\n'),
        ('one\n...\ntwo', 'one\n1\n\n2\ntwo\n'),
        ('...', 'anything\n'),
        ('took ... s', 'took 1.5 s'),
        ('"count": <number>, "avg": <number>', '"count": 7, "avg": -0.5e-3'),
        ('<id>', '3c2f9b5e-7a41-4e8d-9a51-0d6f2b8c1e10'),
        ('at <time>', 'at 2026-11-23T10:00:00.25+00:00'),
        ('a.c (x)', 'a.c (x)'),
    ],
)
def test_outputs_that_match(expected, output):
    assert transcript.matches(expected, output)


@pytest.mark.parametrize(
    ('expected', 'output'),
    [
        ('', 'more'),
        ('one', 'one\ntwo'),
        ('one\ntwo', 'one'),
        ('one\n...\ntwo', 'one\nx\n'),
        ('took ... s', 'took 1\n2 s'),
        ('<number>', 'seven'),
        ('<id>', '3c2f9b5e'),
        ('at <time>', 'at noon'),
        ('a.c', 'abc'),
        ('x', 'X'),
    ],
)
def test_outputs_that_do_not_match(expected, output):
    assert not transcript.matches(expected, output)


GOOD = """
Page
====

.. transcript:: First terminal

   $ echo "shared by two" > file
   $ mkdir deeper && cd deeper

A list:

- .. transcript:: Second terminal

     $ cat file
     shared by two
     $ basename $PWD
     telemetry...guide

.. transcript:: First terminal
   :status: 3

   $ basename $PWD
   deeper
   $ (exit 3)
"""


def test_transcripts_are_found_with_their_lines(tmp_path):
    found = transcript.transcripts(page_with(tmp_path, GOOD))
    assert [(item.line, item.terminal, item.status) for item in found] == [
        (7, 'First terminal', 0),
        (14, 'Second terminal', 0),
        (22, 'First terminal', 3),
    ]


def test_a_true_page_passes(tmp_path):
    check(page_with(tmp_path, GOOD), tmp_path)


@pytest.mark.parametrize(
    ('true', 'false', 'line'),
    [
        ('     shared by two', '     shared by three', 14),
        ('   deeper\n', '   deeper\n   and more\n', 22),
        ('$ (exit 3)', '$ true', 24),
        ('$ mkdir deeper', '$ rmdir deeper', 8),
        ('     telemetry', '     telephone', 16),
    ],
)
def test_a_page_with_a_planted_fault_fails(tmp_path, true, false, line):
    assert true in GOOD
    page = page_with(tmp_path, GOOD.replace(true, false))
    with pytest.raises(transcript.MismatchError, match=f'page.rst:{line}: '):
        check(page, tmp_path)


def test_a_hanging_command_fails(tmp_path):
    page = page_with(tmp_path, '.. transcript::\n\n   $ sleep 600\n')
    with pytest.raises(transcript.MismatchError, match='did not end within'):
        check(page, tmp_path, seconds=1)


def test_the_demonstration_with_a_changed_line_fails(tmp_path):
    text = (SOURCE / 'contributor/demo/transcript.inc').read_text()
    page = page_with(tmp_path, text.replace('site/</a>', 'sight/</a>'))
    with pytest.raises(transcript.MismatchError, match='expected:'):
        check(page, tmp_path)


def test_a_server_whose_first_words_differ_fails(tmp_path):
    text = (SOURCE / 'contributor/demo/transcript.inc').read_text()
    page = page_with(tmp_path, text.replace('Serving HTTP', 'Serving FTP'))
    with pytest.raises(transcript.MismatchError, match='Serving FTP'):
        check(page, tmp_path, seconds=2)


def test_a_transcript_that_a_plain_reader_misses_is_an_error(tmp_path):
    page = page_with(
        tmp_path, '.. only:: html\n\n   .. transcript::\n\n      $ true\n'
    )
    with pytest.raises(ValueError, match='1 transcripts are written, 0'):
        transcript.transcripts(page)


def test_shells_start_in_a_fresh_clone(tmp_path):
    page = page_with(
        tmp_path,
        """
.. transcript::

   $ git status --porcelain
   $ ls doc/source/conf.py
   doc/source/conf.py
""",
    )
    check(page, tmp_path)


def test_the_readers_python_is_not_the_one_of_the_tests(tmp_path):
    page = page_with(
        tmp_path,
        """
.. transcript::

   $ python3 -c 'import sys; print(sys.prefix == sys.base_prefix)'
   True
""",
    )
    check(page, tmp_path)


def test_the_page_shows_a_transcript_as_it_is_written(site, tmp_path):
    built = site('guide.transcript', index=GOOD)
    assert built.status == 0, built.complaints
    assert '   $ basename $PWD\n   deeper\n' in built.text()
    assert 'Second terminal' in built.text()
