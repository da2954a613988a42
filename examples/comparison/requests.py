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

"""What is asked of the application, and how a right answer is known."""

import dataclasses
import json


@dataclasses.dataclass(frozen=True)
class Request:
    """One request.

    :ivar status: the status of a right answer
    :ivar body: what is sent
    """

    name: str
    method: str
    path: str
    body: str = ''
    status: int = 200

    @property
    def headers(self):
        """The headers, which give each request its own connection.

        Some hosts keep connections and some do not: like this they all do
        the same work.
        """
        headers = {'Connection': 'close', 'Accept': 'application/json'}
        if self.body:
            headers['Content-Type'] = 'application/json'
        return headers

    def send(self, server):
        """Ask a running host once.

        :param server: a :class:`hosts.Host`
        :returns: the :class:`requests.Response`
        """
        with server.session() as session:
            return session.request(
                self.method,
                server.base_url + self.path,
                headers=self.headers,
                data=self.body or None,
                timeout=60,
            )


def _posted(number):
    return json.dumps(
        [
            {
                'counter_name': 'posted',
                'counter_type': 'gauge',
                'counter_unit': '%',
                'counter_volume': volume,
                'resource_id': f'posted-{volume % 10}',
                'resource_metadata': {'display_name': 'posted'},
            }
            for volume in range(number)
        ]
    )


HEALTH = Request('health', 'GET', '/healthcheck')
LIST = Request('list', 'GET', '/v2/meters/cpu_util?limit=100')
STATISTICS = Request(
    'statistics',
    'GET',
    '/v2/meters/cpu_util/statistics'
    '?q.field=resource_id&q.op=eq&q.value=resource-7',
)
POST_ONE = Request(
    'post-1', 'POST', '/v2/meters/posted?direct=true', _posted(1), 201
)
POST_HUNDRED = Request(
    'post-100', 'POST', '/v2/meters/posted?direct=true', _posted(100), 201
)
#: Each kind of request, one after the other.
MIXED = (HEALTH, LIST, STATISTICS, POST_ONE, LIST, STATISTICS, HEALTH, LIST)


def traffic(name):
    """Give the requests that a name in the plan stands for, in a tuple."""
    if name == 'mixed':
        return MIXED
    return (BY_NAME[name],)


SLOW = Request('slow', 'GET', '/slow?0.2', status=204)
HELLO = Request('hello', 'GET', '/')
BY_NAME = {
    request.name: request
    for request in (
        HEALTH,
        LIST,
        STATISTICS,
        POST_ONE,
        POST_HUNDRED,
        SLOW,
        HELLO,
    )
}
