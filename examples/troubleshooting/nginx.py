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

"""What nginx logs while clients get 413, 502 or 504."""

from troubleshooting import collect
from troubleshooting import trial as servers

PROBLEMS, problem = collect()

UWSGI_MODULE = 'https://nginx.org/en/docs/http/ngx_http_uwsgi_module.html'
BACKEND = 'nginx_uwsgi/telemetry-api.backend'
LOG = 'the error log of nginx, with {} for the client'


@problem(
    title='nginx and the server do not mean the same socket',
    seen_in=LOG.format(502),
    symptom='connect() to unix:... failed (2: No such file or directory) '
    'while connecting to upstream',
    cause='There is no such socket: the server behind nginx is not started, '
    'or it makes its socket in another place.',
    action='Compare the path in the line with the address that the server was '
    'given. Start the server if it is down.',
    look_at='The same request is answered:',
    confirmation='HTTP/1.1 200 OK',
    sources={'nginx, uwsgi_pass': f'{UWSGI_MODULE}#uwsgi_pass'},
)
def no_socket(trial):
    return trial.with_and_without(
        'nginx-uwsgi',
        {
            BACKEND: {
                'uwsgi_pass $telemetry_api_socket;': 'uwsgi_pass '
                'unix:/run/other/socket;'
            }
        },
        trial.look,
        until=servers.ANSWERS,
    )


@problem(
    title='The server behind nginx is gone, but not its socket',
    seen_in=LOG.format(502),
    symptom='connect() to unix:... failed (111: Connection refused) while '
    'connecting to upstream',
    cause='The server was killed, by the kernel for want of memory perhaps, '
    'and left the file of its socket. Nobody listens.',
    action='Start the server again, and look for the reason in '
    '``journalctl -u telemetry-api``, and in ``journalctl -k`` for want of '
    'memory. With ``Restart=on-failure``, as in the units of this '
    'guide, systemd starts it again by itself.',
    look_at='The same request is answered:',
    confirmation='HTTP/1.1 200 OK',
    sources={'nginx, uwsgi_pass': f'{UWSGI_MODULE}#uwsgi_pass'},
)
def dead_socket(trial):
    with trial.faulty('nginx-gunicorn') as server:
        servers.kill(server.backend)
        yield trial.look(server)
        server.backend.start()
        yield trial.wait_for(lambda: trial.curl(server))


@problem(
    title='nginx gives up waiting for the application',
    seen_in=LOG.format(504),
    symptom='upstream timed out (110: Connection timed out) while reading '
    'response header from upstream',
    cause='The application took longer to answer than nginx waits: 60 seconds '
    'by default.',
    action='Find out why it takes so long; a slow query is the usual reason. '
    'Where requests may take so long, raise :ref:`uwsgi_read_timeout '
    '<nginx-uwsgi-backend-uwsgi-read-timeout>`, and keep it above the '
    ':ref:`limit of the database <limit-queries>`.',
    look_at='The same request is answered. The page of the test says:',
    confirmation='Awake',
    sources={
        'nginx, uwsgi_read_timeout': f'{UWSGI_MODULE}#uwsgi_read_timeout'
    },
)
def nginx_gives_up(trial):
    return trial.with_and_without(
        'nginx-uwsgi',
        {BACKEND: {'uwsgi_read_timeout 75s;': 'uwsgi_read_timeout 1s;'}},
        lambda server: trial.look(server, '/sleep?seconds=1.3'),
    )


@problem(
    title='An answer has headers too big for nginx',
    seen_in=LOG.format(502),
    symptom='upstream sent too big header while reading response header from '
    'upstream',
    cause='All headers of an answer must fit into one buffer of nginx: 4 kB '
    'or 8 kB, the size of a page of memory.',
    action='Find out why headers are so big: links and cookies are the usual '
    'reason. Or say ``uwsgi_buffer_size 32k; uwsgi_buffers 8 32k; '
    'uwsgi_busy_buffers_size 64k;`` beside ``uwsgi_pass``.',
    look_at='The same request is answered:',
    confirmation='HTTP/1.1 200 OK',
    sources={'nginx, uwsgi_buffer_size': f'{UWSGI_MODULE}#uwsgi_buffer_size'},
)
def big_header(trial):
    page = '/header?bytes=16000'
    yield trial.look(trial.good('nginx-uwsgi'), page)
    line = 'uwsgi_pass $telemetry_api_socket;'
    changes = {
        BACKEND: {
            line: line + 'uwsgi_buffer_size 32k; uwsgi_buffers 8 32k;'
            'uwsgi_busy_buffers_size 64k;'
        }
    }
    with trial.faulty('nginx-uwsgi', changes) as server:
        yield trial.look(server, page)


@problem(
    title='nginx refuses a batch of samples',
    seen_in=LOG.format(413),
    symptom='client intended to send too large body: ... bytes',
    cause='nginx takes bodies of 1 MB.',
    action='Raise :ref:`client_max_body_size '
    '<nginx-conf-client-max-body-size>`, as the sample does. The telemetry '
    'API has a limit of its own: ``[api] max_request_body_size``.',
    look_at='The same body arrives. The page of the test counts it:',
    confirmation='The body has 2000000 bytes',
    sources={
        'nginx, client_max_body_size': 'https://nginx.org/en/docs/http/'
        'ngx_http_core_module.html#client_max_body_size'
    },
)
def large_body(trial):
    body = trial.folder() / 'body'
    body.write_bytes(bytes(2_000_000))
    return trial.with_and_without(
        'nginx-uwsgi',
        {'nginx/telemetry-api.conf': {'client_max_body_size 16m;': ''}},
        lambda server: trial.look(
            server, '/length', '--data-binary', f'@{body}'
        ),
    )


@problem(
    title='nginx is fine with a large token, uWSGI is not',
    seen_in=LOG.format(502) + ', and in the log of uWSGI',
    symptom='invalid request block size: ... (max 4096)...skip\n'
    'recv() failed (104: Connection reset by peer) while reading response '
    'header from upstream',
    cause='uWSGI has 4096 bytes for all headers together, and closes the '
    'connection when they need more. The line of nginx alone says only that '
    'the server behind it did so.',
    action='Raise :ref:`buffer-size <uwsgi-ini-buffer-size>`, as the sample '
    'does.',
    look_at='The same request is answered:',
    confirmation='HTTP/1.1 200 OK',
    sources={
        'uWSGI, Things to know': 'https://uwsgi-docs.readthedocs.io/en/latest/'
        'ThingsToKnow.html'
    },
)
def small_buffer_behind_nginx(trial):
    return trial.with_and_without(
        'nginx-uwsgi',
        {'uwsgi/telemetry-api.ini': {'buffer-size = 65535\n': ''}},
        lambda server: trial.look(
            server, '/', '-H', 'X-Auth-Token: ' + 'x' * 6000
        ),
    )
