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

"""The comparison: what leaving eventlet costs or gains, measured.

``python -m comparison`` plans runs, starts every host through its driver,
drives it with wrk and h2load, and writes each run into one data file, from
which the pages of the guide are made.

=================  ============================================================
``styles``         what is compared: hosts with processes, threads and a pool
``eventlet_wsgi``  the server of eventlet, to compare with
``requests``       what is asked, and how an answer is known to be right
``plan``           which runs, in which order
``stores``         the databases, and the samples in them
``load``           the load generators
``watch``          what the machine, the host and the database did meanwhile
``runner``         carries out a plan
``trouble``        storage on purpose: slow, small, restarted, contended
``hang_up``        clients that hang up early, stall or reset
``data``           the data file
``analysis``       figures with their intervals, from the data
``findings``       what the figures say, in sentences
``report``         tables and plots of the figures
``plots``          how a plot is drawn
=================  ============================================================
"""


class ComparisonError(Exception):
    """The comparison cannot go on; the message says why."""
