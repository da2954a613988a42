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
"""Processes, threads and connections of the samples and of the page."""

import re
import runpy

import docutils.core
import guide
import hosts
import pytest
from docutils import nodes
from telemetry import conf as telemetry_conf

PAGE = guide.CHECKOUT / 'doc/source/install/database.rst'


def found(text, pattern):
    [number] = re.findall(pattern, text, re.MULTILINE)
    return int(number)


def gunicorn():
    values = runpy.run_path(hosts.FOLDER / 'gunicorn/gunicorn.conf.py')
    return values['workers'], values['threads']


def uwsgi():
    text = (hosts.FOLDER / 'uwsgi/telemetry-api.ini').read_text()
    return (
        found(text, r'^processes = (\d+)$'),
        found(text, r'^threads = (\d+)$'),
    )


def apache():
    file = hosts.FOLDER / 'apache_mod_wsgi/telemetry-api.conf'
    text = file.read_text()
    return (
        found(text, r'^[^#]*\bprocesses=(\d+)'),
        found(text, r'^[^#]*\bthreads=(\d+)'),
    )


SAMPLES = (gunicorn, uwsgi, apache)


@pytest.fixture
def pool():
    conf = telemetry_conf.new()
    conf([], default_config_files=[], default_config_dirs=[])
    return conf.database.max_pool_size, conf.database.max_overflow


@pytest.fixture(scope='module')
def table():
    """The rows of the page's table, as lists of the text in their cells."""
    doctree = docutils.core.publish_doctree(
        PAGE.read_text(),
        settings_overrides={'report_level': 5, 'warning_stream': False},
    )
    for found in doctree.findall(nodes.table):
        rows = [
            [entry.astext() for entry in row.findall(nodes.entry)]
            for row in found.findall(nodes.row)
        ]
        if rows[0][0] == 'Processes':
            return rows[1:]
    raise AssertionError(f'{PAGE} has no table of processes')


@pytest.mark.parametrize('sample', SAMPLES)
def test_each_thread_of_a_sample_has_a_connection(sample, pool):
    _, threads = sample()
    assert threads <= sum(pool)


@pytest.mark.parametrize('sample', SAMPLES)
def test_the_table_begins_with_the_samples(sample, pool, table):
    processes, threads = sample()
    numbers = [processes, threads, *pool, processes * sum(pool)]
    assert table[0][:5] == list(map(str, numbers))


def test_the_table_is_reckoned_well(table, database_server):
    limits = {
        'PostgreSQL': int(
            database_server('postgresql').sql(
                "SELECT current_setting('max_connections')::int"
                "- current_setting('superuser_reserved_connections')::int"
            )
        ),
        'MariaDB': int(
            database_server('mariadb').sql('SELECT @@max_connections')
        ),
    }
    text = ' '.join(PAGE.read_text().split())
    for name, limit in limits.items():
        assert f'{limit} on {name}' in text
    for row in table:
        *numbers, fits = row
        processes, threads, size, overflow, connections = map(int, numbers)
        assert connections == processes * (size + overflow)
        assert threads <= size + overflow
        names = [n for n, limit in limits.items() if connections <= limit]
        assert fits == (', '.join(names) or 'neither'), row
