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

import logging
import pathlib
import re
import stat
from importlib import metadata

from oslo_config import cfg
from oslo_middleware import healthcheck as oslo_healthcheck
from oslo_middleware import http_proxy_to_wsgi, request_id

from telemetry import conf as telemetry_conf
from telemetry import storage
from telemetry.api import app, healthcheck, metrics, policy, watch

LOG = logging.getLogger(__name__)
_PASSWORD_IN_URL = re.compile('://[^:/@]*:.+@')


def load(conf):
    """Return the WSGI application for a configuration.

    It opens nothing: the first request that needs the database connects.

    :param conf: a ConfigOpts of telemetry.conf.load()
    :raises oslo_config.cfg.Error: the configuration names a health check
        that is not installed, the policy file or the folder of the metrics
        cannot be used, or an option for Keystone is missing
    """
    _check_healthcheck_backends(conf)
    # From the inside out: a request passes the last line first.
    application = app.Application(
        conf,
        storage.Storage(conf),
        oslo_healthcheck.Healthcheck(healthcheck.not_here, conf),
        policy.enforcer(conf),
    )
    if conf.api.auth_strategy == 'keystone':
        # Only now, since the import takes time.
        from telemetry.api import authtoken

        application = authtoken.AuthToken(application, conf)
    application = http_proxy_to_wsgi.HTTPProxyToWSGI(application, conf)
    application = watch.Watch(application, _observers(conf))
    return request_id.RequestId(application, conf)


def _observers(conf):
    if not conf.metrics.directory:
        return [watch.log_line]
    return [watch.log_line, metrics.observer(conf)]


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


def warn(conf):
    """Log what of the configuration is a risk where others come near.

    Call it once at the start, after the log has been set up.
    """
    if conf.api.auth_strategy == 'noauth':
        LOG.warning(
            '[api] auth_strategy is noauth: whoever reaches this API may '
            'read and write all samples'
        )
    for file, options in exposed_secrets(conf).items():
        LOG.warning(
            'Every user of this machine can read %s, which holds %s: '
            'chmod o-rwx %s',
            file,
            ', '.join(options),
            file,
        )


def exposed_secrets(conf):
    """Return {file: [secret options in it]} of files that all can read.

    :param conf: a ConfigOpts of telemetry.conf.load()
    """
    groups = telemetry_conf.list_opts()
    if conf.api.auth_strategy == 'keystone':
        groups += telemetry_conf.list_keystone_opts()
    found = {}
    for group, opts in groups:
        for opt in opts:
            if not opt.secret or opt.dest not in conf[group]:
                continue
            place = conf.get_location(opt.dest, group)
            if (
                place
                and place.location is cfg.Locations.user
                and _is_secret(conf[group][opt.dest])
            ):
                found.setdefault(place.detail, []).append(
                    f'[{group}] {opt.dest}'
                )
    return {
        file: options
        for file, options in found.items()
        if pathlib.Path(file).stat().st_mode & stat.S_IROTH
    }


def _is_secret(value):
    """The address of a database is one only with a password in it."""
    return '://' not in value or _PASSWORD_IN_URL.search(value)
