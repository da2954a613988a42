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

"""The Sphinx extensions that keep this guide's pages live.

====================  ======================================================
``guide.commands``    makes the directives of sphinxcontrib-programoutput safe
``guide.comparison``  ``comparison``: parts of the measured comparison
``guide.session``     ``session``: commands that run while the site is built
``guide.transcript``  ``transcript``: sessions that the test suite runs; those
                      of root in a copy of the machine (``guide.machine``)
``guide.check``       fails the build on text that nothing runs or tests, and
                      on examples that no page uses
``guide.options``     ``show-options`` of oslo.config, accepted by the check
``guide.directives``  ``sample-directives``: what samples set, and the reasons
``guide.gains``       ``commands-gain``: which commands gain from eventlet
``guide.imports``     ``import-graph``: what the parts of a package import
``guide.matrix``      ``support-matrix``: what each host can do, as tests found
``guide.troubles``    ``troubles``: problems, as the tests provoke them
====================  ======================================================

How to use them: doc/source/contributor/write-a-page.rst.
"""

import logging as standard_logging
import pathlib

from sphinx.util import logging

#: The top folder of the checkout.
CHECKOUT = pathlib.Path(__file__).parents[4]

#: What every command on a page, built or tested, finds in its environment.
ENVIRONMENT = {
    'COLUMNS': '80',
    'LC_ALL': 'C.UTF-8',
    'NO_COLOR': '1',
    'PYTHONUNBUFFERED': '1',
    'TERM': 'dumb',
    'TZ': 'UTC',
}

_logger = logging.getLogger(__name__)


def fault(location, message):
    """Say what is wrong on a page, and make the build fail at its end.

    :param location: a docutils node, or ``'file:line'``.
    """
    _logger.error(message, location=location)


class _Faults(standard_logging.Handler):
    """Fails a build after a fault; Sphinx does so only if called with -W.

    Where Sphinx reads pages in several processes, the logger at the top is
    the one that gets the records of all.
    """

    def __init__(self):
        super().__init__()
        self._found = False
        self._top = standard_logging.getLogger(logging.NAMESPACE)
        self._top.addHandler(self)

    def emit(self, record):
        self._found = self._found or record.name == _logger.logger.name

    def end(self, app, exception):
        if self._found:
            app.statuscode = 1
        self._top.removeHandler(self)


def setup(app):
    app.connect('build-finished', _Faults().end)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
