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

"""nginx speaks HTTPS and passes requests to gunicorn over a socket."""

from hosts import gunicorn, nginx


class NginxGunicorn(nginx.Nginx):
    """nginx from the distribution, gunicorn from PyPI."""

    name = 'nginx-gunicorn'
    samples = (
        *nginx.Nginx.samples,
        'nginx_gunicorn/telemetry-api.backend',
        *gunicorn.BehindProxy.samples,
    )
    behind = gunicorn.BehindProxy
