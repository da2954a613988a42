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
"""Who calls, what they may do, and which samples they see.

With ``[api] auth_strategy = keystone``, the middleware of
:mod:`telemetry.api.authtoken` has replaced all identity headers by those of
the token. With ``noauth`` they are what the client or a proxy says: they can
only take rights away, since a request without them has all.
"""

import dataclasses

from werkzeug import exceptions

from telemetry.api import errors, policy, watch
from telemetry.api.isolation import OneProject

# In the WSGI environment: Keystone could not be asked about the token.
UNAVAILABLE = 'telemetry.keystone_unavailable'


@dataclasses.dataclass(frozen=True)
class Caller:
    """The user and the project of a request; None when not said.

    ``limited_to`` is the only project whose samples the caller may see and
    post, or None if there is no limit.
    """

    user_id: str | None
    project_id: str | None
    limited_to: str | None

    def may_post_for(self, project_id):
        """Tell whether samples of this project may come from this caller."""
        return self.limited_to in (None, project_id)

    def view(self, storage):
        """Return the part of a Storage that the caller may use."""
        if self.limited_to is None:
            return storage
        return OneProject(storage, self.limited_to)


def admit(request, rule):
    """Return the Caller of a request, who may do what a rule is about.

    :param rule: the name of a rule of telemetry.api.policy
    :raises werkzeug.exceptions.Unauthorized: Keystone is asked and does not
        know the token, or the token is of no project
    :raises werkzeug.exceptions.Forbidden: the policy does not let them
    :raises werkzeug.exceptions.ServiceUnavailable: Keystone does not answer
    """
    keystone = request.conf.api.auth_strategy == 'keystone'
    if keystone:
        _check_token(request)
    credentials = watch.Context.from_environ(request.environ)

    def may(name):
        return request.policy.authorize(name, {}, credentials, do_raise=False)

    if not may(rule):
        raise errors.forbidden(rule)
    project_id = credentials.project_id
    limited_to = None
    # Without Keystone, who names no project is not limited to one.
    if (keystone or project_id is not None) and not may(policy.SEGREGATION):
        if keystone and not project_id:
            raise errors.no_project()
        limited_to = project_id
    return Caller(credentials.user_id, project_id, limited_to)


def _check_token(request):
    if request.environ.get(UNAVAILABLE):
        raise exceptions.ServiceUnavailable(
            'Keystone, which knows whether the token is valid, does not '
            'answer.'
        )
    if request.headers.get('X-Identity-Status') != 'Confirmed':
        raise errors.not_authenticated(request.headers.get('X-Auth-Token'))
