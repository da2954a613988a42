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
"""Running the files in examples/requests against any telemetry API."""

import io
import pathlib
import tempfile
import unittest

from gabbi import driver

from tests.requests import fixtures

DIRECTORY = pathlib.Path(__file__).parents[2] / 'examples' / 'requests'
FILES = sorted(path.stem for path in DIRECTORY.glob('*.yaml'))


def run(name, connection, **target):
    """Run the requests of one file; fail with a report if one fails.

    :param name: one of FILES
    :param connection: URL of the database that the API under test uses; it
        is emptied first
    :param target: either ``url``, the base URL of a live API with its path
        prefix if any, or ``intercept``, a callable that returns a WSGI
        application, and ``prefix``
    :return: how many requests there were
    """
    fixtures.EmptyDatabase.connection = connection
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, f'{name}.yaml')
        file.symlink_to(DIRECTORY / file.name)
        # Targets are local. Loading all certificate authorities for each
        # request would take most of the time.
        suite = driver.build_tests(
            directory,
            unittest.TestLoader(),
            fixture_module=fixtures,
            cert_validate=False,
            **target,
        )
    output = io.StringIO()
    result = unittest.TextTestRunner(output).run(suite)
    assert result.wasSuccessful() and not result.skipped, output.getvalue()
    assert result.testsRun, f'no request in {name}'
    return result.testsRun
