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

"""nginx speaks HTTPS and passes requests to uWSGI over a socket."""

from hosts import nginx, uwsgi


class NginxUWSGI(nginx.Nginx):
    """nginx from the distribution, uWSGI from PyPI."""

    name = 'nginx-uwsgi'
    samples = (
        *nginx.Nginx.samples,
        'nginx_uwsgi/telemetry-api.backend',
        *uwsgi.BehindProxy.samples,
    )
    behind = uwsgi.BehindProxy
    cannot = {
        'failure': 'Clients get 502, since uWSGI gives no answer. Let the '
        'application answer for itself, as the telemetry API does on any '
        'error.',
    }
