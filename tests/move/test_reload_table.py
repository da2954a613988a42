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

"""The commands of admin/reload-and-upgrade are those of the hosts' pages."""

import csv
import re

import guide
import hosts
import pytest
from guide import transcript

SOURCE = guide.CHECKOUT / 'doc' / 'source'


def rows():
    with (SOURCE / 'admin' / 'reload.csv').open(newline='') as file:
        return list(csv.DictReader(file))


def page_of(row):
    return re.search(r'</(install/[\w-]+)>', row['Host'])[1]


def runs(page, command):
    """Whether a page has the command among those that the tests run."""
    return any(
        command in run
        for item in transcript.transcripts(SOURCE / f'{page}.rst')
        for _, run, _ in item.commands
    )


@pytest.mark.parametrize('row', rows(), ids=page_of)
def test_the_page_of_the_host_runs_the_command(row):
    assert runs(page_of(row), row['Command'].strip('`'))


def test_another_command_is_found():
    assert not runs('install/gunicorn', 'systemctl reload apache2')


def test_each_wsgi_host_is_in_the_table():
    pages = {page_of(row).removeprefix('install/') for row in rows()}
    assert pages == {
        name
        for name, host in hosts.find().items()
        if 'reload' not in host.cannot
        # Those that share the page of another one.
        and name not in ('apache-mod-wsgi-pypi', 'uwsgi-debian')
    }
