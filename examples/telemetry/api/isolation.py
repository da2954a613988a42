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
"""The samples of one project, for callers who may see no other.

Handlers get this in place of the Storage: what is not defined here cannot be
asked for, and so no handler can forget the limit.
"""

from telemetry.api import errors
from telemetry.storage import NEWEST_FIRST, base


class OneProject:
    """A Storage that has the samples of one project only.

    The methods are those of telemetry.storage.Storage.

    :raises werkzeug.exceptions.Unauthorized: a filter names another project
    """

    def __init__(self, storage, project_id):
        self._storage = storage
        self._project_id = project_id
        self._own = base.Compare('project_id', '=', project_id)

    def add_samples(self, samples):
        for sample in samples:
            self._check(sample.project_id)
        self._storage.add_samples(samples)

    def samples(self, filter=None, orderby=NEWEST_FIRST, limit=None):  # noqa: A002
        return self._storage.samples(self._limited(filter), orderby, limit)

    def sample(self, message_id):
        wanted = base.Compare('message_id', '=', message_id)
        return next(iter(self.samples(wanted)), None)

    def meters(self, filter=None, limit=None, unique=False):  # noqa: A002
        return self._storage.meters(self._limited(filter), limit, unique)

    def resources(self, filter=None, limit=None):  # noqa: A002
        return self._storage.resources(
            self._limited(filter), limit, within=self._own
        )

    def statistics(self, filter=None, **options):  # noqa: A002
        return self._storage.statistics(self._limited(filter), **options)

    def _limited(self, tree):
        if tree is None:
            return self._own
        self._check_all(tree)
        return base.And((self._own, tree))

    def _check_all(self, tree):
        match tree:
            case base.Compare('project_id', 'in', values):
                for value in values:
                    self._check(value)
            case base.Compare('project_id', _, value):
                self._check(value)
            case base.Not(term):
                self._check_all(term)
            case base.And(terms) | base.Or(terms):
                for term in terms:
                    self._check_all(term)

    def _check(self, project_id):
        if project_id != self._project_id:
            raise errors.not_authorized(project_id)
