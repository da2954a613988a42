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

"""Figures of known data are known figures."""

import random

import pytest
from comparison import analysis
from comparison.data import Data


def test_throughput_is_the_mean_of_the_runs(run):
    figure = analysis.throughput([run(requests=100), run(requests=300)])
    assert figure.value == 100
    assert (figure.low, figure.high) == (50, 150)


def test_runs_with_a_mark_count_for_nothing(run):
    good, bad = run(), run(requests=10**6, marks=['others used 50 %'])
    data = Data({}, [good, bad])
    assert analysis.select(data, style='werkzeug threads') == [good]
    assert analysis.marked(data) == [bad]


def test_runs_are_selected_by_their_fields(run):
    one, other = run(store='sqlite'), run(store='mariadb')
    assert analysis.select(Data({}, [one, other]), store='mariadb') == [other]


def test_nothing_is_said_without_runs():
    assert analysis.throughput([]) is None
    assert analysis.ratio([], []) is None
    assert analysis.latency([], 0.5) is None


def test_ratio(run):
    figure = analysis.ratio([run(requests=300)], [run(requests=150)])
    assert (figure.low, figure.value, figure.high) == (2, 2, 2)


def test_percentiles(run):
    """99 requests of 1 ms and one of 50 ms, in two runs."""
    runs = [
        run(latencies={'1000': 50}),
        run(latencies={'1000': 49, '50000': 1}),
    ]
    assert analysis.latency(runs, 0.5).value == 1
    assert analysis.latency(runs, 0.99).value == 1
    assert analysis.latency(runs, 0.995).value == 50
    # Whether the slow one is drawn decides.
    assert analysis.latency(runs, 0.995).low == 1


def test_cpu_per_request_is_in_milliseconds(run):
    figure = analysis.cpu([run(requests=500, cpu_host=2.0)])
    assert figure.value == 4


def test_memory_and_connections(run):
    runs = [run(memory=[10**6, 3 * 10**6], connections=2), run(connections=7)]
    assert analysis.memory(runs) == 3
    assert analysis.connections(runs) == 7


@pytest.mark.parametrize(('repeats', 'least'), [(3, 0.65), (20, 0.88)])
def test_intervals_cover_the_truth(run, repeats, least):
    """Nominally 95 %; the fewer repeats, the less, as the page says."""
    rng = random.Random(1)
    covered = 0
    for _ in range(100):
        runs = [
            run(requests=rng.gauss(1000, 100), seconds=1.0)
            for _ in range(repeats)
        ]
        covered += not analysis.throughput(runs).differs(1000)
    assert covered / 100 >= least


def test_figures_are_the_same_each_time(run):
    runs = [run(requests=number) for number in (90, 100, 130)]
    assert analysis.throughput(runs) == analysis.throughput(runs)
