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

"""Before and after give the same answers: eventlet taken out, pattern by
pattern.

Each question is a program that both sides run, in a fresh Python: the one
that is patched, and one in which nothing has imported eventlet.
"""

import contextlib
import json
import pathlib
import subprocess
import sys
import textwrap

import pytest
import requests
from hosts import driver, werkzeug

EXAMPLES = pathlib.Path(driver.__file__).parents[1]
START = {
    'before': 'import eventlet; eventlet.monkey_patch()\n',
    'after': '',
}
END = """
import json, sys
assert ('eventlet' in sys.modules) is {used}
print(json.dumps(answer))
"""


@pytest.fixture(params=START)
def ask(request):
    """Run the text of a program that ends with an ``answer``."""

    def ask(program):
        side = request.param
        text = textwrap.dedent(program).replace('SIDE', f'patterns.{side}')
        done = subprocess.run(
            [
                sys.executable,
                *('-W', 'ignore', '-c'),
                START[side] + text + END.format(used=side == 'before'),
            ],
            env={'PYTHONPATH': str(EXAMPLES), 'PATH': '/usr/bin:/bin'},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


#: A server for the programs: it sends a byte, again and again.
SERVER = """
import socket, threading, time

def serve(listener, count, pause):
    connection, _ = listener.accept()
    with connection, listener:
        try:
            for _ in range(count):
                connection.sendall(b'x')
                time.sleep(pause)
        except OSError:
            pass

def started(count, pause):
    listener = socket.create_server(('127.0.0.1', 0))
    threading.Thread(
        target=serve, args=(listener, count, pause), daemon=True
    ).start()
    return listener.getsockname()
"""


def test_green_pool(ask):
    answer = ask("""
        import threading, time
        from SIDE.green_pool import work_on_each

        running, most, lock = 0, 0, threading.Lock()

        def work(number):
            global running, most
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.2)
            with lock:
                running -= 1
            return number * number

        results = work_on_each(work, range(9), 3)
        try:
            work_on_each([1].index, [1, 2], 3)
        except ValueError as error:
            answer = [results, most, str(error)]
    """)
    assert answer == [
        [number * number for number in range(9)],
        3,
        '2 is not in list',
    ]


def test_timeouts(ask):
    answer = ask(
        SERVER
        + """
from SIDE.timeouts import read_all
whole = read_all(started(5, 0), 60)
start = time.monotonic()
# Each byte is in time, and all together are not.
dripping = read_all(started(600, 0.1), 1)
silent = read_all(started(1, 60), 1)
answer = [whole.decode(), dripping, silent, time.monotonic() - start < 30]
"""
    )
    assert answer == ['xxxxx', None, None, True]


def test_sleep(ask):
    answer = ask("""
        import threading, time
        from SIDE.sleep import Periodic

        calls, enough = [], threading.Event()

        def work():
            calls.append(1)
            if len(calls) == 3:
                enough.set()

        often = Periodic(work, 0.01)
        came = enough.wait(60)
        often.stop()
        count = len(calls)
        start = time.monotonic()
        seldom = Periodic(calls.clear, 600)
        while calls:
            time.sleep(0.01)
        seldom.stop()
        answer = [came, count >= 3, time.monotonic() - start < 60]
    """)
    assert answer == [True, True, True]


def test_queues(ask):
    answer = ask("""
        import time
        from SIDE.queues import consume

        made, done, ahead = 0, [], 0

        def items():
            global made, ahead
            for number in range(40):
                made += 1
                ahead = max(ahead, made - len(done))
                yield number

        def work(item):
            time.sleep(0.01)
            done.append(item)

        consume(items(), work)
        # Ten wait, one is worked on, and one is at the door.
        answer = [[*done], ahead <= 12]

        def broken():
            yield 'whole'
            raise OSError

        try:
            # If the consumer did not end, this process would not.
            consume(broken(), work)
        except OSError:
            answer.append('raised')
    """)
    assert answer == [list(range(40)), True, 'raised']


def test_subprocesses(ask):
    answer = ask("""
        import threading, time
        from SIDE.subprocesses import output

        ticks, ended = [], threading.Event()

        def tick():
            while not ended.wait(0.05):
                ticks.append(1)

        threading.Thread(target=tick, daemon=True).start()
        said = output(['sh', '-c', 'sleep 1; echo said'], 60)
        others_ran = len(ticks) > 3
        start = time.monotonic()
        late = output(['sleep', '600'], 0.5)
        ended.set()
        in_time = time.monotonic() - start < 60
        answer = [said.decode(), others_ran, late, in_time]
    """)
    assert answer == ['said\n', True, None, True]


def test_dns(ask):
    answer = ask("""
        from SIDE.dns import addresses
        found = addresses('localhost', 60)
        try:
            # Kept for this by RFC 6761.
            addresses('host.invalid', 60)
        except OSError:
            answer = ['127.0.0.1' in found, 'no such name']
    """)
    assert answer == [True, 'no such name']


def test_dns_that_takes_too_long(ask):
    answer = ask("""
        import socket, time
        from SIDE.dns import addresses
        # In place of a name server that does not answer.
        socket.getaddrinfo = lambda *_, **__: time.sleep(3)
        start = time.monotonic()
        answer = [addresses('slow.example', 0.5), time.monotonic() - start < 3]
    """)
    assert answer == [None, True]


def test_shared_state(ask):
    answer = ask("""
        import sys, threading
        from SIDE.shared_state import next_number
        sys.setswitchinterval(1e-6)
        numbers = []

        def work():
            for _ in range(20000):
                numbers.append(next_number('caller'))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answer = sorted(numbers) == list(range(1, 160001))
    """)
    assert answer is True


@pytest.mark.parametrize('side', START)
def test_wsgi_server(side, tmp_path):
    module = f'patterns.{side}.wsgi_server'
    if side == 'after':
        host = werkzeug.Werkzeug(f'{module}:application', tmp_path)
        with host:
            answer = host.get('/')
    else:
        with before(module) as url:
            answer = requests.get(url, timeout=60)
    assert (answer.status_code, answer.text) == (200, 'ready\n')


@contextlib.contextmanager
def before(module):
    port = driver.free_port('127.0.0.1')
    with subprocess.Popen(
        [
            sys.executable,
            '-c',
            START['before'] + f'from {module} import main; main({port})',
        ],
        env={'PYTHONPATH': str(EXAMPLES)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            for line in process.stderr:
                if 'wsgi starting up' in line:
                    break
            yield f'http://127.0.0.1:{port}/'
        finally:
            process.kill()


def test_each_pattern_has_both_sides():
    sides = [
        {path.name for path in (EXAMPLES / 'patterns' / side).glob('*.py')}
        for side in START
    ]
    assert sides[0] == sides[1]
    assert all(
        f'test_{name.removesuffix(".py")}' in globals()
        for name in sides[0] - {'__init__.py'}
    )
