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

"""The data file: one JSON object in each line.

The first line holds the settings, each other line one run. The schema in
``data.schema.json`` describes both. A line is written when its run is over,
so a file that was cut off lacks runs, and at most the last line is broken.
"""

import json
import os

from comparison import ComparisonError


class Data:
    """A data file that is read.

    :ivar settings: the first line
    :ivar runs: the others, in the order in which they were made
    """

    def __init__(self, settings, runs):
        self.settings = settings
        self.runs = runs


def read(path):
    """Read a data file.

    :param path: a :class:`pathlib.Path`
    :raises ComparisonError: it is not there, or a line is not JSON
    """
    objects = []
    try:
        lines = path.read_text('utf-8').splitlines()
    except OSError as error:
        raise ComparisonError(f'{path}: {error.strerror}') from error
    for number, line in enumerate(lines, 1):
        try:
            objects.append(json.loads(line))
        except ValueError as error:
            raise ComparisonError(f'{path}:{number}: {error}') from error
    if not objects or objects[0].get('kind') != 'settings':
        raise ComparisonError(f'{path}: the first line has no settings')
    return Data(objects[0], objects[1:])


def mend(path):
    """Cut off what a writer left behind that was killed within a line."""
    content = path.read_bytes()
    whole = content[: content.rfind(b'\n') + 1]
    if whole != content:
        path.write_bytes(whole)


def append(path, record):
    """Write one line, and have it on the disk.

    :param record: what becomes the JSON object
    """
    with path.open('a', encoding='utf-8') as file:
        file.write(json.dumps(record) + '\n')
        file.flush()
        os.fsync(file.fileno())
