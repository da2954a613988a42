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

"""The experiment about disk and expiry runs, and its data are whole."""

import copy
import json

import jsonschema
import pytest
from experiments.capacity import RESULTS, __main__, measure, report

SCHEMA = json.loads(RESULTS.with_name('results.schema.json').read_text())


@pytest.fixture(scope='module')
def published():
    return json.loads(RESULTS.read_text())


def cells(text):
    """The cells of a table in reStructuredText, row by row."""
    rows = []
    for line in text.splitlines():
        if line.startswith('   * - '):
            rows.append([])
        if line.startswith(('   * - ', '     - ')):
            rows[-1].append(line[7:])
    return rows


def test_the_published_data_are_whole(published):
    jsonschema.validate(published, SCHEMA)
    # Fewer say little about a table that is large.
    assert published['samples'] >= 100_000
    text = RESULTS.read_text()
    for part in ('/home', '/tmp', '/work', '/root', 'hostname'):  # noqa: S108
        assert part not in text


def test_room_that_the_expirer_made_is_used_again(published):
    """As the page says: the disk stays as it is while samples come and go."""
    for found in published['databases'].values():
        size = found['bytes']
        assert size['refilled'] < size['full'] * 1.25


def test_a_small_run(tmp_path, capsys):
    file = tmp_path / 'results.json'
    arguments = ['--samples', str(measure.FEWEST), '--output', str(file)]
    assert __main__.main(arguments) == 0
    data = json.loads(file.read_text())
    jsonschema.validate(data, SCHEMA)
    for found in data['databases'].values():
        assert found['removed'] == measure.FEWEST // 2
        assert found['bytes']['empty'] < found['bytes']['full']
    printed = capsys.readouterr().out
    for title in report.DATABASES.values():
        assert printed.count(title) >= 2


def test_too_few_samples_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        __main__.main(['--samples', '10', '--output', str(tmp_path / 'x')])
    assert ended.value.code == 2
    assert '--samples: must be 4000 or more' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('resources', 'meters', 'interval', 'samples'),
    [(1, 1, 86400, 1), (1, 1, 60, 1440), (100, 15, 300, 432_000)],
)
def test_samples_of_a_day(resources, meters, interval, samples):
    assert report.samples_per_day(resources, meters, interval) == samples


def test_the_tables_are_reckoned_from_the_data(published):
    data = copy.deepcopy(published)
    data['samples'] = 100_000
    data['databases']['sqlite']['bytes'] |= {
        'empty': 10**6,
        'full': 51 * 10**6,
        'backup': 40 * 10**6,
        'expired': 51 * 10**6,
        'refilled': 102 * 10**6,
    }
    data['databases']['sqlite'] |= {
        'removed': 50_000,
        'seconds': {'store': 10, 'backup': 2, 'expire': 5},
        'writes': {
            'alone': {'count': 9, 'median_ms': 1.234, 'longest_ms': 20},
            'beside': {'count': 9, 'median_ms': 3, 'longest_ms': 123.4},
        },
    }
    assert cells(report.disk(data))[1] == [
        'SQLite',
        '500 MB',
        '400 MB',
        '20 s',
    ]
    assert cells(report.expiry(data))[1] == [
        'SQLite',
        '10,000',
        '1.00',
        '2.00',
        '1.23, 20',
        '3, 123',
    ]
    for row in cells(report.per_day(data))[1:]:
        samples = int(row[3].replace(',', ''))
        size, unit = row[4].split()
        factor = {'MB': 1e6, 'GB': 1e9}[unit]
        assert float(size) * factor == pytest.approx(500 * samples, rel=0.01)
