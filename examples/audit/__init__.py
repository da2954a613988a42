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

"""Tells whether a Python package monkey-patches the process with eventlet.

For every entry point of an installed distribution, for one console script, or
for one WSGI application: does it patch when it is imported, when it is run,
or not at all, and through which chain of imports?

- ``targets``: what there is to examine in an environment.
- ``sandbox`` and ``examiner``: run inside the examined Python; one fresh
  process imports one target, is kept from doing harm, and tells what it sees.
- ``run``: starts that process and collects what it tells.
- ``reading``: reads source text, for what would happen only at run time.
- ``verdicts``: joins what was seen with what was read.
- ``report``: the table, JSON, SARIF and the baseline.
- ``command``: the command line.
- ``survey``: the table of this guide, from the reports in ``results``.
"""
