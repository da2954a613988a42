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

"""What the data say, as tables in reStructuredText.

:data:`PARTS` has all that the pages show: name to a function that takes the
data of the data file.
"""

import math

from comparison import report

#: Name of a database in the data to its title.
DATABASES = {
    'sqlite': 'SQLite',
    'postgresql': 'PostgreSQL',
    'mariadb': 'MariaDB',
}
#: Resources, meters of each, and seconds from one sample to the next.
SITES = (
    (20, 10, 600),
    (100, 15, 300),
    (100, 15, 60),
    (1000, 15, 300),
    (1000, 15, 60),
)
DAY = 24 * 60 * 60


def samples_per_day(resources, meters, interval):
    """Return how many samples come in a day.

    :param interval: seconds
    """
    return resources * meters * DAY // interval


def bytes_per_sample(found):
    """Return how many bytes of disk a sample takes, with its indexes.

    :param found: the data of a database
    """
    stored = found['bytes']['full'] - found['bytes']['empty']
    return stored / found['samples']


def _databases(data):
    """Yield title and data of each database."""
    for name, title in DATABASES.items():
        yield title, data['databases'][name] | {'samples': data['samples']}


def disk(data):
    """Disk of a million samples, and of their backup."""
    rows = [
        [
            'Database',
            'Disk of a million',
            'Backup of a million',
            'Time of this backup',
        ]
    ]
    for title, found in _databases(data):
        million = 1e6 / found['samples']
        rows.append(
            [
                title,
                _size(bytes_per_sample(found) * 1e6),
                _size(found['bytes']['backup'] * million),
                f'{found["seconds"]["backup"] * million:.0f} s',
            ]
        )
    return report.table(
        f'Reckoned from {data["samples"]:,} samples, with all indexes', rows
    )


def per_day(data):
    """Samples and disk of a day, for sites of some sizes."""
    rows = [
        ['Resources', 'Meters of each', 'Interval', 'Samples a day']
        + list(DATABASES.values())
    ]
    for resources, meters, interval in SITES:
        samples = samples_per_day(resources, meters, interval)
        rows.append(
            [
                f'{resources:,}',
                meters,
                f'{interval} s',
                f'{samples:,}',
                *(
                    _size(samples * bytes_per_sample(found))
                    for _, found in _databases(data)
                ),
            ]
        )
    return report.table('Samples of a day, and the disk that they take', rows)


def expiry(data):
    """What the expirer does to the disk, and to writers."""
    rows = [
        [
            'Database',
            'Removed in a second',
            'Disk: half removed',
            'Disk: as many new ones',
            'One write alone, ms',
            'One write beside the expirer, ms',
        ]
    ]
    for title, found in _databases(data):
        size = found['bytes']
        rows.append(
            [
                title,
                f'{found["removed"] / found["seconds"]["expire"]:,.0f}',
                f'{size["expired"] / size["full"]:.2f}',
                f'{size["refilled"] / size["full"]:.2f}',
                _writes(found['writes']['alone']),
                _writes(found['writes']['beside']),
            ]
        )
    return report.table(
        'The expirer beside a client that writes. Disk is a share of that '
        'before; of writes there is the median, and the longest one',
        rows,
    )


def conditions(data):
    """When, where and with what it was measured."""
    machine = data['machine']
    versions = ', '.join(map(' '.join, data['versions'].items()))
    return (
        f'Measured on {data["started"][:10]} on {machine["system"]}, '
        f'{machine["cpus"]} CPUs ({machine["model"]}), '
        f'{machine["memory_gb"]} GB, with {data["samples"]:,} samples on '
        f'each database. Versions: {versions}.\n'
    )


def _size(number):
    """Show bytes with three figures."""
    power = min(int(math.log(max(number, 1), 1000)), 4)
    unit = ('B', 'kB', 'MB', 'GB', 'TB')[power]
    return f'{_short(number / 1000**power)} {unit}'


def _writes(found):
    return f'{_short(found["median_ms"])}, {_short(found["longest_ms"])}'


def _short(number):
    return f'{number:.0f}' if number >= 99.95 else f'{number:.3g}'


PARTS = {
    'conditions': conditions,
    'disk': disk,
    'per day': per_day,
    'expiry': expiry,
}
