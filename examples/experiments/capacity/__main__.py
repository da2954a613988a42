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

"""Run the experiment; see --help."""

import argparse
import json
import pathlib
import platform
import sys
import tempfile

from comparison import ComparisonError, runner, stores

from experiments.capacity import RESULTS, measure, report


def main(argv=None):
    """Run the experiment and return the exit status."""
    parser = argparse.ArgumentParser(
        'capacity',
        description='Measure how much disk samples take in each database, '
        'and how writers get on with the expirer.',
    )
    parser.add_argument(
        '--samples',
        type=int,
        default=200_000,
        help='how many are stored (200000)',
    )
    parser.add_argument(
        '--output',
        type=pathlib.Path,
        default=RESULTS,
        help='the data file (results.json beside this program)',
    )
    options = parser.parse_args(argv)
    if options.samples < measure.FEWEST:
        parser.error(f'--samples: must be {measure.FEWEST} or more')
    data = {
        'started': runner.now(),
        'samples': options.samples,
        'machine': runner.machine(),
        'versions': {'Python': platform.python_version()},
        'databases': {},
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        stores.Stores(folder) as databases,
    ):
        for name, title in report.DATABASES.items():
            print(f'{title} ...', flush=True)
            try:
                store = databases.get(name, 0)
                found = measure.measure(
                    store, options.samples, pathlib.Path(folder)
                )
            except (ComparisonError, measure.ExperimentError) as error:
                print(f'capacity: error: {error}', file=sys.stderr)
                return 1
            data['versions'][title] = found.pop('version')
            data['databases'][name] = found
    options.output.write_text(json.dumps(data, indent=1) + '\n')
    print(report.disk(data))
    print(report.expiry(data))
    return 0


if __name__ == '__main__':
    sys.exit(main())
