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

"""Tables, plots and findings, as reStructuredText or SVG, from the data.

:data:`PARTS` has all that the pages show: name to a function that takes the
:class:`comparison.data.Data`, and raises NoRunsError where it has none. Each
figure is a mean of all repeats, with its 95 % interval in brackets.
"""

import collections
import contextlib
import pathlib
import statistics

from telemetry import sizing

from comparison import (
    analysis,
    findings,
    hang_up,
    plan,
    plots,
    stores,
    styles,
)
from comparison.data import read

#: The full run that the pages are made of.
FULL = pathlib.Path(__file__).parent / 'results' / 'full.jsonl'
BASELINE = styles.BASELINE.name
GREEN = styles.GREEN.name
TRAFFIC = {
    'health': 'health check',
    'list': 'list of 100 samples',
    'statistics': 'statistics over an index',
    'post-1': 'POST of one sample',
    'post-100': 'POST of 100',
    'mixed': 'mixed',
}
STORES = (stores.SQLITE, 'postgresql', 'mariadb')


def table(title, rows, widths=None):
    """A table in reStructuredText; the first row is its head."""
    if len(rows) < 2:
        raise analysis.NoRunsError
    text = [f'.. list-table:: {title}', '   :header-rows: 1']
    if widths:
        text.append(f'   :widths: {" ".join(map(str, widths))}')
    text.append('')
    for row in rows:
        for index, cell in enumerate(row):
            text.append(f'   {"  " if index else "* "}- {cell}')
    return '\n'.join(text) + '\n'


def number(figure, unit=''):
    """A figure with its interval, short enough for a cell."""
    if figure is None:
        return 'no data'
    if figure.low == figure.high:
        # There is one run, or all gave the same.
        return f'{_short(figure.value)}{unit}'
    return (
        f'{_short(figure.value)}{unit} '
        # Without a line break at the dash.
        f'[{_short(figure.low)}\u2060–\u2060{_short(figure.high)}]'
    )


def _short(value):
    if value >= 100 or not value:
        return f'{value:.0f}'
    return f'{value:.3g}' if value >= 1 else f'{value:.2f}'


def _names(data, experiment, **wanted):
    """The styles of an experiment, in the order of their definition."""
    found = {
        run['style']: None
        for run in data.runs
        if run['experiment'] == experiment
        and all(run[name] == value for name, value in wanted.items())
    }
    known = [
        style.name
        for style in (
            *styles.EQUAL,
            *styles.WILD,
            styles.EVENTLET_PROPER,
            *styles.PROPER,
        )
    ]
    return sorted(
        found,
        key=lambda name: (
            known.index(name) if name in known else len(known),
            list(found).index(name) if name in known else _rank(name),
        ),
    )


def _rank(name):
    """Styles that are there for one experiment: as their kin, by name."""
    kin = (
        'werkzeug threads',
        'werkzeug eventlet',
        styles.EVENTLET_WSGI.name,
        'werkzeug fork',
    )
    return next(
        (rank for rank, one in enumerate(kin) if name.startswith(one)),
        len(kin),
    )


def _cell(data, style, store, traffic, mode='closed', experiment='styles'):
    return analysis.select(
        data,
        experiment=experiment,
        style=style,
        store=store,
        traffic=traffic,
        mode=mode,
    )


def ratio(data, style, store, traffic):
    """Throughput of a style, divided by Werkzeug with threads."""
    return analysis.ratio(
        _cell(data, style, store, traffic),
        _cell(data, BASELINE, store, traffic),
    )


def conditions(data):
    """Where, when and with what it was measured, and what is left out."""
    settings = data.settings
    machine = settings['machine']
    minutes = sum(run['watched'] for run in data.runs) / 60
    lost = [
        run['lost'] / run['watched'] / machine['cpus']
        for run in data.runs
        if not run['marks']
    ]
    versions = ', '.join(map(' '.join, settings['versions'].items()))
    return (
        f'Measured on {settings["started"][:10]} by '
        f'``{" ".join(settings["command"])}`` on {machine["system"]}, kernel '
        f'{machine["kernel"]}, {machine["cpus"]} CPUs ({machine["model"]}), '
        f'{machine["memory_gb"]} GB. Load generators, host and database '
        f'share these CPUs. Versions: {versions}. {len(data.runs)} runs took '
        f'{minutes:.0f} minutes without the starts; '
        f'{len(analysis.marked(data))} of them are marked, and are in no '
        f'figure. Half of the others lost {statistics.median(lost):.1%} of '
        'the CPU or less to neighbours of the machine, and none more than '
        f'{max(lost):.0%}.\n\n' + _missing(data)
    )


def _missing(data):
    """How much of the plan is there."""
    name = data.settings['plan']
    planned = {
        block.id(step)
        for block, step in plan.runs(plan.PLANS[name](data.settings['seed']))
    }
    good = {run['id'] for run in data.runs if not run['marks']}
    if planned <= good:
        return 'Every run of the plan was made, and is good.\n'
    there = f'{len(planned & good)} of the {len(planned)} runs'
    if planned <= {run['id'] for run in data.runs}:
        return (
            f'Every run of the {name} plan was made. {there} are good; the '
            'others were marked each time.\n'
        )
    return (
        f'**This run is not complete:** {there} of the {name} plan are there '
        'and good. *No data* stands where there is none, and a figure without '
        'brackets is from one run, which cannot tell a difference from '
        'chance.\n'
    )


def marked(data):
    """Why runs are in no figure."""
    reasons = {}
    for run in analysis.marked(data):
        for mark in run['marks']:
            kind = mark
            if mark.startswith('others used'):
                kind = 'other programs used the machine'
            elif mark.startswith('the machine lost'):
                kind = 'the machine lost CPU to its neighbours'
            elif mark.endswith('requests failed'):
                kind = 'requests failed'
            entry = reasons.setdefault(kind, set())
            entry.add(run['id'].rpartition('/')[0])
    rows = [['Reason', 'Runs of']]
    rows += [
        [kind, '; '.join(sorted(_cells(ids)))]
        for kind, ids in sorted(reasons.items())
    ]
    if len(rows) == 1:
        return 'No run is marked.\n'
    return table('Runs that are in no figure', rows, [30, 70])


def _cells(ids):
    parts = (one.split('/')[:3] for one in ids)
    return {', '.join(part for part in one if part != 'None') for one in parts}


def equal(store):
    """The part with the ratios of styles of one size on a store."""

    def part(data):
        of_this_size = [style.name for style in styles.EQUAL]
        runs = [
            run
            for run in analysis.select(data, experiment='styles', store=store)
            if run['mode'] == 'closed' and run['style'] in of_this_size
        ]
        measured = {run['traffic'] for run in runs}
        traffics = [name for name in TRAFFIC if name in measured]
        rows = [
            ['Style', *(TRAFFIC[name] for name in traffics)],
            [
                f'{BASELINE}, requests/s',
                *(
                    number(
                        analysis.throughput(
                            _cell(data, BASELINE, store, traffic)
                        )
                    )
                    for traffic in traffics
                ),
            ],
        ]
        rows += [
            [
                f'{style}, ratio',
                *(
                    number(ratio(data, style, store, traffic))
                    for traffic in traffics
                ),
            ]
            for style in _names(data, 'styles', store=store)
            if style in of_this_size and style != BASELINE
        ]
        return table(f'{store}: throughput with room for eight requests', rows)

    return part


def equal_plot(data):
    """Ratios of all stores, for what reads and what writes."""
    lines = [
        (f'{store}, {TRAFFIC[traffic]}', style, figure)
        for traffic in ('list', 'statistics', 'post-1', 'mixed')
        for store in STORES
        for style in _names(data, 'styles', store=store)
        if style in [one.name for one in styles.EQUAL if not one.forks]
        and style != BASELINE
        and (figure := ratio(data, style, store, traffic))
    ]
    return plots.intervals(
        lines,
        'Requests per second, as a ratio to Werkzeug with plain threads = 1',
    )


def latency(data):
    """Percentiles at a fixed rate."""
    rows = [['Database', 'Style', 'p50, ms', 'p95, ms', 'p99, ms']]
    for store in (*STORES, stores.COOPERATIVE):
        for style in _names(data, 'styles', store=store, mode='open'):
            runs = _cell(data, style, store, 'list', 'open')
            rows.append(
                [
                    store,
                    style,
                    *(
                        number(analysis.latency(runs, share))
                        for share in (0.5, 0.95, 0.99)
                    ),
                ]
            )
    return table(
        f'Latency of the list at {plan.RATE} requests per second', rows
    )


def cost(data):
    """What a request and a worker cost."""
    rows = [
        [
            'Style',
            'CPU per list, ms',
            'CPU per health check, ms',
            'Memory per worker, MB',
            'Connections held',
        ]
    ]
    for style in _names(data, 'styles', store='postgresql', mode='closed'):
        runs = _cell(data, style, 'postgresql', 'list')
        health = _cell(data, style, 'postgresql', 'health')
        memory = analysis.memory(runs)
        rows.append(
            [
                style,
                number(analysis.cpu(runs)),
                number(analysis.cpu(health)) if health else '–',
                'no data' if memory is None else f'{memory:.0f}',
                analysis.connections(runs),
            ]
        )
    text = table('What it costs, on PostgreSQL', rows)
    if all(row[-1] == 'no data' for row in rows[1:]):
        text += '\nConnections were not counted in this run.\n'
    return text


def sized(data):
    """Requests in progress: as measured, and as telemetry-size reckons."""
    rows = [
        [
            'Style',
            'CPU of the host, ms',
            'CPU of the database, ms',
            'In progress, measured',
            'In progress, reckoned',
        ]
    ]
    for style in styles.PROPER:
        runs = _cell(data, style.name, 'postgresql', 'list', 'open')
        if not runs:
            continue
        cpu, wait = analysis.cpu(runs), analysis.cpu(runs, 'cpu_store')
        reckoned = sizing.in_progress(plan.RATE, cpu.value, wait.value)
        rows.append(
            [
                style.name,
                number(cpu),
                number(wait),
                number(analysis.in_progress(runs)),
                f'{reckoned:.2f}',
            ]
        )
    return table(
        f'{plan.RATE} lists in a second, on PostgreSQL: requests in progress',
        rows,
    )


def ceiling(data):
    """How far from what host and driver could do."""
    rows = [
        [
            'Style',
            'hello, requests/s',
            'list, share of hello',
            'list, share of the bare query',
        ]
    ]
    bare = [
        run['found']['per_second']
        for run in analysis.select(
            data, mode='bare', store='postgresql', traffic='list'
        )
    ]
    for style in _names(data, 'ceiling'):
        hello = analysis.select(data, experiment='ceiling', style=style)
        runs = _cell(data, style, 'postgresql', 'list')
        rate = analysis.throughput(runs)
        rows.append(
            [
                style,
                number(analysis.throughput(hello)),
                number(analysis.ratio(runs, hello)),
                'no data'
                if rate is None or not bare
                else f'{rate.value / (sum(bare) / len(bare)):.2f}',
            ]
        )
    return table('Ceilings, on PostgreSQL', rows)


def bare(data):
    """The queries without any host."""
    rows = [['Database', 'list, in a second', 'statistics, in a second']]
    rows += [
        [
            store,
            *(
                number(
                    analysis.mean(
                        analysis.select(
                            data, mode='bare', store=store, traffic=traffic
                        ),
                        'per_second',
                    )
                )
                for traffic in ('list', 'statistics')
            ),
        ]
        for store in STORES
    ]
    return table('The queries over one bare connection', rows)


def configured(data):
    """As found in the wild, and as this guide has it."""
    rows = [['Style', 'list', 'POST of one', 'p99 of the list, ms']]
    others = (*styles.WILD, styles.EVENTLET_PROPER, *styles.PROPER)
    rows += [
        [
            style,
            number(ratio(data, style, 'postgresql', 'list')),
            number(ratio(data, style, 'postgresql', 'post-1')),
            number(
                analysis.latency(
                    _cell(data, style, 'postgresql', 'list', 'open'), 0.99
                )
            )
            if _cell(data, style, 'postgresql', 'list', 'open')
            else '–',
        ]
        for style in [BASELINE, GREEN, *(style.name for style in others)]
    ]
    return table(
        'As found and as configured, on PostgreSQL: ratios to Werkzeug with '
        'threads and a pool of eight',
        rows,
    )


def slow_query(data):
    """Eight callers of a slow query beside fast requests."""
    rows = [
        [
            'Style',
            'Database',
            'slow, in a second',
            'fast p50, ms',
            'fast p99, ms',
        ]
    ]
    for run in _first(data, 'slow-query'):
        runs = _same(data, run)
        rows.append(
            [
                run['style'],
                run['store'],
                number(analysis.mean(runs, 'slow_per_second')),
                number(analysis.latency(runs, 0.5)),
                number(analysis.latency(runs, 0.99)),
            ]
        )
    return table('A slow query beside fast ones', rows)


def small_pool(data):
    """A pool of one connection against one that is large enough."""
    rows = [
        [
            'Style',
            'Database',
            'requests/s, 16 callers',
            'p99 at a fixed rate, ms',
            'Connections held',
        ]
    ]
    for run in _first(data, 'small-pool'):
        closed, steady = (
            _same(data, run | {'mode': mode}) for mode in ('closed', 'open')
        )
        rows.append(
            [
                run['style'],
                run['store'],
                number(analysis.throughput(closed)),
                number(analysis.latency(steady, 0.99)),
                analysis.connections(closed),
            ]
        )
    return table('A pool of one connection', rows)


def restart(data):
    """The database is away for a moment."""
    rows = [
        [
            'Style',
            'Database away, s',
            'Requests that failed',
            'Failing after it was back, s',
        ]
    ]
    for style in _names(data, 'restart'):
        runs = analysis.select(data, experiment='restart', style=style)
        rows.append(
            [
                style,
                *(
                    number(analysis.mean(runs, name))
                    for name in ('down_seconds', 'failed', 'failing_seconds')
                ),
            ]
        )
    return table('PostgreSQL is restarted under 20 requests per second', rows)


def writes(data):
    """Sixteen writers of one SQLite file."""
    rows = [
        ['Style', 'stored in a second', 'p50 at 25/s, ms', 'p99 at 25/s, ms']
    ]
    for style in _names(data, 'writes'):
        closed, steady = (
            analysis.select(data, experiment='writes', style=style, mode=mode)
            for mode in ('closed', 'open')
        )
        rows.append(
            [
                style,
                number(analysis.throughput(closed)),
                number(analysis.latency(steady, 0.5)),
                number(analysis.latency(steady, 0.99)),
            ]
        )
    return table('Sixteen callers store samples in one SQLite file', rows)


def slow_reader(data):
    """Eight clients take their answers slowly."""
    rows = [
        [
            'Style',
            'Answer',
            'Open transactions',
            'others, p50, ms',
            'others, p99, ms',
        ]
    ]
    for run in _first(data, 'slow-reader'):
        runs = _same(data, run)
        rows.append(
            [
                run['style'],
                run['traffic'],
                number(analysis.mean(runs, 'transactions')),
                number(analysis.latency(runs, 0.5)),
                number(analysis.latency(runs, 0.99)),
            ]
        )
    return table('Eight clients take large answers slowly', rows)


def concurrency(data):
    """Requests per second over the number of connections."""
    names = _names(data, 'concurrency')
    return plots.lines(
        {
            style: [
                (amount, figure)
                for amount in (1, 4, 16, 64, 256)
                if (
                    figure := analysis.throughput(
                        analysis.select(
                            data,
                            experiment='concurrency',
                            style=style,
                            amount=amount,
                        )
                    )
                )
            ]
            for style in names
        },
        'connections at the same time',
        'lists of 100 samples per second',
    )


def stored(data):
    """Requests per second over the number of stored samples."""
    sizes = sorted(
        {
            run['samples']
            for run in data.runs
            if run['experiment'] == 'stored-samples'
        }
    )
    rows = [['Style', 'Request', *(f'{size:,} stored' for size in sizes)]]
    for style in _names(data, 'stored-samples'):
        for traffic in ('list', 'statistics'):
            rows.append(
                [
                    style,
                    TRAFFIC[traffic],
                    *(
                        number(
                            analysis.throughput(
                                analysis.select(
                                    data,
                                    experiment='stored-samples',
                                    style=style,
                                    traffic=traffic,
                                    samples=size,
                                )
                            )
                        )
                        for size in sizes
                    ),
                ]
            )
    return table('Requests per second on PostgreSQL', rows)


def hung_up(client):
    """The part with what a kind of client does to each style."""

    def part(data):
        rows = [
            [
                'Style',
                'Log',
                'Memory before, at most, after, MB',
                'Others wait, ms',
                'Same workers',
            ]
        ]
        for run in _first(data, 'hang-up', traffic=client, quiet=False):
            found = run['found']
            others = found['others_ms']
            rows.append(
                [
                    run['style'],
                    '; '.join(map(_logged, found['log'])) or 'nothing',
                    ', '.join(
                        f'{found[f"memory_{when}"] / 1e6:.0f}'
                        for when in ('before', 'peak', 'after')
                    ),
                    f'more than {hang_up.PATIENCE * 1000}'
                    if others is None
                    else f'{others:.0f}',
                    'yes' if found['same_workers'] else 'no',
                ]
            )
        _, what = hang_up.CLIENTS[client]
        return table(
            f'Each of these clients {what}', rows, [18, 42, 18, 12, 10]
        )

    return part


def _logged(kind):
    line = kind['line'].strip().replace('`', "'")
    what = 'a traceback that ends with ' if 'traceback' in kind else ''
    return f'{what}``{line}`` (× {kind["times"]})'


def traceback(data):
    """The traceback of a client that closes early, and whose code is in it."""
    parts = []
    for run in _first(data, 'hang-up', traffic='close', quiet=False):
        kinds = [one for one in run['found']['log'] if 'traceback' in one]
        if not kinds:
            continue
        lines = max(kinds, key=lambda kind: kind['times'])['traceback']
        block = ''.join(f'   {line}\n' for line in lines)
        owners = collections.Counter(
            _owner(line) for line in lines if line.startswith('  File ')
        )
        parts.append(
            f'{run["style"]} logs this, the innermost call last:\n\n'
            f'.. code-block:: text\n\n{block}\n'
            f'{owners.total()} calls are in it: {owners["eventlet"]} in '
            f'eventlet, {owners["Python"]} in Python, and '
            f'{owners["application"]} in the application.\n'
        )
    if not parts:
        raise analysis.NoRunsError
    return '\n'.join(parts)


def _owner(line):
    """Whose code a line of a traceback points into."""
    folder = line.partition('.../')[2].partition('/')[0]
    return {'eventlet': 'eventlet', 'comparison': 'application'}.get(
        folder, 'Python'
    )


def _first(data, experiment, quiet=True, **wanted):
    """One run of each cell of an experiment, in the order of the styles.

    :param quiet: whether there must be one without a mark
    """
    found = {}
    for run in sorted(data.runs, key=lambda run: bool(run['marks'])):
        if (
            run['experiment'] == experiment
            and all(run[name] == value for name, value in wanted.items())
            and not (quiet and run['marks'])
        ):
            key = run['style'], run['store'], run['traffic']
            found.setdefault(key, run)
    order = _names(data, experiment)
    return sorted(
        found.values(),
        key=lambda run: (
            order.index(run['style']),
            run['store'] or '',
            run['traffic'],
        ),
    )


def _same(data, run):
    return analysis.select(
        data,
        **{
            name: run[name]
            for name in ('experiment', 'style', 'store', 'traffic', 'mode')
        },
    )


def as_text(data):
    """What the command prints at its end, for a terminal."""
    lines = []
    kinds = ('experiment', 'store', 'samples', 'mode', 'traffic', 'amount')
    for cell in dict.fromkeys(
        tuple(run[kind] for kind in kinds)
        for run in data.runs
        if run['mode'] in ('closed', 'open')
    ):
        wanted = dict(zip(kinds, cell, strict=True))
        base = analysis.select(data, style=BASELINE, **wanted)
        lines.append(', '.join(str(part) for part in cell if part is not None))
        for style in _names(data, **wanted):
            runs = analysis.select(data, style=style, **wanted)
            lines.append(f'  {style:32} {_result(runs, base)}')
    count = len(analysis.marked(data))
    lines.append(f'{len(data.runs)} runs; {count} are marked, and left out')
    # An application of somebody else was not measured there.
    with contextlib.suppress(analysis.NoRunsError):
        lines.append(order(data).rstrip())
    return '\n'.join(lines)


def _result(runs, base):
    """What came out of runs of one cell, in a line."""
    if not runs:
        return 'no data'
    if runs[0]['mode'] == 'open':
        return 'p50, p95, p99: ' + ', '.join(
            number(analysis.latency(runs, share), ' ms')
            for share in (0.5, 0.95, 0.99)
        )
    ratio = analysis.ratio(runs, base)
    return (
        f'{number(analysis.throughput(runs), "/s"):24} '
        f'{number(analysis.cpu(runs), " ms CPU"):24} '
        + (f'ratio {number(ratio)}' if ratio else '')
    ).rstrip()


def order(data):
    """Whether the styles come in the order of the published run."""
    return findings.order(data, read(FULL))


PARTS = {
    'conditions': conditions,
    **findings.PARTS,
    'order': order,
    'marked': marked,
    **{f'equal {store}': equal(store) for store in STORES},
    'equal plot': equal_plot,
    'latency': latency,
    'cost': cost,
    'sized': sized,
    'ceiling': ceiling,
    'bare': bare,
    'configured': configured,
    'slow-query': slow_query,
    'small-pool': small_pool,
    'restart': restart,
    'writes': writes,
    'slow-reader': slow_reader,
    'concurrency': concurrency,
    'stored-samples': stored,
    **{f'hang-up {name}': hung_up(name) for name in hang_up.CLIENTS},
    'hang-up traceback': traceback,
}


def make(name, data):
    """Make a part, or say that it was not measured.

    :param name: one of :data:`PARTS`
    """
    try:
        return PARTS[name](data)
    except analysis.NoRunsError:
        return 'Not measured in this run.\n'
