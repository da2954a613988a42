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

"""The directives of samples, with the reasons in their comments."""

import hosts
import pytest
from guide import CHECKOUT, directives

EXTENSION = 'guide.directives'
PAGE = """
Page
====

.. sample-directives:: uwsgi/api.ini
   :language: ini
"""
INI = """\
# Copy to /etc/api.ini.
[uwsgi]

# One process watches
# over the workers.
master = true

# Say so.
if-opt = protocol=http
add-header = Connection: close
"""


def settings(text, language):
    """What a sample sets and why, as plain text."""
    return [
        ([setting.text for setting in group.settings], group.reason)
        for group in directives.read(text, language)
    ]


def test_a_comment_is_the_reason_of_what_follows():
    assert settings(INI, 'ini') == [
        (['master = true'], 'One process watches over the workers.'),
        (
            ['if-opt = protocol=http', 'add-header = Connection: close'],
            'Say so.',
        ),
    ]


def test_apache_has_blocks_and_lines_that_go_on():
    text = """\
        <IfDefine !ADDRESS>
            # Where to listen.
            Define ADDRESS 127.0.0.1:80
        </IfDefine>
        # All is denied by default.
        <Location />
            Require all granted
        </Location>
        # One line for each request.
        LogFormat \\
            "%h" \\
            short
        """
    assert settings(text, 'apache') == [
        (['Define ADDRESS 127.0.0.1:80'], 'Where to listen.'),
        (['Require all granted'], 'All is denied by default.'),
        (['LogFormat "%h" short'], 'One line for each request.'),
    ]


def test_a_reason_of_a_block_ends_with_it():
    text = '# All.\n<Location />\nA b\n</Location>\nC d\n'
    with pytest.raises(directives.SampleError, match='C has no reason'):
        directives.read(text, 'apache')


def test_nginx_ends_its_directives_with_a_semicolon():
    text = """\
        # Who and what.
        log_format api '$remote_addr '
                       '$request';
        server {
            # Do not tell the version.
            server_tokens off;
        }
        """
    assert settings(text, 'nginx') == [
        (["log_format api '$remote_addr ' '$request';"], 'Who and what.'),
        (['server_tokens off;'], 'Do not tell the version.'),
    ]


def test_python_is_read_as_python():
    text = "# Why.\nformat = (\n    'one '\n    '# two'\n)\n"
    assert settings(text, 'python') == [(["format = 'one # two'"], 'Why.')]


OPTIONS = """\
# The processes.
# processes: one for each
# CPU.
# user, group: nobody's.
WSGIDaemonProcess api \\
    processes=2 user=x group=y
"""


def test_options_of_a_directive_have_reasons_of_their_own():
    (group,) = directives.read(OPTIONS, 'apache')
    assert group.reason == 'The processes.'
    assert group.options == [
        (['processes'], 'one for each CPU.'),
        (['user', 'group'], "nobody's."),
    ]


@pytest.mark.parametrize(
    'text, language, line, message',
    [
        (INI + '\nthreads = 4\n', 'ini', 12, 'threads has no reason'),
        (
            INI.replace('\n\n# One process watches\n# over the workers.', ''),
            *('ini', 3, 'master has no reason'),
        ),
        (
            OPTIONS.replace('group=y', 'group=y threads=4'),
            *('apache', 5, 'threads of WSGIDaemonProcess has no reason'),
        ),
        (
            OPTIONS.replace('group=y', ''),
            *('apache', 5, 'has a reason for group, but not the option'),
        ),
        ('# Why.\nworkers = (2\n', 'python', 2, "'workers = (2' does not end"),
        ('# Why.\nmaster\n', 'ini', 2, "'master' is no directive with a"),
    ],
)
def test_a_sample_that_says_too_little(text, language, line, message):
    with pytest.raises(directives.SampleError) as caught:
        directives.read(text, language)
    assert message in str(caught.value)
    assert caught.value.line == line


@pytest.fixture
def sample(tmp_path):
    folder = tmp_path / 'examples/hosts/uwsgi'
    folder.mkdir(parents=True)
    path = folder / 'api.ini'
    path.write_text(INI)
    return path


@pytest.fixture
def build(site, tmp_path):
    def build(index):
        return site(EXTENSION, {'sample_root': str(tmp_path)}, index=index)

    return build


def test_a_page_lists_each_directive_with_a_label(build, sample):
    built = build(
        PAGE
        + '\n:ref:`here <uwsgi-ini-add-header>`'
        + ' :ref:`there <uwsgi-ini-master>`\n'
    )
    assert (built.status, built.complaints) == (0, '')
    assert '"master = true"' in built.text()
    assert 'One process watches over the workers.' in built.text()


def test_a_directive_that_comes_twice_has_a_label_for_each(build, sample):
    sample.write_text('# Why.\nset = port=80\nset = user=x\nset = port=8\n')
    built = build(
        PAGE
        + '\n:ref:`a <uwsgi-ini-set-user>` :ref:`b <uwsgi-ini-set-port-2>`\n'
    )
    assert (built.status, built.complaints) == (0, '')


def test_a_directive_without_a_reason_fails_with_file_and_line(build, sample):
    sample.write_text(INI.replace('# Say so.', ''))
    built = build(PAGE)
    assert built.status != 0
    assert 'uwsgi/api.ini:9: ERROR: if-opt has no reason' in built.complaints


def test_a_changed_sample_changes_the_page(build, sample):
    build(PAGE)
    sample.write_text(INI.replace('Say so.', 'For the sake of clients.'))
    assert 'For the sake of clients.' in build(PAGE).text()


def test_a_sample_that_is_missing_fails(build, sample):
    built = build(PAGE.replace('api.ini', 'other.ini'))
    assert 'cannot read uwsgi/other.ini' in built.complaints


def test_every_sample_of_every_host_is_on_a_page():
    pages = ''.join(
        page.read_text() for page in (CHECKOUT / 'doc/source').rglob('*.rst')
    )
    missing = [
        f'{host.__module__}: {name}'
        for host in hosts.find().values()
        for name in host.samples
        # A script of mod_wsgi is an import, and sets nothing.
        if not name.endswith('.wsgi')
        and f'.. sample-directives:: {name}\n' not in pages
    ]
    assert missing == []
