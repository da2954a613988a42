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

"""The committed data are valid, and the pages say what is in them."""

import collections
import itertools
import json
import pathlib
import re
import statistics

import hosts
import jsonschema
import pytest
from comparison import (
    analysis,
    data,
    findings,
    hang_up,
    plan,
    report,
    stores,
    styles,
)
from telemetry import sizing

SCHEMA = json.loads(
    pathlib.Path(data.__file__).with_name('data.schema.json').read_text()
)
PAGES = pathlib.Path(__file__).parents[2] / 'doc/source'


@pytest.fixture(scope='module')
def full():
    return data.read(report.FULL)


@pytest.fixture(
    params=sorted(report.FULL.parent.glob('quick-*.jsonl')),
    ids=lambda file: file.stem,
)
def quick(request):
    """Each quick run that the pages show."""
    return data.read(request.param)


def lists_on_sqlite(runs, style, other):
    """How many lists one style gives, as a ratio to another one."""
    return analysis.ratio(
        *(
            analysis.select(
                runs,
                experiment='styles',
                mode='closed',
                store=stores.SQLITE,
                traffic='list',
                style=one,
            )
            for one in (style, other)
        )
    )


def rates(runs, **wanted):
    """Requests per second of good runs, without the package's own code."""
    return [
        run['requests'] / run['seconds']
        for run in runs
        if not run['marks']
        and all(run[name] == value for name, value in wanted.items())
    ]


FILES = pytest.mark.parametrize(
    'file',
    sorted(report.FULL.parent.glob('*.jsonl')),
    ids=lambda one: one.stem,
)


@FILES
def test_each_line_is_valid(file):
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for line in file.read_text().splitlines():
        validator.validate(json.loads(line))


@FILES
def test_each_run_is_one_of_the_plan_and_is_there_once(file):
    measured = data.read(file)
    make = plan.PLANS[measured.settings['plan']]
    planned = {
        block.id(step)
        for block, step in plan.runs(make(measured.settings['seed']))
    }
    found = collections.Counter(
        run['id'] for run in measured.runs if not run['disturbed']
    )
    assert set(found) <= planned
    assert set(found.values()) == {1}


@FILES
def test_the_whole_plan_was_carried_out(file):
    said = report.conditions(data.read(file))
    assert 'This run is not complete' not in said


@FILES
def test_the_file_is_small_and_tells_no_folder(file):
    text = file.read_text()
    assert len(text) < 5_000_000
    assert not re.search(r'/(tmp|root|home|work)/', text)


def test_every_part_can_be_made(full):
    for name in report.PARTS:
        made = report.make(name, full)
        assert made.strip(), name
        assert 'Not measured' not in made, name
        assert 'None' not in made, name


def test_every_part_is_on_a_page():
    shown = set()
    for page in PAGES.rglob('*.rst'):
        shown |= set(
            re.findall(r'^\.\. comparison:: (.+)$', page.read_text(), re.M)
        )
    assert shown == set(report.PARTS)


def test_plots_tell_their_figures_without_colour(run):
    runs = [
        run(style, experiment=experiment, amount=amount, requests=requests)
        for experiment in ('styles', 'concurrency')
        for amount in (1, 16, 256)
        for style, requests in (
            ('werkzeug threads', 100),
            ('werkzeug eventlet', 240),
        )
    ]
    made_up = data.Data({}, runs)
    plot = report.make('equal plot', made_up)
    described = re.search('aria-label="([^"]+)"', plot)[1]
    assert 'sqlite, list of 100 samples, werkzeug eventlet: 2.40' in described
    assert 'role="img"' in plot
    plot = report.make('concurrency', made_up)
    described = re.search('aria-label="([^"]+)"', plot)[1]
    assert 'werkzeug eventlet: 1 to 120, 16 to 120, 256 to 120' in described
    # Each style has a shape, a dash and a label of its own.
    assert len(set(re.findall(r'stroke-dasharray="([^"]*)"', plot))) == 2
    assert '>werkzeug threads</text>' in plot


def test_no_more_were_in_progress_than_telemetry_size_reckons(full):
    """By Little's law, on the hosts of this guide, where it was measured."""
    runs = [
        run
        for run in full.runs
        if not run['marks']
        and (run['mode'], run['experiment']) == ('open', 'styles')
        and run['style'] in [style.name for style in styles.PROPER]
    ]
    assert runs
    for run in runs:
        latencies = run['latencies']
        mean = sum(int(each) * latencies[each] for each in latencies) / sum(
            latencies.values()
        )
        rate = run['requests'] / run['seconds']
        cpu, wait = (
            run[name] / run['requests'] * 1000
            for name in ('cpu_host', 'cpu_store')
        )
        assert rate * mean / 1e6 <= sizing.in_progress(rate, cpu, wait)


def test_patching_is_recomputed(full):
    """The least and the largest ratio in the sentence are in the data."""
    ratios = []
    for store, traffic in findings.cells(full):
        wanted = {
            'experiment': 'styles',
            'mode': 'closed',
            'store': store,
            'traffic': traffic,
        }
        green = rates(full.runs, style='werkzeug eventlet', **wanted)
        threads = rates(full.runs, style='werkzeug threads', **wanted)
        if green and threads:
            ratios.append(statistics.mean(green) / statistics.mean(threads))
    said = report.make('finding patching', full)
    if not ratios:
        assert said == 'Not measured in this run.\n'
        return
    assert f'{len(ratios)} ' in said
    assert f'from {min(ratios):.2f} to {max(ratios):.2f}' in said


def test_the_claim_is_recomputed(full):
    """Those that it names did less on the mean, and those do that must."""
    said = findings.claim(full)
    assert 'The claim is open' not in said
    losers = ', '.join(
        re.findall(r'(?:\*\*|each request:) ([^:.]+) did less', said)
    )
    for style, traffic, store in itertools.product(
        styles.PROPER, ('list', 'post-1'), findings.DRIVERS
    ):
        wanted = {
            'experiment': 'styles',
            'mode': 'closed',
            'traffic': traffic,
        }
        own = rates(full.runs, style=style.name, store='postgresql', **wanted)
        green = rates(
            full.runs,
            style='eventlet.wsgi, 2 processes',
            store=store,
            **wanted,
        )
        assert min(len(own), len(green)) >= 2
        if max(own) / min(green) < 1 / 1.1:
            assert style.name in losers


def test_who_stands_still_is_recomputed(full):
    """Under eventlet with a driver that waits in C, and nobody else."""
    slow = collections.defaultdict(list)
    for run in full.runs:
        if run['experiment'] == 'slow-query' and not run['marks']:
            name = f'{run["style"]} on {run["store"]}'
            slow[name].append(run['found']['slow_per_second'])
    said = findings.slow_query(full)
    for name, rate in slow.items():
        assert (f'{name}:' in said) == (statistics.mean(rate) < 10)


def hung_up(full, client):
    return {
        run['style']: run['found']
        for run in full.runs
        if run['experiment'] == 'hang-up' and run['traffic'] == client
    }


def test_no_client_that_hangs_up_costs_a_worker(full):
    runs = [run for run in full.runs if run['experiment'] == 'hang-up']
    assert len({run['id'] for run in runs}) == 45
    for run in runs:
        assert run['found']['same_workers'], run['id']
        assert run['found']['afterwards'] == 200, run['id']


@pytest.mark.parametrize('style', ['werkzeug threads', 'werkzeug eventlet'])
@pytest.mark.parametrize('client', hang_up.CLIENTS)
def test_werkzeug_says_nothing_of_clients_that_hang_up(full, style, client):
    assert hung_up(full, client)[style]['log'] == []


@pytest.mark.parametrize('client', ['close', 'close-streamed', 'reset'])
def test_the_server_of_eventlet_logs_tracebacks(full, client):
    log = hung_up(full, client)['eventlet.wsgi']['log']
    # Each of fifty clients three times, and the slow reader at the end.
    assert sum(kind['times'] for kind in log) == 151
    assert all('traceback' in kind for kind in log)
    assert 'in eventlet, 1 in Python, and 0 in the app' in report.traceback(
        full
    )


def test_no_other_host_logs_tracebacks(full):
    assert {
        run['style']
        for run in full.runs
        if run['experiment'] == 'hang-up'
        and any('traceback' in kind for kind in run['found']['log'])
    } == {'eventlet.wsgi'}


def test_uwsgi_says_it_unless_told_otherwise(full):
    found = hung_up(full, 'close')
    assert found['uwsgi 1x16']['log'] == []
    lines = ' '.join(k['line'] for k in found['uwsgi 1x16, as found']['log'])
    assert 'OSError: write error' in lines


def test_whole_bodies_fill_memory_and_streamed_ones_do_not(full):
    def grown(found):
        return found['memory_peak'] - found['memory_before']

    for style, found in hung_up(full, 'close').items():
        streamed = hung_up(full, 'close-streamed')[style]
        # nginx has two processes of four threads.
        assert grown(found) > 7 * hang_up.SIZE, style
        assert grown(streamed) < 5 * hang_up.SIZE, style


def test_who_still_answers_beside_clients_that_do_not_read(full):
    found = hung_up(full, 'stall')
    assert {style for style, it in found.items() if it['others_ms']} == {
        'werkzeug threads',
        'werkzeug eventlet',
        'eventlet.wsgi',
        'nginx-uwsgi 2x4',
    }


def test_the_slow_reader_is_served_to_the_end(full):
    for run in full.runs:
        if run['experiment'] == 'hang-up':
            found = run['found']
            # Or it has had all of its answer.
            assert not found['reader_error'] or (
                found['reader_bytes'] > hang_up.SIZE
            ), run['id']


def test_half_a_request_is_answered_by_some(full):
    for style, found in hung_up(full, 'half-request').items():
        grown = found['memory_peak'] - found['memory_before']
        # The slow reader has one.
        assert (grown > 1.5 * hang_up.SIZE) == style.startswith(
            ('werkzeug', 'eventlet')
        )


@pytest.mark.parametrize('client', hang_up.CLIENTS)
def test_apache_says_nothing_of_clients_that_hang_up(full, client):
    assert hung_up(full, client)['apache-mod-wsgi 1x16']['log'] == []


def test_python_uses_more_cpu_than_the_database(full):
    """The reason for processes on the page about processes and threads."""
    runs = [
        run
        for run in full.runs
        if run['experiment'] == 'styles'
        and run['mode'] == 'closed'
        and run['store'] in ('postgresql', 'mariadb')
        and not run['marks']
    ]
    assert runs
    for run in runs:
        assert run['cpu_host'] > run['cpu_store'], run['id']


def test_processes_decide_and_green_threads_do_not(full):
    """As the answers of the comparison say, of lists on PostgreSQL."""

    def rate(style):
        return statistics.mean(
            rates(
                full.runs,
                experiment='styles',
                mode='closed',
                store='postgresql',
                traffic='list',
                style=style,
            )
        )

    most_of_one = max(
        rate(style.name) for style in styles.EQUAL if not style.forks
    )
    for style in ('uwsgi 2x4', 'gunicorn 2x4', 'eventlet.wsgi, 2 processes'):
        assert rate(style) > most_of_one, style


def test_hosts_with_tls_are_known():
    assert set(findings.HTTPS) == {
        style.host
        for style in styles.PROPER
        if hosts.find()[style.host].scheme == 'https'
    }


def test_words_of_ratios():
    figure = findings.analysis.Figure
    assert findings.word(figure(2, 1.2, 3)) == 'more'
    assert findings.word(figure(1.2, 1.05, 3)) == 'the same'
    assert findings.word(figure(0.5, 0.2, 0.8)) == 'less'


def test_a_claim_that_fails_is_said_to_fail(run):
    """A host that is slow, however it is configured."""
    rates = {style.name: 300 for style in styles.PROPER}
    eventlet = styles.EVENTLET_PROPER.name
    rates |= {eventlet: 100, 'gunicorn 2x4': 50}

    def said(repeats):
        runs = [
            run(style, store='postgresql', traffic=traffic, requests=requests)
            for _ in range(repeats)
            for traffic in ('list', 'post-1')
            for style, requests in rates.items()
        ]
        runs += [
            one | {'store': stores.COOPERATIVE}
            for one in runs
            if one['style'] == eventlet
        ]
        return findings.claim(data.Data({}, runs))

    assert 'does not hold for all of them:** gunicorn 2x4 did' in said(2)
    rates['nginx-uwsgi 2x4'] = 50
    assert 'HTTPS have a handshake in each request: nginx-uws' in said(2)
    rates['nginx-uwsgi 2x4'] = 300
    rates['gunicorn 2x4'] = 100
    assert '**The claim holds:**' in said(2)
    assert 'The claim is open' in said(1)
    del rates['gunicorn 2x4']
    assert 'The claim is open' in said(2)


def test_a_claim_that_intervals_leave_open_is_said_to(run):
    runs = [
        run(style, store=store, traffic=traffic, requests=requests)
        for store in findings.DRIVERS
        for traffic in ('list', 'post-1')
        for style, many in (
            *((style.name, (100, 105)) for style in styles.PROPER[1:]),
            (styles.PROPER[0].name, (80, 120)),
            (styles.EVENTLET_PROPER.name, (100, 100)),
        )
        for requests in many
    ]
    said = findings.claim(data.Data({}, runs))
    assert 'as far as these runs tell' in said
    assert f'Of {styles.PROPER[0].name}, an interval' in said


def test_the_styles_come_in_the_published_order(quick):
    assert 'and 0 have the other order.' in report.order(quick)


def test_what_differs_only_here_is_named(run):
    def measured(many):
        return data.Data(
            {},
            [
                run(style, store='sqlite', traffic='list', requests=requests)
                for style, each in {'a': (100, 100), 'b': many}.items()
                for requests in each
            ],
        )

    said = findings.order(measured((300, 320)), measured((90, 300)))
    assert said == (
        '0 pairs of styles differ in the published run. 0 of them have the '
        'same order here, 0 do not differ clearly, and 0 have the other '
        'order.\n\n'
        '1 more pairs differ here, and not clearly in the published run:\n\n'
        '- a against b, list on sqlite: 0.32 here, 0.51 there\n'
    )


def test_sqlite_with_one_process_of_threads(quick):
    """Fewer lists than green threads, and two processes give more."""
    for style in ('werkzeug threads', 'uwsgi 1x8', 'gunicorn 1x8'):
        figure = lists_on_sqlite(quick, style, 'werkzeug eventlet')
        assert findings.word(figure) == 'less', style
        assert 0.4 < figure.value < 0.6, style
    figure = lists_on_sqlite(quick, 'uwsgi 2x4', 'werkzeug eventlet')
    assert findings.word(figure) == 'more'


def test_a_full_run_cannot_tell_that_of_sqlite(full):
    figure = lists_on_sqlite(full, 'werkzeug eventlet', 'werkzeug threads')
    assert findings.word(figure) == 'the same'
    assert figure.value > 1.1


@pytest.mark.parametrize('samples', [1_000_000, 10_000_000])
def test_threads_get_more_statistics_of_many_samples(full, samples):
    """The driver of the eventlet server waits in C, and the database is what
    has the work."""

    def runs(style):
        return analysis.select(
            full,
            experiment='stored-samples',
            style=style,
            traffic='statistics',
            samples=samples,
        )

    for style in ('werkzeug threads', 'uwsgi 1x8'):
        figure = analysis.ratio(runs(style), runs('werkzeug eventlet'))
        assert findings.word(figure) == 'more', style
    assert {run['connections'] for run in runs('werkzeug eventlet')} == {1}
    for run in runs('werkzeug eventlet') + runs('werkzeug threads'):
        assert run['cpu_store'] > run['cpu_host'], run['id']


def test_a_thread_for_each_of_many_connections_gives_less(full):
    uwsgi, threads = (
        analysis.select(full, experiment='concurrency', style=one, amount=256)
        for one in ('uwsgi 1x8', 'werkzeug threads')
    )
    assert findings.word(analysis.ratio(uwsgi, threads)) == 'more'


def test_a_pool_of_one_makes_short_queries_no_slower(full):
    for style in ('werkzeug threads', 'werkzeug eventlet', 'uwsgi 1x16'):
        one, many = (
            analysis.select(
                full,
                experiment='small-pool',
                style=f'{style}, pool of {pool}',
                store='postgresql',
                mode='closed',
            )
            for pool in (1, 16)
        )
        assert findings.word(analysis.ratio(one, many)) != 'less', style


def test_who_gives_memory_back_after_whole_bodies(full):
    kept = {
        style: found['memory_after'] - found['memory_before']
        for style, found in hung_up(full, 'close').items()
    }
    for style in ('uwsgi 1x16', 'gunicorn 1x16', 'apache-mod-wsgi 1x16'):
        assert kept[style] > 10 * hang_up.SIZE, style
    for style in ('eventlet.wsgi', 'werkzeug eventlet', 'werkzeug fork 16'):
        assert kept[style] < hang_up.SIZE, style


def test_half_a_request_takes_a_thread_of_some(full):
    found = hung_up(full, 'half-request')
    assert {style for style, it in found.items() if not it['others_ms']} == {
        'uwsgi 1x16',
        'uwsgi 1x16, as found',
        'gunicorn 1x16',
        'werkzeug fork 16',
    }


def test_one_run_is_no_order(run):
    one = data.Data({}, [run('a', requests=50), run('b', requests=200)])
    two = data.Data({}, 2 * [run('a', requests=200), run('b', requests=50)])
    assert '1 do not differ clearly' in findings.order(one, two)


def test_styles_in_another_order_are_named(run):
    def measured(**rates):
        return data.Data(
            {},
            [
                run(style, store='sqlite', traffic='list', requests=requests)
                for _ in range(3)
                for style, requests in rates.items()
            ],
        )

    published = measured(a=100, b=200, c=300, d=305)
    assert findings.order(published, published) == (
        '5 pairs of styles differ in the published run. 5 of them have the '
        'same order here, 0 do not differ clearly, and 0 have the other '
        'order.\n'
    )
    assert findings.order(measured(a=100, b=105, c=50), published) == (
        '3 pairs of styles differ in the published run. 0 of them have the '
        'same order here, 1 do not differ clearly, and 2 have the other '
        'order:\n\n'
        '- a against c, list on sqlite: 2.00 here, 0.33 there\n'
        '- b against c, list on sqlite: 2.10 here, 0.67 there\n'
    )


def test_what_was_not_measured_is_said(full):
    empty = data.Data(full.settings, [])
    assert (
        report.make('finding patching', empty) == 'Not measured in this run.\n'
    )
    assert report.make('concurrency', empty) == 'Not measured in this run.\n'
    assert (
        report.make('stored-samples', empty) == 'Not measured in this run.\n'
    )
    assert report.make('marked', empty) == 'No run is marked.\n'
    assert 'no data' in report.make('bare', empty)
