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

"""The support matrix that is shown is the one that the tests found."""

import hosts
from hosts import support_matrix

from tests.hosts import found

COMMAND = 'pytest tests/hosts --write-support-matrix'


def without_versions(matrix):
    """Keep the names of the servers alone.

    A new version that does the same is no reason to fail; one that does
    something else is.
    """
    return {
        **matrix,
        'hosts': {
            name: {**host, 'versions': list(host['versions'])}
            for name, host in matrix['hosts'].items()
        },
    }


def test_the_file_has_what_was_found(request):
    results = request.config.stash[found.KEY]
    assert not results.unclear(), 'the other tests of this folder come first'
    matrix = results.matrix()
    if request.config.getoption('--write-support-matrix', False):
        support_matrix.write(matrix)
    assert without_versions(matrix) == without_versions(
        support_matrix.read()
    ), f'the hosts do something else now; to write it down: {COMMAND}'


def test_hosts_excuse_nothing_but_behaviours():
    matrix = support_matrix.read()
    for name, host in hosts.find().items():
        assert host.cannot.keys() <= matrix['behaviours'].keys(), name
