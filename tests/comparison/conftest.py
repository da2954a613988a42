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

"""Runs of a comparison, made up or made quickly."""

import pytest
from comparison import plan, styles


@pytest.fixture
def run():
    """Make a run as the data file has it."""

    def run(style='werkzeug threads', **fields):
        return {
            'kind': 'run',
            'experiment': 'styles',
            'style': style,
            'store': 'sqlite',
            'samples': 10000,
            'mode': 'closed',
            'traffic': 'list',
            'amount': 8,
            'repeat': 0,
            'requests': 100,
            'seconds': 2.0,
            'errors': 0,
            'latencies': {},
            'cpu_host': 1.0,
            'memory': [50_000_000],
            'connections': 8,
            'marks': [],
            **fields,
        }

    return run


@pytest.fixture
def block():
    """Make a block of one step that needs no database."""

    def block(application, style=styles.BASELINE, **fields):
        step = plan.Step('closed', 'hello', 4, 1)
        return plan.Block('trial', style, None, (step,), application, **fields)

    return block
