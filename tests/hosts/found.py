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

"""What the tests found out about the hosts, for the support matrix."""

import collections
import inspect

import hosts
import pytest

KEY = pytest.StashKey()


class Found:
    """The results of the tests that are marked as a behaviour."""

    def __init__(self):
        self.versions = {}
        self._checks = {}
        self._outcomes = collections.defaultdict(set)

    def expect(self, behaviour, check):
        """Take note of the function that checks a behaviour."""
        self._checks[behaviour] = check

    def add(self, host, behaviour, outcome):
        """Take note of what came out: passed, skipped (it must fail on this
        host, and did) or failed."""
        self._outcomes[host, behaviour].add(outcome)

    def unclear(self):
        """Give the pairs of host and behaviour without one clear result."""
        return [
            (host, behaviour)
            for host in hosts.find()
            for behaviour in self._checks
            if self._outcomes[host, behaviour] not in ({'passed'}, {'skipped'})
        ]

    def matrix(self):
        """Give the object that :mod:`hosts.support_matrix` describes."""
        checks = sorted(
            self._checks.items(),
            key=lambda one: (
                one[1].__module__,
                one[1].__code__.co_firstlineno,
            ),
        )
        return {
            'behaviours': {
                name: ' '.join(check.__doc__.split()) for name, check in checks
            },
            'hosts': {
                name: {
                    'about': inspect.getdoc(host).partition('\n\n')[0],
                    'versions': self.versions[name],
                    'can': [
                        behaviour
                        for behaviour, _ in checks
                        if self._outcomes[name, behaviour] == {'passed'}
                    ],
                    'cannot': {
                        behaviour: host.cannot[behaviour]
                        for behaviour, _ in checks
                        if self._outcomes[name, behaviour] == {'skipped'}
                    },
                }
                for name, host in hosts.find().items()
            },
        }
