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

"""The tables of old and new names name what there is."""

import csv
import re
import tomllib

import guide
import pytest
from telemetry import conf
from telemetry.status import checks

ADMIN = guide.CHECKOUT / 'doc' / 'source' / 'admin'
OPTION = re.compile(r'``\[(\w+)\] (\w+)``')
LITERAL = re.compile(r'``([^`]+)``')
APPLICATION_AND_FILES = (
    'telemetry.wsgi:application',
    'telemetry.wsgi',
    '/etc/telemetry/telemetry.conf',
)


def rows(name):
    with (ADMIN / name).open(newline='') as file:
        return list(csv.DictReader(file))


def options():
    """All options of the API, as (group, name)."""
    known = conf.new()
    for group, found in conf.list_keystone_opts():
        known.register_opts(found, group=group)
    names = {
        (group, option)
        for group in known
        if group in known._groups
        for option in known[group]
    }
    return names | {('DEFAULT', name) for name in known}


def unknown_options(found):
    known = options()
    return [
        pair
        for row in found
        for pair in OPTION.findall(row['New name'])
        if pair not in known
    ]


def test_new_options_exist():
    found = rows('option-names.csv')
    assert sum(bool(OPTION.search(row['New name'])) for row in found) > 15
    assert unknown_options(found) == []


def test_an_option_that_does_not_exist_is_found():
    planted = [{'New name': '``[api] default_limits``'}]
    assert unknown_options(planted) == [('api', 'default_limits')]


def test_options_in_remarks_exist():
    known = options()
    for row in rows('option-names.csv'):
        for pair in OPTION.findall(row['What to know']):
            assert pair in known


def test_old_names_are_gone_or_the_same():
    known = options()
    for row in rows('option-names.csv'):
        new = OPTION.findall(row['New name'])
        for pair in OPTION.findall(row['Old name']):
            # It is still there only where the table says what it is now.
            assert (
                pair not in known
                or pair in new
                or pair
                == (
                    'api',
                    'workers',
                )
            )


def test_a_name_is_in_the_table_once():
    old = [row['Old name'] for row in rows('option-names.csv')]
    assert len(old) == len(set(old))


@pytest.mark.parametrize('name', checks.EVENTLET_OPTIONS)
def test_options_of_eventlet_servers_are_in_the_table(name):
    old = ' '.join(row['Old name'] for row in rows('option-names.csv'))
    assert re.search(rf'\b{name}\b', old)


def test_new_commands_exist():
    project = tomllib.loads((guide.CHECKOUT / 'pyproject.toml').read_text())
    known = {*project['project']['scripts'], *APPLICATION_AND_FILES}
    for row in rows('command-names.csv'):
        for literal in LITERAL.findall(row['New name']):
            assert literal.split()[0] in known
