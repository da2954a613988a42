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

"""Figures with their intervals, from the raw runs.

A *cell* is all unmarked repeats of one run. An interval is the middle 95 %
of a bootstrap: the repeats of a cell are drawn again with replacement, the
latencies of each drawn run likewise, and the figure is computed again. With
few repeats such an interval is rather too narrow.
"""

import dataclasses
import itertools
import math
import random
import statistics

from comparison import ComparisonError

RESAMPLES = 1000
_SEED = 2026


class NoRunsError(ComparisonError):
    """The data have no good run of what is asked for."""


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number with its 95 % interval.

    :ivar repeats: how many runs there are, of the cell that has fewest
    """

    value: float
    low: float
    high: float
    repeats: int = 2

    def differs(self, other):
        """Whether the interval leaves out a number."""
        return not self.low <= other <= self.high


def select(data, **wanted):
    """The runs without a mark, of which fields have these values.

    :param data: a :class:`comparison.data.Data`
    """
    return [
        run
        for run in data.runs
        if not run['marks']
        and all(run.get(name) == value for name, value in wanted.items())
    ]


def marked(data):
    """The runs that are in no figure."""
    return [run for run in data.runs if run['marks']]


def throughput(runs):
    """Answers in a second: a :class:`Figure`, or None without runs."""
    return _figure(statistics.fmean, _rates(runs))


def cpu(runs, name='cpu_host'):
    """Milliseconds of CPU that the host used for one answer.

    :param name: ``cpu_store`` for those that the database used
    """
    return _figure(
        statistics.fmean,
        [
            run[name] / run['requests'] * 1000
            for run in runs
            if run['requests']
        ],
    )


def ratio(runs, base):
    """The throughput of runs, divided by that of others."""
    return _figure(
        lambda chosen, others: (
            statistics.fmean(chosen) / statistics.fmean(others)
        ),
        _rates(runs),
        _rates(base),
    )


def latency(runs, share):
    """A percentile of the latencies, in milliseconds.

    :param share: 0.5 for the median, 0.99 for the slowest in a hundred
    """
    return _figure(
        lambda chosen: _percentile(chosen, share),
        [latencies for run in runs if (latencies := _latencies(run))],
        redraw=lambda rng, drawn: rng.choices(drawn, k=len(drawn)),
    )


def in_progress(runs):
    """How many requests were in progress, by Little's law."""
    return _figure(
        statistics.fmean,
        [
            run['requests'] / run['seconds'] * _mean_seconds(run)
            for run in runs
            if run['latencies']
        ],
    )


def memory(runs):
    """Megabytes of one worker at the end of a run, as the median."""
    sizes = [size / 1e6 for run in runs for size in run['memory']]
    return statistics.median(sizes) if sizes else None


def connections(runs):
    """The most connections to the database server that were seen."""
    found = [
        run['connections'] for run in runs if run['connections'] is not None
    ]
    return max(found, default='no data')


def mean(runs, name):
    """The mean of something that was found, with its interval."""
    return _figure(
        statistics.fmean,
        [found for run in runs if (found := run['found'][name]) is not None],
    )


def _rates(runs):
    return [run['requests'] / run['seconds'] for run in runs]


def _mean_seconds(run):
    counts = run['latencies'].items()
    total = sum(int(value) * count for value, count in counts)
    return total / sum(run['latencies'].values()) / 1e6


def _latencies(run):
    """Each latency of a run, in microseconds."""
    return [
        int(value)
        for value, count in run['latencies'].items()
        for _ in range(count)
    ]


def _percentile(chosen, share):
    values = sorted(itertools.chain.from_iterable(chosen))
    return values[math.ceil(share * len(values)) - 1] / 1000


def _figure(statistic, *samples, redraw=None):
    """A statistic of lists, with its bootstrap interval.

    :param samples: lists of what stands for one run each
    :param redraw: draws again within what stands for one run
    """
    if not all(samples):
        return None
    rng = random.Random(_SEED)
    resamples = RESAMPLES if redraw is None else RESAMPLES // 5
    found = sorted(
        statistic(
            *(
                [
                    redraw(rng, run) if redraw else run
                    for run in rng.choices(runs, k=len(runs))
                ]
                for runs in samples
            )
        )
        for _ in range(resamples)
    )
    edge = round(resamples * 0.025)
    return Figure(
        statistic(*samples),
        found[edge],
        found[-edge - 1],
        min(map(len, samples)),
    )
