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
"""The formula of telemetry-size: what always holds, and a simulation of it."""

import dataclasses
import heapq
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telemetry import sizing

PLENTY = 10**9
TASK = sizing.Task(
    rate=40,
    cpu_ms=15,
    wait_ms=20,
    cores=2,
    memory_mb=4000,
    worker_mb=90,
    connections=97,
)


def numbers(low, high):
    return st.floats(low, high, allow_nan=False)


demands = st.builds(
    sizing.Task,
    rate=numbers(0.01, 5000),
    cpu_ms=numbers(0.1, 500),
    wait_ms=numbers(0, 5000),
    cores=st.just(PLENTY),
    memory_mb=st.just(PLENTY),
    worker_mb=numbers(1, 1000),
)
machines = st.builds(
    sizing.Task,
    rate=numbers(0.01, 5000),
    cpu_ms=numbers(0.1, 500),
    wait_ms=numbers(0, 5000),
    cores=st.integers(1, 128),
    memory_mb=numbers(100, 10**6),
    worker_mb=numbers(1, 1000),
    connections=st.none() | st.integers(1, 5000),
)


@given(demands)
def test_there_is_room_for_what_littles_law_says(task):
    found = sizing.size(task)
    # How long a request takes, and how many there are meanwhile.
    seconds = task.wait_ms / 1000 + task.cpu_ms / 1000 / 0.3
    assert found.in_progress == pytest.approx(task.rate * seconds)
    places = found.processes * found.threads
    assert places >= found.in_progress + 2 * math.sqrt(found.in_progress)
    # And not for a whole thread of each process more.
    assert places < (
        found.in_progress
        + 2 * math.sqrt(found.in_progress)
        + found.processes
        + 1e-6
    )


@given(demands)
def test_no_process_is_used_further_than_planned(task):
    found = sizing.size(task)
    used = task.rate * task.cpu_ms / 1000 / found.processes
    assert used <= sizing.UTILISATION * (1 + 1e-9)
    assert found.processes >= sizing.FEWEST_PROCESSES


@given(demands)
def test_each_thread_has_a_connection(task):
    found = sizing.size(task)
    assert found.threads >= 1
    assert found.pool >= found.threads
    assert found.connections == found.processes * found.pool
    assert found.memory_mb == found.processes * task.worker_mb


@given(
    demands,
    st.sampled_from(['rate', 'cpu_ms', 'wait_ms']),
    numbers(1, 10),
)
def test_more_to_do_takes_no_less(task, name, factor):
    more = dataclasses.replace(task, **{name: getattr(task, name) * factor})
    less, more = sizing.size(task), sizing.size(more)
    assert more.processes >= less.processes
    assert more.in_progress >= less.in_progress
    # Rounded up in each process.
    assert more.connections > less.connections - less.processes


@given(machines)
def test_what_is_given_fits_the_machine(task):
    try:
        found = sizing.size(task)
    except sizing.TooMuchError:
        return
    assert found.processes <= max(task.cores, sizing.FEWEST_PROCESSES)
    assert 2 * found.memory_mb <= task.memory_mb
    if task.connections is not None:
        assert 2 * found.connections <= task.connections


@given(machines)
def test_the_highest_rate_is_one_that_the_machine_can_meet(task):
    highest = sizing.highest_rate(task)
    if highest:
        sizing.size(dataclasses.replace(task, rate=highest))
    ceiling = sizing.UTILISATION * task.cores / (task.cpu_ms / 1000)
    assert highest <= ceiling
    with pytest.raises(sizing.TooMuchError) as failure:
        sizing.size(dataclasses.replace(task, rate=ceiling * 1.001))
    assert failure.value.highest == highest


@given(
    machines,
    st.sampled_from(['cores', 'memory_mb']),
    st.integers(1, 10),
)
def test_a_larger_machine_can_do_no_less(task, name, factor):
    # The connections are rounded: without their limit.
    task = dataclasses.replace(task, connections=None)
    larger = dataclasses.replace(task, **{name: getattr(task, name) * factor})
    assert sizing.highest_rate(larger) >= sizing.highest_rate(task)


def test_the_samples_of_the_hosts_are_what_a_small_service_needs():
    found = sizing.size(TASK)
    assert (found.processes, found.threads) == (2, 4)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'rate': 200}, '5 cores, each used to 70%, and there are 2'),
        ({'memory_mb': 359}, '360 MB while processes are replaced'),
        (
            {'connections': 15},
            '16 connections while processes are replaced, and the',
        ),
    ],
)
def test_what_is_lacking_is_named_with_what_can_be_done(change, words):
    task = dataclasses.replace(TASK, **change)
    with pytest.raises(sizing.TooMuchError) as failure:
        sizing.size(task)
    message = str(failure.value)
    assert words in message
    highest = failure.value.highest
    assert highest == sizing.highest_rate(task)
    if highest:
        assert f'can answer {highest:g} a second' in message
    else:
        assert 'can answer none' in message


def test_more_machines_help_unless_they_share_what_is_lacking():
    with pytest.raises(sizing.TooMuchError, match='3 such machines'):
        sizing.size(dataclasses.replace(TASK, rate=200))
    with pytest.raises(sizing.TooMuchError) as failure:
        sizing.size(dataclasses.replace(TASK, connections=15))
    assert 'such machines' not in str(failure.value)


@pytest.mark.parametrize(
    'name', [field.name for field in dataclasses.fields(sizing.Task)]
)
@pytest.mark.parametrize('value', [-1, 0, math.nan, math.inf])
def test_a_value_without_sense_is_named(name, value):
    if (name, value) == ('wait_ms', 0):
        return
    with pytest.raises(sizing.SizingError, match=f'^{name}: '):
        dataclasses.replace(TASK, **{name: value})


def simulate(task, found, requests, seed):
    """Let requests come at random, and return what became of them.

    Each goes to the process that has most free threads, or waits for one. It
    waits for the storage, and then shares the one core of that process with
    the others there; both times are random.

    :returns: the mean of the requests in progress, and the share of requests
        that found no free thread
    """
    rng = random.Random(seed)
    clock = area = 0.0
    coming = rng.expovariate(task.rate)
    computing = [[] for _ in range(found.processes)]  # seconds that are left
    waiting = []  # (when it has its answer from the storage, process)
    held = [0] * found.processes  # threads
    queue = arrived = late = 0

    def take(process):
        held[process] += 1
        end = clock + rng.expovariate(1000 / task.wait_ms)
        heapq.heappush(waiting, (end, process))

    while arrived < requests:
        end = min(
            (clock + min(left) * len(left) for left in computing if left),
            default=math.inf,
        )
        after = min(coming, end, waiting[0][0] if waiting else math.inf)
        for left in computing:
            passed = (after - clock) / len(left) if left else 0
            left[:] = [seconds - passed for seconds in left]
        area += (sum(held) + queue) * (after - clock)
        clock = after
        if after == coming:
            arrived += 1
            coming = clock + rng.expovariate(task.rate)
            free = min(range(found.processes), key=held.__getitem__)
            if held[free] < found.threads:
                take(free)
            else:
                late += 1
                queue += 1
        elif waiting and after == waiting[0][0]:
            _, process = heapq.heappop(waiting)
            computing[process].append(rng.expovariate(1000 / task.cpu_ms))
        else:
            process = min(
                (one for one in range(found.processes) if computing[one]),
                key=lambda one: min(computing[one]),
            )
            computing[process].remove(min(computing[process]))
            held[process] -= 1
            if queue:
                queue -= 1
                take(process)
    return area / clock, late / arrived


@pytest.mark.parametrize(
    'change',
    [
        {},
        {'rate': 93},
        {'rate': 10, 'wait_ms': 500},
        {'rate': 300, 'cores': 8},
        {'rate': 200, 'cpu_ms': 5, 'wait_ms': 200},
    ],
    ids=str,
)
def test_a_simulation_finds_no_more_in_progress(change):
    """In a time of its own: the same for each run."""
    task = dataclasses.replace(TASK, connections=None, **change)
    found = sizing.size(task)
    in_progress, late = simulate(task, found, requests=20000, seed=6)
    assert in_progress <= found.in_progress
    # Little's law would not allow fewer than these.
    least = task.rate * (task.cpu_ms + task.wait_ms) / 1000
    assert in_progress >= least * 0.95
    # With two standard deviations of room, few wait for a thread.
    assert late < 0.1
