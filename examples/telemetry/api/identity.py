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
"""Who calls, as the identity headers of a trusted middleware say.

A Keystone middleware in front sets these headers, and removes those that a
client sends. Without them nobody is restricted.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Caller:
    """The user and the project of a request; None when not said."""

    user_id: str | None
    project_id: str | None
    roles: tuple[str, ...]

    @classmethod
    def of(cls, request):
        """Return the caller of a request."""
        return cls(
            user_id=request.headers.get('X-User-Id'),
            project_id=request.headers.get('X-Project-Id'),
            roles=tuple(
                role.strip().lower()
                for role in request.headers.get('X-Roles', '').split(',')
            ),
        )

    def may_post_for(self, project_id):
        """Tell whether samples of this project may come from this caller."""
        return (
            self.project_id is None
            or project_id == self.project_id
            or 'admin' in self.roles
        )
