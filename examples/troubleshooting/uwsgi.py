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

"""What uWSGI logs."""

import socket
from concurrent import futures

from troubleshooting import collect
from troubleshooting import trial as servers

PROBLEMS, problem = collect()

INI = 'uwsgi/telemetry-api.ini'
THINGS = {
    'uWSGI, Things to know': 'https://uwsgi-docs.readthedocs.io/en/latest/'
    'ThingsToKnow.html'
}
LOG = 'the log of uWSGI'
ANSWERED = {
    'look_at': 'The same request is answered:',
    'confirmation': 'HTTP/1.1 200 OK',
}
# What it logs when all workers are there, whether or not they work.
STARTED = 'spawned uWSGI worker 2'


@problem(
    title='uWSGI closes the connection on a large token',
    seen_in=f'{LOG}, and the client has no answer',
    symptom='invalid HTTP request size (max 4096)...skip',
    cause='uWSGI has 4096 bytes for all headers together.',
    action='Raise :ref:`buffer-size <uwsgi-ini-buffer-size>`, as the sample '
    'does.',
    **ANSWERED,
    sources=THINGS,
)
def small_buffer(trial):
    return trial.with_and_without(
        'uwsgi',
        {INI: {'buffer-size = 65535\n': ''}},
        lambda server: trial.look(
            server, '/', '-H', 'X-Auth-Token: ' + 'x' * 6000
        ),
    )


@problem(
    title='HTTP reaches a socket that speaks uwsgi',
    seen_in=f'{LOG}, and the client has no answer',
    symptom='invalid request block size: 21573 (max 4096)...skip',
    cause='A client or a proxy speaks HTTP to a socket that expects the '
    'uwsgi protocol: 21573 are the letters ET of GET, read as a number. With '
    'a large buffer-size uWSGI waits for so many bytes instead.',
    action='Let both ends speak the same: ``uwsgi_pass`` or ``uwsgi://`` to '
    '``protocol = uwsgi``, ``proxy_pass`` or clients to ``protocol = http``. '
    'In the sample this is the placeholder ``language``.',
    **ANSWERED,
    sources=THINGS,
)
def http_to_uwsgi(trial):
    changes = {
        'buffer-size = 65535\n': '',
        'protocol = %(language)': 'protocol = uwsgi',
    }
    return trial.with_and_without(
        'uwsgi', {INI: changes}, trial.look, until=STARTED
    )


@problem(
    title='uWSGI does not know an option',
    seen_in='what uWSGI prints when it does not start',
    symptom='[strict-mode] unknown config directive: enabled-threads',
    cause='The option has a typing error, or is of a plugin that is not '
    'loaded. Without ``strict`` uWSGI ignores it in silence.',
    action='Correct it, ``enable-threads`` in this case, and keep '
    ':ref:`strict <uwsgi-ini-strict>`.',
    **ANSWERED,
    sources=THINGS,
)
def unknown_option(trial):
    yield trial.refusal(
        trial.faulty(
            'uwsgi', {INI: {'enable-threads = true': 'enabled-threads = true'}}
        )
    )
    yield trial.look(trial.good('uwsgi'))


@problem(
    title='uWSGI runs without an application',
    seen_in=f'{LOG}, with "Internal Server Error" for the client',
    symptom='--- no python application found, check your startup logs for '
    'errors ---',
    cause='The application could not be imported. The traceback is further '
    'up, from the start: here the name of the module has a typing error.',
    action='Correct what the traceback says. With :ref:`need-app '
    '<uwsgi-ini-need-app>`, as in the sample, uWSGI does not start like '
    'this.',
    **ANSWERED,
    sources=THINGS,
)
def nothing_to_run(trial):
    return trial.with_and_without(
        'uwsgi',
        {INI: {'need-app = true\n': ''}},
        trial.look,
        application='telemetry_.wsgi:application',
        until=STARTED,
    )


@problem(
    title='uWSGI kills a worker that is busy for too long',
    seen_in=f'{LOG}, and the client has no answer',
    symptom='*** HARAKIRI ON WORKER ... (pid: ..., try: 1...) ***',
    holds_for='uWSGI 2.0.21 and 2.0.30; the later one adds ``graceful`` to '
    'the line.',
    cause='A request took longer than ``harakiri``. The whole process is '
    'killed, with the requests of all its threads. Where this came earlier, '
    'it is :ref:`the next problem <trouble-harakiri-upload>`.',
    action='Find out what takes so long, and end it earlier: :ref:`in the '
    'database <limit-queries>`. With several threads take ``harakiri`` away.',
    look_at='The request ends within the time. The page of the test says:',
    confirmation='Awake',
    sources={
        'uWSGI, harakiri': 'https://uwsgi-docs.readthedocs.io/en/latest/'
        'Options.html#harakiri'
    },
)
def harakiri(trial):
    with trial.faulty('uwsgi', {INI: limited_to(1)}) as server:
        yield trial.look(server, '/sleep?seconds=20')
        yield trial.curl(server, '/sleep?seconds=0.3')


def limited_to(seconds):
    """Give the change that adds ``harakiri`` to the sample."""
    line = 'socket-timeout = 30\n'
    return {line: f'{line}harakiri = {seconds}\n'}


@problem(
    title='uWSGI kills a worker in the middle of an upload',
    seen_in=f'{LOG}, and the client has no answer; long before the time that '
    '``harakiri`` gives',
    symptom='*** HARAKIRI ON WORKER ... (pid: ..., try: 1...) ***\n'
    'HARAKIRI [core ...] ... - POST ... since ...\n'
    'DAMN ! worker ... died, killed by signal 9 :( trying respawn ...',
    cause='All threads of a worker share one deadline. When a request ends in '
    'one thread, it becomes 0. The next part of a body that another thread '
    'reads adds ``harakiri`` to that: the deadline is in January 1970, and '
    'the worker is killed. For the same reason a request that hangs may go '
    'on for ever, as long as others come and go.',
    action='Take ``harakiri`` away, as the sample does, restart uWSGI, since '
    'a reload does not read the file, and limit the time of queries :ref:`in '
    'the database <limit-queries>`.',
    look_at='The upload is answered:',
    confirmation='HTTP/1.1 200 OK',
    holds_for='All of uWSGI 2.0, with several threads and ``post-buffering``.',
    sources={
        'uWSGI, issue 2706': 'https://github.com/unbit/uwsgi/issues/2706'
    },
)
def harakiri_upload(trial):
    body = trial.folder() / 'body'
    body.write_bytes(bytes(2_000_000))

    def upload_beside_others(server):
        options = ('--limit-rate', '400k', '--data-binary', f'@{body}')
        with futures.ThreadPoolExecutor() as pool:
            answer = pool.submit(trial.look, server, '/length', *options)
            while not answer.done():
                trial.curl(server)
                # uWSGI looks at its deadlines once a second.
                futures.wait([answer], 1.3)
            return answer.result()

    # In one process, so that both kinds of request meet.
    one = {'processes = 2': 'processes = 1'}
    for changes in (one | limited_to(60), one):
        with trial.faulty('uwsgi', {INI: changes}) as server:
            yield upload_beside_others(server)


@problem(
    title='The listen queue of uWSGI is full',
    seen_in=f'{LOG}, once a second; clients wait, or are refused',
    symptom='*** uWSGI listen queue of socket ... (fd: ...) full !!! (...) '
    '***',
    cause='All threads are busy, and as many connections wait as ``listen`` '
    'allows, 100 by default.',
    action='Find out what the threads wait for: :doc:`/admin/monitor` shows '
    'how long requests take. Then :doc:`size the host </admin/size>`. A '
    'longer queue, ``listen`` with ``net.core.somaxconn``, only makes clients '
    'wait longer.',
    look_at='With enough threads all are answered. The page of the test says:',
    confirmation='Awake',
    sometimes=True,
    sources=THINGS,
)
def queue_full(trial):
    few = {
        'processes = 2': 'processes = 1',
        '\nthreads = 4\n': '\nthreads = 1\nlisten = 2\n',
    }

    def look(server):
        with futures.ThreadPoolExecutor() as pool:
            answers = [
                pool.submit(trial.curl, server, '/sleep?seconds=2')
                for _ in range(4)
            ]
            return ''.join(a.result() for a in answers) + trial.log(server)

    return trial.with_and_without('uwsgi', {INI: few}, look)


@problem(
    title='uWSGI starts again instead of stopping',
    seen_in=f'{LOG}, after ``systemctl stop``, which hangs',
    symptom='...brutally killing workers...\nbinary reloading uWSGI...',
    cause='uWSGI 2.0 takes SIGTERM for "start again".',
    action='Say :ref:`die-on-term <uwsgi-ini-die-on-term>` and '
    ':ref:`hook-master-start <uwsgi-ini-hook-master-start>`, as the sample '
    'does.',
    look_at='uWSGI ends on SIGTERM, and logs:',
    confirmation='goodbye to uWSGI.',
    sources={'uWSGI, issue 515': 'https://github.com/unbit/uwsgi/issues/515'},
    holds_for='All of uWSGI 2.0.',
)
def reload_on_term(trial):
    die = 'die-on-term = true\n'
    hook = 'hook-master-start = unix_signal:15 gracefully_kill_them_all\n'
    changes = {INI: {die: '', hook: ''}}
    with trial.faulty('uwsgi-debian', changes, STARTED) as server:
        server.wait(
            'did not load',
            lambda: server.log_text().count('WSGI app 0') == 2,
        )
        server.process.terminate()
        try:
            yield trial.wait_for(lambda: trial.log(server))
        finally:
            servers.kill(server)
    with trial.faulty('uwsgi-debian') as server:
        server.process.terminate()
        yield trial.wait_for(lambda: trial.log(server))


@problem(
    title='A client that hangs up fills the log of uWSGI',
    seen_in=LOG,
    symptom='uwsgi_response_write_body_do(): ... during GET ...\n'
    'OSError: write error',
    cause='The client closed the connection before it had the whole answer. '
    'This is no error of the server.',
    action='Say :ref:`ignore-sigpipe, ignore-write-errors and '
    'disable-write-exception <uwsgi-ini-disable-write-exception>`, as the '
    'sample does. The last one is often seen as ``disable-write-exceptions``, '
    'which does nothing without ``strict``.',
    look_at='The log has the line of the request, and no more:',
    confirmation='"GET /large HTTP/1.1" 200',
    sometimes=True,
    sources={
        'uWSGI, issue 1171': 'https://github.com/unbit/uwsgi/issues/1171'
    },
)
def hang_up(trial):
    trio = (
        'ignore-sigpipe = true\n'
        'ignore-write-errors = true\n'
        'disable-write-exception = true\n'
    )
    return trial.with_and_without(
        'uwsgi',
        {INI: {trio: ''}},
        lambda server: trial.look(server, '/large', '--max-filesize', '1000'),
    )


@problem(
    title='uWSGI cannot have its port',
    seen_in='what uWSGI prints when it does not start',
    symptom='probably another instance of uWSGI is running on the same '
    'address (127.0.0.1:...).\n'
    'bind(): Address already in use',
    cause='Another program listens there, not always a uWSGI: the server '
    'that this one is to replace, perhaps.',
    action='``ss -ltnp`` names the program. Stop it, or take another port.',
    **ANSWERED,
    sources=THINGS,
)
def uwsgi_port_taken(trial):
    with socket.create_server(('127.0.0.1', 0)) as other:
        yield trial.refusal(trial.faulty('uwsgi', port=other.getsockname()[1]))
    yield trial.look(trial.good('uwsgi'))


@problem(
    title='Threads of the application stand still between requests',
    seen_in=f'{LOG}, at its start; a message bus misses heartbeats',
    symptom='*** Python threads support is disabled. You can enable it with '
    '--enable-threads ***',
    cause='With one thread for requests uWSGI switches off all others: they '
    'run only while a request does.',
    action='Say :ref:`enable-threads <uwsgi-ini-enable-threads>`, as the '
    'sample does.',
    look_at='The log has, at the start:',
    confirmation='python threads support enabled',
    sources={
        **THINGS,
        'uWSGI 2.0.27': 'https://uwsgi-docs.readthedocs.io/en/latest/'
        'Changelog-2.0.27.html',
    },
    holds_for='uWSGI before 2.0.27; since then threads are on by default.',
)
def no_threads(trial):
    one = {'\nthreads = 4\n': '\n'}
    none = one | {'enable-threads = true\n': ''}
    for changes in (none, one):
        with trial.faulty('uwsgi-debian', {INI: changes}) as server:
            yield trial.look(server)
