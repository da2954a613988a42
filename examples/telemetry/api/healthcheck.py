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
"""The health check: oslo.middleware's, with a real round trip to storage."""

import contextvars
import logging

from oslo_middleware.healthcheck import pluginbase
from werkzeug import Response, exceptions

from telemetry.storage import errors

LOG = logging.getLogger(__name__)
# That of the request that is answered. oslo.middleware makes the extension
# below without it, and a Storage of its own would have connections of its own.
_storage = contextvars.ContextVar('storage')


class StorageHealthcheck(pluginbase.HealthcheckBaseExtension):
    """Reports whether the database answers and has the schema."""

    def healthcheck(self, server_port):
        # The answer is public: what exactly is wrong goes to the log only.
        try:
            _storage.get().check()
        except errors.SchemaMissing:
            return _unhealthy('The database needs telemetry-dbsync')
        except errors.StorageBusy as error:
            LOG.error('The health check of the database failed: %s', error)
            return _unhealthy('No connection to the database is free')
        except errors.StorageError as error:
            LOG.error('The health check of the database failed: %s', error)
            return _unhealthy('The database does not answer')
        except Exception:
            LOG.exception('The health check of the database failed')
            return _unhealthy('The health check failed')
        return pluginbase.HealthcheckResult(available=True, reason='OK')


def _unhealthy(reason):
    return pluginbase.HealthcheckResult(available=False, reason=reason)


def show(request):
    """The answer of oslo.middleware's Healthcheck."""
    _storage.set(request.storage)
    return Response.from_app(request.healthcheck, request.environ)


def not_here(environ, start_response):
    """Stands behind Healthcheck for callers that it does not serve."""
    raise exceptions.NotFound()
