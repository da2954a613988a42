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
"""The limit of requests that the guide shows, on a real nginx."""

import pathlib

import pytest
from hosts import driver, nginx_gunicorn

FILE = driver.EXAMPLES / 'secure' / 'rate-limit.conf'


class Limited(nginx_gunicorn.NginxGunicorn):
    """nginx with one more file, as in /etc/nginx/conf.d."""

    folder = pathlib.Path(nginx_gunicorn.__file__).parent

    def prepare(self):
        super().prepare()
        conf = self.root / 'nginx.conf'
        text = conf.read_text()
        assert text.count('include ') == 1
        conf.write_text(text.replace('include ', f'include {FILE}; include '))


@pytest.fixture
def host(tmp_path):
    tmp_path.chmod(0o777)
    with Limited('werkzeug.testapp:test_app', tmp_path / 'host') as running:
        yield running


def test_a_client_that_asks_too_often(host):
    found = []
    with host.session() as http:
        while 429 not in found:
            assert len(found) < 3000
            found.append(http.get(f'{host.base_url}/').status_code)
    # The burst at least, and never an error.
    assert set(found) == {200, 429}
    assert len(found) > 40
