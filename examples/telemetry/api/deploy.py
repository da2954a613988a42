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
"""Putting the service together: application and middleware, in plain code."""

from importlib import metadata

from oslo_config import cfg
from oslo_middleware import healthcheck as oslo_healthcheck
from oslo_middleware import http_proxy_to_wsgi, request_id

from telemetry import storage
from telemetry.api import app, healthcheck


def load(conf):
    """Return the WSGI application for a configuration.

    It opens nothing: the first request that needs the database connects.

    :param conf: a ConfigOpts of telemetry.conf.load()
    :raises oslo_config.cfg.Error: the configuration names a health check
        that is not installed
    """
    _check_healthcheck_backends(conf)
    application = app.Application(
        conf,
        storage.Storage(conf),
        oslo_healthcheck.Healthcheck(healthcheck.not_here, conf),
    )
    # From the inside out: a request passes the last line first.
    application = http_proxy_to_wsgi.HTTPProxyToWSGI(application, conf)
    return request_id.RequestId(application, conf)


def _check_healthcheck_backends(conf):
    """Healthcheck itself only warns, and then always reports health."""
    installed = metadata.entry_points(
        group=oslo_healthcheck.Healthcheck.NAMESPACE
    ).names
    for name in conf.healthcheck.backends:
        if name not in installed:
            raise cfg.ConfigFileValueError(
                f'Value for option backends in group [healthcheck] is not '
                f'valid: no health check named {name}; there are: '
                f'{", ".join(sorted(installed))}'
            )
