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

"""Real runs, each of a second or so, and what the checks say about them."""

import concurrent.futures
import dataclasses
import json
import pathlib
import sys
import tempfile
import time

import jsonschema
import pytest
import sqlalchemy as sa
from comparison import (
    ComparisonError,
    data,
    hang_up,
    load,
    plan,
    requests,
    runner,
    stores,
    styles,
    watch,
)
from telemetry.storage import Storage

SCHEMA = json.loads(
    pathlib.Path(data.__file__).with_name('data.schema.json').read_text()
)
SETTINGS = {
    'kind': 'settings',
    'plan': 'trial',
    'seed': 1,
    'machine': {'cpus': 1},
    'versions': {'Python': '3.11.2'},
}


@pytest.fixture
def output(tmp_path):
    return tmp_path / 'comparison.jsonl'


@pytest.fixture
def carry_out(output, monkeypatch):
    """Carry out blocks, and give the runs of the data file."""
    # Other tests are no reason to do a run again.
    monkeypatch.setattr(runner, 'TRIES', 1)
    monkeypatch.setattr(runner, 'PATIENCE', 0)

    def carry_out(blocks, settings=SETTINGS, resume=False):
        said = []
        runner.Runner(output, said.append).run(blocks, settings, resume)
        return data.read(output).runs, said

    return carry_out


@pytest.fixture
def application(tmp_path, monkeypatch):
    """Write an application of somebody else into the working directory."""

    def application(body):
        (tmp_path / 'own.py').write_text(
            f'def application(environ, start_response):\n{body}'
        )
        monkeypatch.chdir(tmp_path)
        # As the command finds it, and not the one of an earlier test.
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, 'own', raising=False)
        return 'own:application'

    return application


def judged(run):
    """The marks, without those of a machine that runs other tests, too."""
    return [
        mark
        for mark in run['marks']
        if not mark.startswith(('others used', 'the machine lost'))
    ]


def test_a_comparison_of_three_hosts(carry_out, output):
    chosen = [
        styles.BASELINE,
        styles.GREEN,
        *(style for style in styles.PROPER if style.host == 'gunicorn'),
    ]
    steps = (
        plan.Step('closed', 'list', 4, 1),
        plan.Step('closed', 'post-1', 4, 1),
        plan.Step('open', 'statistics', 20, 1),
    )
    blocks = plan.in_turns(
        [
            plan.Block('styles', style, stores.SQLITE, steps)
            for style in chosen
        ],
        repeats=1,
        seed=1,
    )
    settings = runner.settings('trial', 1, ['--full'])
    runs, said = carry_out(blocks, settings)
    for line in output.read_text().splitlines():
        jsonschema.validate(json.loads(line), SCHEMA)
    assert [run['id'] for run in runs] == [
        block.id(step) for block, step in plan.runs(blocks)
    ]
    for run in runs:
        assert judged(run) == []
        assert run['requests'] > 0
        assert run['cpu_host'] > 0
        assert len(run['memory']) == run['processes']
        if run['mode'] == 'open':
            assert run['requests'] == 20
            assert sum(run['latencies'].values()) == 20
    assert str(output.parent) not in output.read_text()
    assert any('min left' in line for line in said)


def test_a_database_server_and_its_connections(carry_out):
    style = next(s for s in styles.PROPER if s.host == 'uwsgi')
    steps = (plan.Step('closed', 'list', 8, 1),)
    block = plan.Block('styles', style, 'postgresql', steps, samples=5000)
    (run,), _ = carry_out([block])
    assert judged(run) == []
    assert 2 <= run['connections'] <= 8
    assert run['cpu_store'] > 0


def test_a_store_is_filled_with_older_samples(tmp_path):
    """The newest samples are the same ones, however many there are."""
    newest = []
    with stores.Stores(tmp_path) as databases:
        for number in (10000, 25000):
            store = databases.get(stores.SQLITE, number)
            assert store.count('cpu_util') == number
            storage = Storage(store.conf())
            newest.append(storage.samples(limit=3)[0].timestamp)
            assert store.count('posted') == 0
    assert newest[0] == newest[1]
    assert len(list(tmp_path.glob('*.sqlite'))) == 2


KNOWN_ROWS = {
    'postgresql': 'SELECT relname, reltuples FROM pg_class',
    'mariadb': 'SELECT table_name, table_rows FROM information_schema.tables',
}


@pytest.mark.parametrize('name', KNOWN_ROWS)
def test_a_database_knows_its_data_before_the_first_run(tmp_path, name):
    """PostgreSQL would look a minute later, and plan as it can until then."""
    with stores.Stores(tmp_path) as databases:
        store = databases.get(name, 5000)
        engine = sa.create_engine(store.url)
        with engine.connect() as connection:
            rows = dict(connection.execute(sa.text(KNOWN_ROWS[name])).all())
        engine.dispose()
    assert rows['sample'] == pytest.approx(5000, rel=0.2)
    assert rows['series'] == stores.RESOURCES
    assert rows['meter'] == 1


def test_an_unknown_store_is_named(tmp_path):
    with (
        stores.Stores(tmp_path) as databases,
        pytest.raises(ComparisonError, match="no store 'mysql'.*sqlite"),
    ):
        databases.get('mysql', 1)


def test_a_cut_off_comparison_goes_on(carry_out, output, block):
    blocks = [block(plan.HELLO, repeat=number) for number in range(3)]
    carry_out(blocks[:1])
    with output.open('a') as file:
        file.write('{"kind": "run", "id": "tri')
    runs, said = carry_out(blocks, resume=True)
    assert [run['repeat'] for run in runs] == [0, 1, 2]
    assert len([line for line in said if 'min left' in line]) == 2
    again, said = carry_out(blocks, resume=True)
    assert again == runs
    assert said == []


def test_a_run_that_the_machine_disturbs_is_made_again(
    carry_out, block, monkeypatch
):
    """Three times at most; all of them stay in the data, with their mark."""
    disturbances = ['others used 50% of the machine'], [], []
    left = list(disturbances)
    monkeypatch.setattr(runner, 'machine_marks', lambda *_: left.pop(0))
    monkeypatch.setattr(runner, 'TRIES', 3)
    runs, _ = carry_out([block(plan.HELLO), block(plan.HELLO, repeat=1)])
    assert [run['disturbed'] for run in runs] == [True, False, False]
    assert [run['repeat'] for run in runs] == [0, 0, 1]
    assert runs[0]['marks'] == disturbances[0]


def test_a_comparison_goes_on_with_what_was_disturbed(
    carry_out, block, monkeypatch
):
    monkeypatch.setattr(runner, 'machine_marks', lambda *_: ['disturbed'])
    carry_out([block(plan.HELLO)])
    monkeypatch.setattr(runner, 'TRIES', 3)
    runs, _ = carry_out([block(plan.HELLO)], resume=True)
    assert len(runs) == 4
    monkeypatch.setattr(runner, 'machine_marks', lambda *_: [])
    again, _ = carry_out([block(plan.HELLO)], resume=True)
    assert again == runs


def test_a_file_that_is_there_is_not_overwritten(carry_out, block):
    blocks = [block(plan.HELLO)]
    carry_out(blocks)
    with pytest.raises(ComparisonError, match='go on with --resume'):
        carry_out(blocks)


def test_a_file_of_another_machine_is_not_continued(carry_out, block):
    carry_out([block(plan.HELLO)])
    settings = SETTINGS | {'machine': {'cpus': 64}}
    with pytest.raises(ComparisonError, match='has machine'):
        carry_out([block(plan.HELLO)], settings, resume=True)


def test_errors_that_come_fast_are_marked(carry_out, application, block):
    own = application(
        "    start_response('404 No', [('Content-Length', '0')])\n"
        "    return [b'']\n"
    )
    (run,), said = carry_out([block(own)])
    assert 'before: hello: status 404' in run['marks']
    assert run['requests'] == 0
    assert any('requests failed' in mark for mark in run['marks'])
    assert any('marked: before: hello' in line for line in said)


def test_a_host_that_stops_answering_is_marked(carry_out, application, block):
    runs, _ = carry_out(
        [
            block(
                application(
                    '    import time\n'
                    '    global count\n'
                    "    count = globals().get('count', 0) + 1\n"
                    '    time.sleep(3 if count > 3 else 0)\n'
                    "    start_response('200 OK', [])\n"
                    "    return [b'late']\n"
                )
            )
        ]
    )
    assert 'no request was answered' in judged(runs[0])


def test_errors_that_begin_later_are_marked(carry_out, application, block):
    own = application(
        "    if environ['PATH_INFO'] == '/':\n"
        '        seen.append(1)\n'
        "    status = '200 OK' if len(seen) < 60 else '500 No'\n"
        "    start_response(status, [('Content-Length', '0')])\n"
        "    return [b'']\nseen = []\n"
    )
    (run,), _ = carry_out([block(own)])
    assert not any('before' in mark for mark in run['marks'])
    assert any('requests failed' in mark for mark in run['marks'])


def test_wrong_content_that_begins_later_is_marked(
    carry_out, application, block
):
    """The status stays right, and the answer comes fast."""
    own = application(
        '    seen.append(1)\n'
        "    body = b'an answer' if len(seen) < 60 else b'too busy!'\n"
        "    start_response('200 OK', [('Content-Length', '9')])\n"
        '    return [body]\nseen = []\n'
    )
    # The last look comes when there have been many answers on any machine.
    steps = (plan.Step('closed', 'hello', 4, 3),)
    (run,), _ = carry_out([dataclasses.replace(block(own), steps=steps)])
    assert judged(run) == ['during: hello: the content is not as it should be']


def test_answers_that_differ_by_themselves_are_right(
    carry_out, application, block
):
    own = application(
        "    start_response('200 OK', [('Content-Length', '36')])\n"
        '    return [str(uuid.uuid4()).encode()]\nimport uuid\n'
    )
    (run,), _ = carry_out([block(own)])
    assert run['probes'] > 0
    assert judged(run) == []


def test_a_wrong_answer_is_marked(carry_out, tmp_path, monkeypatch):
    """Right status, but the list is empty."""
    (tmp_path / 'wrong.py').write_text(
        'from telemetry import wsgi\n'
        'def application(environ, start_response):\n'
        "    environ['QUERY_STRING'] = 'limit=1'\n"
        '    return wsgi.application(environ, start_response)\n'
    )
    monkeypatch.chdir(tmp_path)
    steps = (plan.Step('closed', 'list', 4, 1),)
    block = plan.Block(
        'trial', styles.BASELINE, stores.SQLITE, steps, 'wrong:application'
    )
    (run,), _ = carry_out([block])
    assert 'before: list: the content is not as it should be' in run['marks']


def test_samples_that_are_not_stored_are_marked(
    carry_out, tmp_path, monkeypatch
):
    """The answer is right, and nothing is kept."""
    (tmp_path / 'forgets.py').write_text(
        'import json\n'
        'def application(environ, start_response):\n'
        "    size = int(environ.get('CONTENT_LENGTH') or 0)\n"
        "    body = environ['wsgi.input'].read(size)\n"
        "    start_response('201 Created',\n"
        "                   [('Content-Length', str(len(body)))])\n"
        '    return [body]\n'
    )
    monkeypatch.chdir(tmp_path)
    steps = (plan.Step('closed', 'post-1', 4, 1),)
    block = plan.Block(
        'trial', styles.BASELINE, stores.SQLITE, steps, 'forgets:application'
    )
    (run,), _ = carry_out([block])
    assert any('only 0 samples more are stored' in one for one in run['marks'])


@pytest.mark.parametrize(
    ('traffic', 'answers', 'samples'),
    [
        # Each answer says that its samples are stored.
        ('post-1', 113, 113),
        ('post-100', 3, 300),
        # One of eight posts, and eight may have had no answer yet.
        ('mixed', 8 + 80, 10),
        ('mixed', 8 + 87, 10),
        ('mixed', 5, 0),
        ('list', 100, 0),
    ],
)
def test_how_many_samples_must_be_stored(traffic, answers, samples):
    assert runner.due(answers, requests.traffic(traffic), 8) == samples


def test_a_pool_of_one_shows(carry_out):
    """It holds one connection, however many ask, and the run is marked."""
    blocks = [
        plan.Block(
            'trial',
            styles.Style(f'pool of {pool}', styles.WERKZEUG, pool=pool),
            'postgresql',
            (plan.Step('closed', 'list', 8, 2),),
            samples=5000,
        )
        for pool in (1, 8)
    ]
    runs, _ = carry_out(blocks)
    held = {run['pool']: run['connections'] for run in runs}
    assert held[1] == 1
    assert 5 <= held[8] <= 8
    marks = {run['pool']: judged(run) for run in runs}
    assert marks[8] == []
    (mark,) = marks[1]
    assert mark.startswith('each process had one connection to the database')


@pytest.mark.parametrize(
    ('style', 'experiment', 'connections', 'marked'),
    [
        (styles.BASELINE, 'styles', 1, True),
        (styles.BASELINE, 'styles', 2, False),
        # As planned.
        (styles.BASELINE, plan.SMALL_POOL, 1, False),
        # A driver that blocks: what there is to see.
        (styles.GREEN, 'styles', 1, False),
        (styles.EVENTLET_PROPER, 'styles', 2, False),
        # One request at a time is all there can be.
        (styles.FORKING, 'styles', 8, False),
        (styles.Style('one', 'uwsgi', 1, 1), 'styles', 1, False),
        (styles.Style('two', 'uwsgi', 2, 4), 'styles', 2, True),
        (styles.Style('eight', 'uwsgi', 8, 4), 'styles', 8, False),
    ],
)
def test_threads_that_wait_for_a_connection(
    style, experiment, connections, marked
):
    step = plan.Step('closed', 'list', 8, 1)
    block = plan.Block(experiment, style, 'postgresql', (step,))
    store = stores.Store('postgresql', 'postgresql://', server=object())
    assert runner.one_at_a_time(block, step, connections, store) is marked


def test_a_host_whose_tracebacks_are_told_from_lines(carry_out, monkeypatch):
    """The server of eventlet has them, for a client that closes early."""
    monkeypatch.setattr(hang_up, 'PATIENCE', 60)
    steps = tuple(
        plan.Step('hang_up', name, 2, 1)
        for name in ('close', 'close-streamed')
    )
    runs, _ = carry_out(
        [
            plan.Block('hang-up', style, None, steps, plan.LARGE)
            for style in (styles.EVENTLET_WSGI, styles.BASELINE)
        ]
    )
    for run in runs:
        found = run['found']
        assert (found['afterwards'], found['same_workers']) == (200, True)
        if run['host'] == styles.WERKZEUG:
            assert found['log'] == []
            continue
        # Two clients three times, and the slow reader at the end.
        assert sum(kind['times'] for kind in found['log']) == 7
        for kind in found['log']:
            first, *lines, last = kind['traceback']
            assert first == 'Traceback (most recent call last):'
            assert lines[0].startswith('  File ".../eventlet/wsgi.py", line')
            assert last == kind['line']
            assert last.startswith(('BrokenPipeError', 'ConnectionResetError'))


@pytest.fixture
def short_path():
    """A folder for sockets, whose paths have at most 107 characters."""
    with tempfile.TemporaryDirectory() as folder:
        yield pathlib.Path(folder)


def test_a_style_is_of_the_planned_size(short_path):
    """Nothing of a sample is changed but the numbers."""
    for style in styles.PROPER:
        with style.server(plan.HELLO, short_path / style.host, {}) as server:
            server.wait(
                'has another size',
                lambda server=server, style=style: (
                    len(server.workers()) == style.processes
                ),
            )
            assert server.get('/').content == b'hello, world\n'


def test_lines_are_left_out_of_a_sample(tmp_path):
    server = styles.LOUD.server(plan.HELLO, tmp_path, {})
    sample = (server.folder / 'telemetry-api.ini').read_text()
    assert '\nignore-sigpipe' not in sample
    assert '\nthreads = 16\n' in sample
    assert '\nprocesses = 1\n' in sample


def test_apache_names_a_request_that_waited_for_a_thread(short_path):
    """The one thread makes an answer that its client does not read."""
    (style,) = (
        one for one in styles.three(1, 1, 1) if one.host == 'apache-mod-wsgi'
    )
    server = style.server(plan.LARGE, short_path, {})
    sample = server.folder / 'telemetry-api.conf'
    text = sample.read_text()
    assert 'queue-timeout=45' in text
    sample.write_text(text.replace('queue-timeout=45', 'queue-timeout=1'))
    with server, concurrent.futures.ThreadPoolExecutor() as pool:
        with hang_up.SlowReader(server, '/whole'):
            waiting = pool.submit(server.get, '/')
            time.sleep(5)
            # mod_wsgi looks at the time when the thread is free at last.
            assert not waiting.done()
        assert waiting.result().status_code == 504
        line = 'Queue timeout expired for WSGI daemon process'
        assert line in server.log_text()


@pytest.mark.parametrize(
    ('field', 'share', 'mark'),
    [
        ('cpu_machine', 0.2, 'others used'),
        ('steal', 0.3, 'the machine lost'),
    ],
)
def test_a_busy_machine_is_marked(field, share, mark, monkeypatch):
    monkeypatch.setattr('os.cpu_count', lambda: 2)

    def seen(value):
        one = watch.Watch(None, None, None)
        one.seconds, one.cpu_machine, one.steal = 10, 0, 0
        setattr(one, field, value)
        return one

    assert runner.machine_marks(seen(0.1), 0) == []
    (found,) = runner.machine_marks(seen(share * 20), 0)
    assert found.startswith(mark)


def test_waiting_is_part_of_a_latency():
    """The second was due at 10 ms and was sent at 30."""
    rows = [(1000, 200, 500), (31000, 200, 500), (21000, 200, 500)]
    assert load.waits(rows, 10000) == [500, 10500, 10500]


def test_rounded_latencies():
    assert load.histogram([1000, 1001, 1, 0]) == {1: 2, 1003: 2}
    ((rounded, _),) = load.histogram([123456]).items()
    assert abs(rounded / 123456 - 1) < 0.02


def test_a_missing_generator_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', '/nonexistent')
    monkeypatch.setattr('sys.executable', '/nonexistent/python')

    class Server:
        base_url = 'http://127.0.0.1:1'

    with pytest.raises(Exception, match='There is no wrk.*install wrk'):
        load.closed(Server, (requests.HELLO,), 1, 1, tmp_path)
