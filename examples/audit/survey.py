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

"""Makes the table of services on the guide's page from the saved reports.

``python -m audit.survey`` reads the JSON reports in ``results``, and writes
``results/services.csv``. With the names of reports, it prints them as the
command printed them.
"""

import collections
import csv
import io
import json
import pathlib
import sys

from audit import report
from audit.verdicts import Verdict

_RESULTS = pathlib.Path(__file__).with_name('results')


def table(files):
    """The table as CSV: a service in a row, a verdict in a column.

    :param files: paths of JSON reports, each of one distribution.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow(['service', 'eventlet', 'date', *Verdict])
    rows = []
    for file in files:
        saved = _read(file)
        name = saved['results'][0]['distribution']
        counts = collections.Counter(
            result['verdict'] for result in saved['results']
        )
        versions = saved['distributions']
        rows.append(
            [
                f'{name} {versions[name]}',
                versions.get('eventlet', 'not installed'),
                saved['date'][:10],
                *(counts[verdict] or '' for verdict in Verdict),
            ]
        )
    writer.writerows(sorted(rows))
    return out.getvalue()


def main(files):
    """Print the reports; without any, write the table of all."""
    for file in files:
        print(report.as_table(_read(pathlib.Path(file))), end='')
    if not files:
        (_RESULTS / 'services.csv').write_text(
            table(sorted(_RESULTS.glob('*.json'))), 'utf-8'
        )


def _read(file):
    return json.loads(file.read_text('utf-8'))


if __name__ == '__main__':
    main(sys.argv[1:])
