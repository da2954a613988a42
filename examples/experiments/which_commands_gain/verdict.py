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

"""The verdict on a command, decided from the data by one rule.

A ratio is eventlet to threads, of means over the repeats. Its interval is the
middle 95 % of a bootstrap: the runs of each style are drawn again, with
replacement, and the ratio is computed again. A figure is *better* if all of
the interval is beyond :data:`THRESHOLD` on the good side, *worse* if all of
it is beyond the inverse on the bad side, and otherwise *no difference*.

A command gains if a figure of its work is better and none is worse; it loses
if one is worse and none is better. With both it depends.
"""

import dataclasses
import random
import statistics

THRESHOLD = 1.1
RESAMPLES = 2000
_SEED = 4

BETTER, WORSE, SAME = 'better', 'worse', 'no difference'
GAINS, LOSES, DEPENDS = 'gains', 'loses', 'depends'


@dataclasses.dataclass(frozen=True)
class Ratio:
    """A ratio with its interval, and what it means."""

    value: float
    low: float
    high: float
    meaning: str


def ratio(values, others, more_is_better):
    """Compare the values of runs of one style with those of another.

    :param values: those under eventlet, at least one
    :param others: those with threads, none of them 0
    """
    chance = random.Random(_SEED)

    def again(numbers):
        return statistics.fmean(chance.choices(numbers, k=len(numbers)))

    found = sorted(again(values) / again(others) for _ in range(RESAMPLES))
    low = found[round(0.025 * (RESAMPLES - 1))]
    high = found[round(0.975 * (RESAMPLES - 1))]
    meaning = SAME
    if low > THRESHOLD:
        meaning = BETTER if more_is_better else WORSE
    elif high < 1 / THRESHOLD:
        meaning = WORSE if more_is_better else BETTER
    value = statistics.fmean(values) / statistics.fmean(others)
    return Ratio(value, low, high, meaning)


def command(ratios):
    """Give the verdict on a command from the Ratios of its work."""
    meanings = {each.meaning for each in ratios}
    if {BETTER, WORSE} <= meanings:
        return DEPENDS
    if BETTER in meanings:
        return GAINS
    return LOSES if WORSE in meanings else SAME
