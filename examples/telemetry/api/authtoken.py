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
"""Tokens of Keystone, checked by keystonemiddleware's auth_token.

Importing this takes longer than the rest of the service: only do so if
``[api] auth_strategy`` is ``keystone``.
"""

import logging

import webob.exc
from keystoneauth1 import exceptions as keystone_errors
from keystonemiddleware import auth_token
from oslo_config import cfg

from telemetry.api import identity

LOG = logging.getLogger(__name__)
GROUP = 'keystone_authtoken'
REQUIRED = ('www_authenticate_uri', 'auth_type')


class AuthToken(auth_token.AuthProtocol):
    """Puts who calls into the identity headers, and lets all requests pass.

    The application refuses those without a valid token, since it knows which
    paths are public and what its errors look like. Nothing of an identity
    header that a client sends is left.

    :param application: the WSGI application
    :param conf: the ConfigOpts of telemetry.conf
    :raises oslo_config.cfg.Error: an option is missing or not valid
    """

    def __init__(self, application, conf):
        for group, opts in auth_token.list_opts():
            conf.register_opts(opts, group)
        for name in REQUIRED:
            if not conf[GROUP][name]:
                raise cfg.RequiredOptError(name, cfg.OptGroup(GROUP))
        try:
            super().__init__(
                application,
                {'oslo_config_config': conf, 'delay_auth_decision': False},
            )
        except keystone_errors.ClientException as error:
            raise cfg.ConfigFileValueError(
                f'The options in group [{GROUP}] are not valid: {error}'
            ) from error

    def process_request(self, request):
        try:
            super().process_request(request)
        except webob.exc.HTTPUnauthorized:
            # Also where the token is good and that of a service is not.
            request.user_token_valid = False
        except webob.exc.HTTPServiceUnavailable:
            request.environ[identity.UNAVAILABLE] = True
        except keystone_errors.ClientException as error:
            LOG.critical('Unable to validate token: %s', error)
            request.environ[identity.UNAVAILABLE] = True
