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

"""What the data say, in sentences: the words depend on the figures.

Less than a tenth is no difference. A ratio is *more* or *less* if all of its
interval is beyond that.
"""

import itertools

from comparison import analysis, plan, stores, styles

BASELINE = styles.BASELINE.name
GREEN = styles.GREEN.name
#: How PostgreSQL is reached under eventlet.
DRIVERS = ('postgresql', stores.COOPERATIVE)
MARGIN = 1.1
#: The hosts of which the samples speak HTTPS only.
HTTPS = ('nginx-gunicorn', 'nginx-uwsgi')
#: What eight callers of a query of 0.2 s get in a second, undisturbed.
IDEAL = 40


def word(figure):
    """``more``, ``less`` or ``the same``, for a ratio."""
    if figure.low > MARGIN:
        return 'more'
    if figure.high < 1 / MARGIN:
        return 'less'
    return 'the same'


def _runs(data, style, store, traffic, **wanted):
    wanted = {'experiment': 'styles', 'mode': 'closed'} | wanted
    return analysis.select(
        data, style=style, store=store, traffic=traffic, **wanted
    )


def _ratios(data, chosen, others, cells, others_store=None):
    """(style, store, traffic, ratio) wherever both were measured.

    :param others_store: the store of the others, where it is another one
    """
    found = []
    for style in chosen:
        for store, traffic in cells:
            figure = analysis.ratio(
                _runs(data, style, store, traffic),
                _runs(data, others, others_store or store, traffic),
            )
            if figure:
                found.append((style, store, traffic, figure))
    return found


def _summary(found):
    """A sentence: how many ratios are what, and from where to where."""
    if not found:
        raise analysis.NoRunsError
    values = sorted(figure.value for *_, figure in found)
    span = f'from {values[0]:.2f} to {values[-1]:.2f}'
    if min(figure.repeats for *_, figure in found) < 2:
        return (
            f'The {len(found)} ratios of throughput go {span}. Some are of '
            'one run each, which cannot tell a difference from chance.'
        )
    counts = {
        kind: sum(word(figure) == kind for *_, figure in found)
        for kind in ('more', 'the same', 'less')
    }
    return (
        f'The {len(found)} ratios of throughput: {counts["more"]} more, '
        f'{counts["the same"]} the same, {counts["less"]} less, {span}.'
    )


def cells(data):
    """The (store, traffic) pairs of the styles of one size."""
    return sorted(
        {
            (run['store'], run['traffic'])
            for run in data.runs
            if run['experiment'] == 'styles'
            and run['mode'] == 'closed'
            and run['style'] == GREEN
        }
    )


def patching(data):
    """Werkzeug under eventlet against Werkzeug with threads."""
    found = _ratios(data, [GREEN], BASELINE, cells(data))
    return (
        'To see what patching does alone, Werkzeug under eventlet is compared '
        f'with the same server with threads. {_summary(found)}\n'
    )


def waiting(data):
    """The driver of PostgreSQL that waits in Python, against that in C."""
    found = _ratios(
        data,
        [GREEN],
        GREEN,
        [
            (store, traffic)
            for store, traffic in cells(data)
            if store == stores.COOPERATIVE
        ],
        'postgresql',
    )
    return (
        'With Werkzeug under eventlet, the driver of PostgreSQL that waits in '
        'Python, which lets other requests run, is compared with the same one '
        f'that waits in C. {_summary(found)}\n'
    )


def leaving(data):
    """The hosts of one size against Werkzeug under eventlet."""
    chosen = [
        style.name
        for style in styles.EQUAL
        if style.host not in (styles.WERKZEUG, styles.EVENTLET)
    ]
    found = _ratios(data, chosen, GREEN, cells(data))
    return (
        'Each WSGI host with one process of eight threads, the size of the '
        f'eventlet server, is compared with that. {_summary(found)}\n'
    )


def proper(data, eventlet):
    """The hosts of this guide against an eventlet server, with the driver
    that waits in C and with that in Python."""
    return [
        one
        for store in DRIVERS
        for one in _ratios(
            data,
            [style.name for style in styles.PROPER],
            eventlet,
            [('postgresql', 'list'), ('postgresql', 'post-1')],
            store,
        )
    ]


def claim(data):
    """Whether the claim holds, with as many processes on both sides."""
    found = proper(data, styles.EVENTLET_PROPER.name)
    if len(found) < 2 * len(DRIVERS) * len(styles.PROPER):
        return (
            '**The claim is open.** Runs that it needs, on PostgreSQL, of '
            'eventlet and of the hosts as this guide has them, are missing or '
            'marked.\n'
        )
    text = (
        'On PostgreSQL, each host as this guide has it, with two processes of '
        'four threads, is compared with two processes of ``eventlet.wsgi`` '
        'and pools of the same size: once where its driver waits in C there, '
        f'and once where it waits in Python. {_summary(found)} '
    )
    if min(figure.repeats for *_, figure in found) < 2:
        return text + '**The claim is open:** there are too few runs.\n'
    lost, slow_with_tls = (
        _named(found, lambda figure: word(figure) == 'less', scheme)
        for scheme in ('http', 'https')
    )
    unclear = _named(found, lambda figure: figure.low < 1 / MARGIN, 'http')
    if lost:
        text += (
            f'**The claim does not hold for all of them:** {lost} did less '
            'than eventlet.'
        )
    elif unclear:
        text += (
            '**The claim holds as far as these runs tell:** no host that '
            'speaks HTTP, as eventlet does here, did clearly less. Of '
            f'{unclear}, an interval reaches further down than a tenth less.'
        )
    else:
        text += (
            '**The claim holds:** no host that speaks HTTP, as eventlet does '
            'here, did less.'
        )
    if slow_with_tls:
        text += (
            f' Those that speak HTTPS have a handshake in each request: '
            f'{slow_with_tls} did less.'
        )
    return text + '\n'


def _named(found, condition, scheme):
    """The styles with a ratio that meets a condition, in one phrase.

    :param scheme: only those of which the host speaks this
    """
    speaks = {
        style.name: 'https' if style.host in HTTPS else 'http'
        for style in styles.PROPER
    }
    names = {
        style
        for style, *_, figure in found
        if speaks[style] == scheme and condition(figure)
    }
    return ', '.join(sorted(names))


def one_process(data):
    """The hosts of this guide against one process of eventlet."""
    found = proper(data, GREEN)
    return (
        'The same hosts, with their two processes, are compared with one '
        f'process of Werkzeug under eventlet. {_summary(found)}\n'
    )


def tails(data):
    """What the slowest requests took at the same rate."""

    def slowest(style, store='postgresql'):
        return analysis.latency(
            _runs(data, style, store, 'list', mode='open'), 0.99
        )

    answers_of_hosts = sorted(
        (figure.value, style.name)
        for style in styles.PROPER
        if (figure := slowest(style.name))
    )
    others = [
        (f'{style}{how}', figure)
        for style in (
            BASELINE,
            GREEN,
            styles.EVENTLET_PROPER.name,
        )
        for store, how in zip(
            DRIVERS, ('', ' and a driver that waits in Python'), strict=True
        )
        if (figure := slowest(style, store))
    ]
    if not answers_of_hosts or not others:
        raise analysis.NoRunsError
    (least, first), *_, (most, last) = [answers_of_hosts[0], *answers_of_hosts]
    return (
        f'At {plan.RATE} lists in a second on PostgreSQL, the slowest of a '
        f'hundred took {least:.0f} ms ({first}) to '
        f'{most:.0f} ms ({last}) on the hosts as this guide has them. '
        'With the others it took:\n\n'
        + ''.join(
            f'- {name}: {figure.value:.0f} ms, with an interval from '
            f'{figure.low:.0f} to {figure.high:.0f}\n'
            for name, figure in others
        )
    )


def forking(data):
    """What a process for each request costs, which is no eventlet effect."""
    found = _ratios(
        data,
        [styles.FORKING.name],
        BASELINE,
        [
            (store, traffic)
            for store in (stores.SQLITE, 'postgresql')
            for traffic in ('list', 'post-1')
        ],
    )
    return (
        'Werkzeug with a process for each request, as it has with more than '
        f'one worker, is compared with its threads. {_summary(found)} No such '
        'process finds a connection in its pool.\n'
    )


def slow_query(data):
    """Who stands still when a query takes long."""
    still, others = [], []
    for style, store in _pairs(data, 'slow-query'):
        runs = analysis.select(
            data, experiment='slow-query', style=style, store=store
        )
        figure = analysis.mean(runs, 'slow_per_second')
        if figure is None:
            continue
        wait = analysis.latency(runs, 0.5).value
        one = (figure.value, wait, f'{style} on {store}')
        (still if figure.value < IDEAL / 4 else others).append(one)
    if not others:
        raise analysis.NoRunsError
    text = (
        f'Eight callers of a query of 0.2 s get {IDEAL} answers in a second '
        'if nothing is in their way. '
    )
    if still:
        text += 'Less than a quarter of that came from these:\n\n' + (
            ''.join(
                f'- {name}: {slow:.1f} in a second, and half of the fast '
                f'requests meanwhile took {wait:.0f} ms or more\n'
                for slow, wait, name in sorted(still)
            )
            + '\n'
        )
    return text + (
        f'All others gave at least {min(others)[0]:.0f} in a second, and '
        'half of the fast requests took no longer than '
        f'{max(wait for _, wait, _ in others):.0f} ms.\n'
    )


def small_pool(data):
    """What a pool of one connection costs."""
    found = []
    for style in (BASELINE, GREEN, 'uwsgi 1x16'):
        one, many = (
            _runs(
                data,
                f'{style}, pool of {pool}',
                'postgresql',
                'list',
                experiment='small-pool',
            )
            for pool in (1, 16)
        )
        if figure := analysis.ratio(one, many):
            found.append(f'{figure.value:.2f} for {style}')
    if not found:
        raise analysis.NoRunsError
    return (
        'Throughput with one connection, as a ratio to that with sixteen: '
        f'{", ".join(found)}.\n'
    )


def restart(data):
    """How styles come back after their database."""
    away, failed, after = (
        sorted(
            round(run['found'][name], 1)
            for run in analysis.select(data, experiment='restart')
        )
        for name in ('down_seconds', 'failed', 'failing_seconds')
    )
    late = f'later than {after[-1]} s ' if any(after) else ''
    return (
        f'PostgreSQL was away for {_span(away)} s under 20 requests in a '
        f'second. In each run {_span(failed)} requests failed, and none that '
        f'was sent {late}after it was back.\n'
    )


def writes(data):
    """Writers of one SQLite file, relative to threads."""
    found = []
    for style in dict.fromkeys(
        run['style'] for run in data.runs if run['experiment'] == 'writes'
    ):
        figure = analysis.ratio(
            *(
                _runs(data, name, 'sqlite', 'post-1', experiment='writes')
                for name in (style, BASELINE)
            )
        )
        if style != BASELINE and figure:
            found.append(f'{style} {figure.value:.2f}')
    if not found:
        raise analysis.NoRunsError
    return (
        'Samples stored by sixteen callers, as a ratio to threads: '
        f'{", ".join(sorted(found))}.\n'
    )


def slow_reader(data):
    """Which answers hold a transaction while clients read slowly."""
    most = {
        kind: sorted(
            run['found']['transactions']
            for run in analysis.select(
                data, experiment='slow-reader', traffic=kind
            )
        )
        for kind in ('whole', 'streamed')
    }
    return (
        'Eight clients read slowly. Where the answer is built whole, '
        f'{_span(most["whole"])} transactions were open meanwhile; where it '
        f'is streamed out of a transaction, {_span(most["streamed"])}, '
        'with each style that was tried.\n'
    )


def order(data, published):
    """Whether styles come in the same order in two comparisons.

    :param published: the data that others are held against
    """
    counts = dict.fromkeys(('the same', 'other', 'open'), 0)
    turned, new = [], []
    for store, traffic, *pair in _style_pairs(data):
        here, there = (
            analysis.ratio(
                *(_runs(one, style, store, traffic) for style in pair)
            )
            for one in (data, published)
        )
        if not here or not there:
            continue
        clear = word(here) != 'the same' and here.repeats > 1
        line = (
            f'- {" against ".join(pair)}, {traffic} on {store}: '
            f'{here.value:.2f} here, {there.value:.2f} there\n'
        )
        if word(there) == 'the same':
            new += [line] * clear
        elif not clear:
            counts['open'] += 1
        elif word(here) == word(there):
            counts['the same'] += 1
        else:
            counts['other'] += 1
            turned.append(line)
    if not any(counts.values()) and not new:
        raise analysis.NoRunsError
    text = (
        f'{sum(counts.values())} pairs of styles differ in the published run. '
        f'{counts["the same"]} of them have the same order here, '
        f'{counts["open"]} do not differ clearly, and {counts["other"]} '
        f'have the other order{":" if turned else "."}\n'
    )
    if turned:
        text += '\n' + ''.join(turned)
    if new:
        text += (
            f'\n{len(new)} more pairs differ here, and not clearly in the '
            'published run:\n\n' + ''.join(new)
        )
    return text


def _style_pairs(data):
    """Each (store, traffic, style, other style) of the same experiment."""
    found = sorted(
        {
            (run['store'], run['traffic'], run['style'])
            for run in data.runs
            if run['experiment'] == 'styles' and run['mode'] == 'closed'
        }
    )
    return [
        (*one, other[-1])
        for one, other in itertools.combinations(found, 2)
        if one[:-1] == other[:-1]
    ]


def _span(values):
    if not values:
        raise analysis.NoRunsError
    if values[0] == values[-1]:
        return f'{values[0]}'
    return f'{values[0]} to {values[-1]}'


def _pairs(data, experiment):
    return sorted(
        {
            (run['style'], run['store'])
            for run in data.runs
            if run['experiment'] == experiment
        }
    )


PARTS = {
    f'finding {function.__name__.replace("_", "-")}': function
    for function in (
        claim,
        one_process,
        tails,
        patching,
        waiting,
        leaving,
        forking,
        slow_query,
        small_pool,
        restart,
        writes,
        slow_reader,
    )
}
