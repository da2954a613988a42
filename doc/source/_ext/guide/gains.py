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

"""``commands-gain``: which commands gain from eventlet, as it was measured.

The data are ``results.json`` of ``examples/experiments/which_commands_gain``;
the verdicts are computed from them while the site is built.
"""

import json
import math
import pathlib
import sys
from html import escape

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from guide import CHECKOUT

sys.path.append(str(CHECKOUT / 'examples'))

from experiments.which_commands_gain import (  # noqa: E402
    RESULTS,
    commands,
    report,
    verdict,
)

COLOURS = {
    verdict.BETTER: '#1b7837',
    verdict.SAME: '#52606d',
    verdict.WORSE: '#b35806',
}
#: Pixels of the plot: of a row, of the labels, of the rest.
ROW, LABELS, WIDTH = 22, 440, 360


class CommandsGain(SphinxDirective):
    """Show the verdicts on all commands, or the figures of one.

    Without an argument there is a table of verdicts. The argument is the
    name of a command, without ``telemetry-``, for a table of its figures, or
    ``plot`` for a plot of the figures of all. What is not in the data is
    shown as not measured.
    """

    optional_arguments = 1

    def run(self):
        file = pathlib.Path(self.config.gains_file)
        self.env.note_dependency(str(file))
        try:
            found = json.loads(file.read_text('utf-8'))['commands']
        except (OSError, ValueError, KeyError) as error:
            raise self.error(f'cannot read {file}: {error}') from error
        if not self.arguments:
            return self.parse_text_to_nodes(_verdicts(found))
        (name,) = self.arguments
        if name == 'plot':
            return [nodes.raw('', _plot(found), format='html')]
        if name not in commands.COMMANDS:
            raise self.error(f'there is no command {name!r}')
        if name not in found:
            return self.parse_text_to_nodes(
                f'Not measured yet: it {commands.COMMANDS[name].work}.'
            )
        return self.parse_text_to_nodes(_figures(name, found[name]))


def _verdicts(found):
    rows = [
        ['Command', 'Waits for', 'Start-up', 'Memory', 'Tracebacks', 'Verdict']
    ]
    for name, command in commands.COMMANDS.items():
        title = f'``telemetry-{name}``'
        if name not in found:
            rows.append([title, command.waits, '', '', '', 'not measured'])
            continue
        runs = found[name]['runs']
        costs = {line.title: line for line in report.costs(name, runs)}
        rows.append(
            [
                title,
                command.waits,
                *(
                    f'{costs[report.COSTS[key][0]].ratio.value:.2f}'
                    for key in ('startup', 'rss')
                ),
                ', '.join(
                    f'{style} {number}'
                    for style, number in report.tracebacks(name, runs).items()
                ),
                f'**{report.verdict_on(name, runs)}**',
            ]
        )
    title = 'What eventlet does to each command'
    return _table(title, rows, [22, 32, 10, 10, 13, 13])


def _figures(name, found):
    command = commands.COMMANDS[name]
    rows = [['Case', 'Figure', *command.styles, 'Ratio', 'Under eventlet']]
    runs = found['runs']
    rows += [
        [
            line.case or 'all',
            line.title,
            *(report.number(line.means[style]) for style in command.styles),
            report.ratio(line.ratio),
            line.ratio.meaning,
        ]
        for line in report.lines(name, runs) + report.costs(name, runs)
    ]
    title = f'telemetry-{name} {command.work}'
    widths = [20, 26, *[9] * len(command.styles), 20, 14]
    return _table(title, rows, widths) + f'\n{report.conditions(found)}\n'


def _table(title, rows, widths):
    text = [
        f'.. list-table:: {title}',
        '   :header-rows: 1',
        f'   :widths: {" ".join(map(str, widths))}',
        '',
    ]
    for row in rows:
        for index, cell in enumerate(row):
            text.append(f'   {"  " if index else "* "}- {cell}')
    return '\n'.join(text) + '\n'


def _plot(found):
    """Return an SVG image: how many times as good each figure is."""
    lines = [
        (name, line)
        for name in commands.COMMANDS
        if name in found
        for line in report.lines(name, found[name]['runs'])
    ]
    ends = [end for _, line in lines for end in line.goodness()]
    low = min(0.5, *ends) / 1.1
    high = max(2, *ends) * 1.1

    def x(value):
        return LABELS + WIDTH * math.log(value / low) / math.log(high / low)

    height = ROW * len(lines)
    ticks = [
        tick
        for tick in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
        if low < tick < high
    ]
    parts = [
        f'<line x1="{x(tick):.0f}" x2="{x(tick):.0f}" y1="0" y2="{height}" '
        f'stroke="{"#1f2933" if tick == 1 else "#d9e2ec"}"/>'
        f'<text x="{x(tick):.0f}" y="{height + 18}" text-anchor="middle">'
        f'{tick:g}</text>'
        for tick in ticks
    ]
    for index, (name, line) in enumerate(lines):
        y = ROW * index + ROW / 2
        begin, value, end = line.goodness()
        colour = COLOURS[line.ratio.meaning]
        label = escape(f'{name}, {line.case.split(",")[0]}: {line.title}')
        parts.append(
            f'<text x="{LABELS - 12}" y="{y + 4}" text-anchor="end">{label}'
            f'</text><line x1="{x(begin):.1f}" x2="{x(end):.1f}" y1="{y}" '
            f'y2="{y}" stroke="{colour}" stroke-width="3"/>'
            f'<circle cx="{x(value):.1f}" cy="{y}" r="5" fill="{colour}"/>'
        )
    axis = 'times as good under eventlet as with threads'
    meanings = [line.ratio.meaning for _, line in lines]
    told = ', '.join(
        f'{meaning}: {meanings.count(meaning)}' for meaning in COLOURS
    )
    total = LABELS + WIDTH + 20
    return (
        f'<div class="guide-wide"><svg role="img" '
        f'viewBox="0 0 {total} {height + 48}" width="{total}" '
        f'xmlns="http://www.w3.org/2000/svg" font-size="12" '
        f'aria-label="{axis}, for each figure of the tables below, with '
        f'its interval, on a logarithmic axis; {told}.">'
        + ''.join(parts)
        + f'<text x="{LABELS + WIDTH / 2:.0f}" y="{height + 40}" '
        f'text-anchor="middle">{axis} (logarithmic)</text></svg></div>'
    )


def setup(app):
    app.setup_extension('guide')
    app.add_config_value('gains_file', str(RESULTS), 'env')
    app.add_directive('commands-gain', CommandsGain)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
