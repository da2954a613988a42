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

"""Plots as SVG, readable without colour: shapes, dashes and labels differ."""

import html
import math

from comparison import analysis

_TEXT = '#1f2933'
_GRID = '#d9e2ec'
_COLOURS = ('#1b5e9b', '#b35806', '#1b7837', '#762a83', '#52606d')
_DASHES = ('', '8 4', '2 4', '10 3 2 3', '4 2')


def intervals(lines, axis):
    """One row for each figure, with its interval, on a logarithmic axis.

    :param lines: (group, label, :class:`comparison.analysis.Figure`), the
        groups together
    :param axis: what the figures are; 1 has a line of its own
    """
    if not lines:
        raise analysis.NoRunsError
    low = min([0.5, *(figure.low for *_, figure in lines)]) / 1.1
    high = max([2, *(figure.high for *_, figure in lines)]) * 1.1
    labels, width, row = 170, 470, 20

    def x(value):
        return labels + width * math.log(value / low) / math.log(high / low)

    parts, y, last = [], 0, None
    kinds = list(dict.fromkeys(label for _, label, _ in lines))
    for group, label, figure in lines:
        if group != last:
            y += row + 6
            parts.append(_label(0, y, group, weight='bold'))
            last = group
        y += row
        kind = kinds.index(label)
        parts.append(_label(labels - 12, y, label, 'end'))
        parts.append(
            f'<path d="M{x(figure.low):.1f} {y - 4}H{x(figure.high):.1f}" '
            f'stroke="{_TEXT}" stroke-width="2"/>'
        )
        parts.append(_mark(x(figure.value), y - 4, kind))
        parts.append(_label(labels + width + 8, y, f'{figure.value:.2f}'))
    height = y + 10
    grid = ''.join(
        f'<path d="M{x(tick):.1f} 0V{height}" '
        f'stroke="{_TEXT if tick == 1 else _GRID}"/>'
        + _label(x(tick), height + 16, f'{tick:g}', 'middle')
        for tick in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
        if low < tick < high
    )
    told = '; '.join(
        f'{group}, {label}: {figure.value:.2f}'
        for group, label, figure in lines
    )
    return _svg(
        labels + width + 60,
        height + 46,
        f'{axis}. {told}.',
        grid
        + ''.join(parts)
        + _label(labels + width / 2, height + 38, axis, 'middle'),
    )


def lines(series, across, up):
    """One line for each series, over a logarithmic axis.

    :param series: label to a list of (x, figure)
    :param across: what x is
    :param up: what the figures are
    """
    points = [point for one in series.values() for point in one]
    if not points:
        raise analysis.NoRunsError
    most = max(figure.high for _, figure in points) * 1.05
    least, largest = (
        choose(value for value, _ in points) for choose in (min, max)
    )
    left, width, height = 60, 420, 260

    def x(value):
        return left + width * math.log(value / least) / math.log(
            largest / least
        )

    def y(value):
        return 10 + height * (1 - value / most)

    parts = []
    step = 10 ** math.floor(math.log10(most / 2))
    for tick in range(0, math.ceil(most), math.ceil(step)):
        if tick <= most:
            parts.append(
                f'<path d="M{left} {y(tick):.1f}h{width}" stroke="{_GRID}"/>'
            )
            parts.append(_label(left - 8, y(tick) + 4, f'{tick}', 'end'))
    for value in sorted({value for value, _ in points}):
        parts.append(_label(x(value), height + 28, f'{value:g}', 'middle'))
    ends = []
    series = {label: found for label, found in series.items() if found}
    for kind, (label, found) in enumerate(series.items()):
        path = ' '.join(
            f'{"L" if index else "M"}{x(value):.1f} {y(figure.value):.1f}'
            for index, (value, figure) in enumerate(found)
        )
        parts.append(
            f'<path d="{path}" fill="none" stroke="{_COLOURS[kind]}" '
            f'stroke-width="2" stroke-dasharray="{_DASHES[kind]}"/>'
        )
        for value, figure in found:
            parts.append(
                f'<path d="M{x(value):.1f} {y(figure.low):.1f}'
                f'V{y(figure.high):.1f}" stroke="{_COLOURS[kind]}"/>'
            )
            parts.append(_mark(x(value), y(figure.value), kind))
        ends.append((y(found[-1][1].value), kind, label))
    at = -math.inf
    for end, kind, label in sorted(ends):
        # Labels keep a distance where lines end together.
        at = max(end, at + 18)
        parts.append(_mark(left + width + 20, at, kind))
        parts.append(_label(left + width + 30, at + 4, label))
    parts.append(
        _label(
            left + width / 2, height + 50, f'{across} (logarithmic)', 'middle'
        )
    )
    told = '; '.join(
        f'{label}: '
        + ', '.join(
            f'{value:g} to {figure.value:.0f}' for value, figure in one
        )
        for label, one in series.items()
    )
    return _svg(
        left + width + 190,
        height + 60,
        f'{up}, over {across}. {told}.',
        ''.join(parts) + _label(left, 8, up),
    )


def _svg(width, height, description, content):
    return (
        '<div class="guide-wide"><svg role="img" '
        f'viewBox="0 -8 {width:.0f} {height + 8:.0f}" width="{width:.0f}" '
        'xmlns="http://www.w3.org/2000/svg" font-size="12" '
        f'aria-label="{html.escape(description)}">{content}</svg></div>'
    )


def _label(x, y, text, anchor='start', weight='normal'):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
        f'font-weight="{weight}" fill="{_TEXT}">{html.escape(text)}</text>'
    )


def _mark(x, y, kind):
    """A shape for each kind."""
    colour = _COLOURS[kind % len(_COLOURS)]
    shape = (
        'm-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z',  # a disc
        'm-5 -5h10v10h-10z',  # a square
        'm0 -6l6 11h-12z',  # a triangle
        'm0 -7l6 7l-6 7l-6 -7z',  # a diamond
        'm-2 -6h4v4h4v4h-4v4h-4v-4h-4v-4h4z',  # a cross
    )[kind % 5]
    return f'<path d="M{x:.1f} {y:.1f}{shape}" fill="{colour}"/>'
