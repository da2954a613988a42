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

"""WSGI hosts: one folder each, all driven through one small surface.

A folder holds everything about its host: the sample files that a reader
copies, and the driver that starts those same files for the tests and the
experiments. Adding a folder adds a host: nothing else names them.

Any WSGI application will do, given as ``module:callable``::

    >>> import requests
    >>> import hosts
    >>> host = hosts.find()['uwsgi']
    >>> with host('wsgiref.simple_server:demo_app', '/tmp/trial') as server:
    ...     requests.get(server.base_url).status_code
    200
"""

import importlib
import inspect
import pathlib

from hosts.driver import Host, HostError

__all__ = ['Host', 'HostError', 'find']

FOLDER = pathlib.Path(__file__).parent


def find():
    """Find every host in this folder.

    :returns: a dict of host name to its :class:`~hosts.driver.Host` class,
              in the order of the names
    """
    found = {}
    for folder in FOLDER.glob('*/__init__.py'):
        module = importlib.import_module(f'hosts.{folder.parent.name}')
        for value in vars(module).values():
            if (
                inspect.isclass(value)
                and value.__module__ == module.__name__
                and value.name
            ):
                found[value.name] = value
    return dict(sorted(found.items()))
