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

"""What the data say, as tables for a terminal and for the guide."""

import dataclasses
import statistics

from experiments.which_commands_gain import commands, processes, verdict

#: What every run has beside its work: name -> title, and how to show it.
COSTS = {
    'startup': ('start-up, s', 1),
    'rss': ('memory at most (RSS), MiB', 1 / 2**20),
    'uss': ('memory of its own (USS), MiB', 1 / 2**20),
    'cpu': ('processor time, s', 1),
}


@dataclasses.dataclass(frozen=True)
class Line:
    """One figure in all styles.

    :ivar means: style -> mean over the repeats
    :ivar ratio: eventlet to threads
    """

    case: str
    title: str
    more_is_better: bool
    means: dict
    ratio: verdict.Ratio

    def goodness(self):
        """Return low, value and high of how many times as good it is under
        eventlet, which is the ratio or its inverse."""
        ratio = self.ratio
        if self.more_is_better:
            return ratio.low, ratio.value, ratio.high
        return 1 / ratio.high, 1 / ratio.value, 1 / ratio.low


def lines(name, runs):
    """Return the Lines about the work of a command."""
    command = commands.COMMANDS[name]
    return [
        _line(
            case,
            measure.title,
            {
                style: [
                    run['work'][key]
                    for run in runs
                    if (run['case'], run['style']) == (case, style)
                ]
                for style in command.styles
            },
            measure.more_is_better,
        )
        for case in command.cases
        if any(run['case'] == case for run in runs)
        for key, measure in command.measures.items()
    ]


def costs(name, runs):
    """Return the Lines about start-up, memory and the like, of all cases."""
    found = []
    for key, (title, factor) in COSTS.items():
        values = {
            style: [
                run[key] * factor
                for run in runs
                if run['style'] == style and key in run
            ]
            for style in commands.COMMANDS[name].styles
        }
        if all(values.values()):
            found.append(_line('', title, values, False))
    return found


def _line(case, title, values, more_is_better):
    return Line(
        case,
        title,
        more_is_better,
        {
            style: statistics.fmean(numbers)
            for style, numbers in values.items()
        },
        verdict.ratio(
            values[processes.EVENTLET],
            values[processes.THREADS],
            more_is_better,
        ),
    )


def verdict_on(name, runs):
    """Return the verdict on a command."""
    return verdict.command([line.ratio for line in lines(name, runs)])


def tracebacks(name, runs):
    """Return {style: how many tracebacks were in its logs}."""
    return {
        style: int(
            sum(run['tracebacks'] for run in runs if run['style'] == style)
        )
        for style in commands.COMMANDS[name].styles
    }


def number(value):
    """Show a number with three figures."""
    return f'{value:.0f}' if abs(value) >= 100 else f'{value:.3g}'


def ratio(found):
    """Show a ratio with its interval."""
    return f'{found.value:.2f} ({found.low:.2f} to {found.high:.2f})'


def conditions(found):
    """Return a sentence about when, where and on what it was measured.

    :param found: the data of one command
    """
    machine = found['machine']
    versions = ', '.join(map(' '.join, found['versions'].items()))
    settings = ', '.join(
        f'{name} {value}' for name, value in found['settings'].items()
    )
    return (
        f'Measured on {found["date"]}: {len(found["runs"])} runs, on '
        f'{machine["cores"]} cores with {machine["memory"] / 2**30:.0f} GiB '
        f'({machine["system"]}), with {versions}. Settings: {settings}.'
    )


def as_text(data):
    """Return all verdicts and figures, for a terminal."""
    text = []
    for name, found in data['commands'].items():
        runs = found['runs']
        text += ['', f'telemetry-{name}: {verdict_on(name, runs)}']
        for line in lines(name, runs) + costs(name, runs):
            values = ', '.join(
                f'{style} {number(value)}'
                for style, value in line.means.items()
            )
            text.append(
                f'  {line.case or "all cases"}: {line.title}: {values}; '
                f'ratio {ratio(line.ratio)}: {line.ratio.meaning}'
            )
        text.append(f'  tracebacks: {tracebacks(name, runs)}')
    return '\n'.join(text)
