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
"""The ``ceilometer`` command of python-ceilometerclient as a test."""

import pathlib
import subprocess
import sys

COMMAND = pathlib.Path(sys.executable).with_name('ceilometer')


def ceilometer(url, *arguments):
    """Run one command against the API at url; return what it prints."""
    done = subprocess.run(
        [COMMAND, '--os-token', 'any', '--os-endpoint', url, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f'{arguments}: {done.stderr}'
    return done.stdout


def exercise(url):
    """Do with the client what its users do, on an empty database.

    :param url: base URL of a telemetry API
    """
    for volume, time in ((1, '10:00'), (3, '10:30')):
        created = ceilometer(
            url,
            'sample-create',
            *('--meter-name', 'load', '--meter-type', 'gauge'),
            *('--meter-unit', 'process', '--sample-volume', str(volume)),
            *('--resource-id', 'node/1', '--project-id', 'blue'),
            *('--user-id', 'alice', '--timestamp', f'2024-05-01T{time}:00'),
            *('--resource-metadata', '{"rack": "a"}'),
        )
        assert _cells(created, 'source') == ['blue:openstack']

    meters = ceilometer(url, 'meter-list')
    assert _row(meters, 0) == [
        *('load', 'gauge', 'process', 'node/1', 'alice', 'blue'),
    ]
    assert 'load' in ceilometer(url, 'meter-list', '-q', 'project=blue')
    assert 'load' not in ceilometer(url, 'meter-list', '-q', 'project=red')

    samples = ceilometer(
        url, 'sample-list', '-q', 'timestamp>2024-05-01T10:15:00', '-l', '5'
    )
    assert '3.0' in samples
    assert '1.0' not in samples
    samples = ceilometer(
        url, 'sample-list', '-m', 'load', '-q', 'metadata.rack=string::a'
    )
    assert '3.0' in samples
    assert '1.0' in samples
    sample_id = _row(ceilometer(url, 'sample-list'), 0)[0]
    assert sample_id in ceilometer(url, 'sample-show', sample_id)

    statistics = ceilometer(url, 'statistics', '-m', 'load', '-p', '3600')
    assert _row(statistics, 0)[:8] == [
        '3600',
        '2024-05-01T10:00:00',
        '2024-05-01T11:00:00',
        *('3.0', '1.0', '2.0', '4.0', '2'),
    ]
    statistics = ceilometer(
        url,
        *('statistics', '-m', 'load', '-g', 'resource_id'),
        *('-a', 'cardinality<-resource_id', '-a', 'stddev'),
    )
    header, row = _rows(statistics)
    row = dict(zip(header, row, strict=True))
    assert 'node/1' in row['Group By']
    assert row['cardinality/resource_id'] == '1.0'
    assert row['Standard deviation'] == '1.0'

    assert 'node/1' in ceilometer(url, 'resource-list')
    resource = ceilometer(url, 'resource-show', 'node/1')
    assert _cells(resource, 'metadata') == ['{"rack": "a"}']

    found = ceilometer(
        url,
        'query-samples',
        *('-f', '{"=": {"meter": "load"}}', '-l', '1'),
        *('-o', '[{"volume": "asc"}]'),
    )
    assert '1.0' in found
    assert '3.0' not in found

    assert 'statistics:groupby' in ceilometer(url, 'capabilities')


def _rows(table):
    lines = [line for line in table.splitlines() if line.startswith('|')]
    return [[cell.strip() for cell in line.split('|')[1:-1]] for line in lines]


def _row(table, number):
    return _rows(table)[number + 1]


def _cells(table, name):
    return [row[1] for row in _rows(table) if row[0] == name]
