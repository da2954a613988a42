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

"""What each host can do, as the tests found it: ``support-matrix.json``.

The file is one object::

    {
      "behaviours": {NAME: SENTENCE, ...},
      "hosts": {
        NAME: {
          "about": SENTENCE,
          "versions": {SERVER: VERSION, ..., "Python": VERSION},
          "can": [BEHAVIOUR, ...],
          "cannot": {BEHAVIOUR: REASON, ...}
        },
        ...
      }
    }

``behaviours`` has them in the order of the tests, which is the order to show
them in; hosts are in the order of their names. Each behaviour is either in
``can`` or in ``cannot`` of each host. A sentence says what the host does: its
subject, the host, is left out. A reason ends with what to do instead. The
versions are those that the servers gave themselves; where a proxy is in
front, it comes first.
"""

import json
import pathlib

FILE = pathlib.Path(__file__).with_name('support-matrix.json')


def read():
    """Read the file, as the object described above."""
    return json.loads(FILE.read_text())


def write(matrix):
    """Write the file.

    :param matrix: the object described above
    """
    FILE.write_text(json.dumps(matrix, indent=2) + '\n')
