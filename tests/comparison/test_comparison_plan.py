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

"""The plan is complete, in turns, and the same for the same seed."""

import itertools

import hosts
import pytest
from comparison import ComparisonError, plan, stores, styles


def steps_of(blocks, **wanted):
    return {
        (block.style.name, block.store, step.mode, step.traffic)
        for block in blocks
        for step in block.steps
        if all(getattr(block, name) == it for name, it in wanted.items())
    }


def test_equal_styles_answer_every_request_on_every_database():
    found = steps_of(plan.full(1), experiment='styles')
    for style, store, traffic in itertools.product(
        (style for style in styles.EQUAL if not style.forks),
        (stores.SQLITE, 'postgresql', 'mariadb'),
        ('health', 'list', 'statistics', 'post-1', 'post-100', 'mixed'),
    ):
        assert (style.name, store, 'closed', traffic) in found


def test_every_style_has_its_ceiling():
    measured = {*styles.EQUAL, *styles.PROPER}
    ceilings = {
        block.style for block in plan.full(1) if block.experiment == 'ceiling'
    }
    assert ceilings == measured


def test_every_host_is_measured_but_the_same_with_other_binaries():
    measured = {block.style.host for block in plan.full(1)}
    others = {'apache-mod-wsgi-pypi', 'uwsgi-debian'}
    assert set(hosts.find()) - others == measured - {'eventlet-wsgi'}


def test_a_fixed_rate_is_one_that_a_style_can_do():
    blocks = [*plan.quick(1), *plan.any_application('m:a', 'own', 1)]
    for block in blocks:
        if block.style.forks:
            assert {step.mode for step in block.steps} == {'closed'}


def test_equal_styles_have_the_same_room():
    for style in styles.EQUAL:
        assert style.processes * (style.threads or style.pool) == 8
        assert style.processes * style.pool == 8


@pytest.mark.parametrize('make', [plan.quick, plan.full])
def test_repeats_come_in_turns(make):
    """No style has all of its repeats before another one has its first."""
    blocks = [block for block in make(1) if block.experiment == 'styles']
    repeats = [block.repeat for block in blocks]
    assert repeats == sorted(repeats)
    rounds = [
        [
            (block.style.name, block.store, block.application)
            for block in blocks
            if block.repeat == repeat
        ]
        for repeat in sorted(set(repeats))
    ]
    assert all(
        sorted(one, key=str) == sorted(rounds[0], key=str) for one in rounds
    )
    assert rounds[0] != rounds[1]


def test_a_seed_gives_one_order():
    assert plan.full(1) == plan.full(1)
    assert plan.full(1) != plan.full(2)
    assert set(map(str, plan.runs(plan.full(1)))) != set()


def test_two_runs_of_one_name_are_refused():
    blocks = plan.quick(1)
    with pytest.raises(
        ComparisonError, match=r'the plan has the run .* twice'
    ):
        plan.runs([*blocks, blocks[0]])


def test_other_hosts_of_a_style_are_named(tmp_path):
    style = styles.Style('none', 'no-such-host')
    with pytest.raises(ComparisonError, match="no host 'no-such-host'.*uwsgi"):
        style.server(plan.HELLO, tmp_path, {})
