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

"""What patterns of well-known guides do when they are run.

Each is reduced to the lines that matter, in words of our own, and runs the
application of the trials. In the files ``$(PORT)`` is a free port.
"""

import signal

from troubleshooting import collect

PROBLEMS, problem = collect()

RUNNING = 'resuming normal operations'
SITE = 'apache_mod_wsgi/telemetry-api.conf'
ANSWERED = {
    'look_at': 'The same request is answered:',
    'confirmation': 'HTTP/1.1 200 OK',
}
LOG = 'the log of uWSGI'
AODH = 'https://github.com/openstack/aodh/blob/master/doc/source/contributor'
GLANCE = {
    'glance, Running Glance in HTTPD, 2026-07-01': 'https://github.com/'
    'openstack/glance/blob/master/doc/source/admin/apache-httpd.rst'
}
REMOVAL = (
    'https://github.com/eventlet-removal/eventlet-removal.github.io/tree/'
    'main/docs/guide'
)

STOP = """\
[uwsgi]
http-socket = 127.0.0.1:$(PORT)
module = troubleshooting.program
master = true
enable-threads = true
lazy-apps = true
die-on-term = true
exit-on-reload = true
"""


@problem(
    title='die-on-term is said to stop gracefully',
    pattern=STOP,
    seen_in='what the client of a request in flight prints at SIGTERM',
    symptom='curl: (52) Empty reply from server',
    cause='``die-on-term`` turns SIGTERM from "start again" into "stop". It '
    'does not wait for requests.',
    action='Add ``hook-master-start = unix_signal:15 '
    'gracefully_kill_them_all``.',
    look_at='The request in flight is answered. The page of the test says:',
    confirmation='Awake',
    sources=GLANCE,
)
def published_stop(trial):
    hook = 'hook-master-start = unix_signal:15 gracefully_kill_them_all\n'
    for text in (STOP, STOP + hook):
        with trial.uwsgi(text) as server:
            yield trial.stop_meanwhile(server)


@problem(
    title='exit-on-reload is said to reload gracefully',
    pattern=STOP,
    seen_in=f'{LOG} at SIGHUP',
    symptom='uWSGI: GAME OVER (insert coin)',
    cause='With ``exit-on-reload`` SIGHUP ends uWSGI. Where systemd starts it '
    'again, clients are refused meanwhile.',
    action='Leave the line out.',
    look_at='uWSGI starts itself again, on the same socket, and logs:',
    confirmation='binary reloading uWSGI...',
    sources=GLANCE,
)
def published_reload(trial):
    for text in (STOP, STOP.replace('exit-on-reload = true\n', '')):
        with trial.uwsgi(text) as server:
            trial.curl(server)
            server.process.send_signal(signal.SIGHUP)
            yield trial.wait_for(lambda log=server: trial.log(log))


HTTP = """\
[uwsgi]
http-socket = 127.0.0.1:$(PORT)
socket-timeout = 1
module = troubleshooting.program
"""
PROXY = 'uwsgi://127.0.0.1:${API_PORT}/'


@problem(
    title='Apache speaks uwsgi to a socket that speaks HTTP',
    pattern=f'ProxyPass / {PROXY}\n',
    language='apache',
    seen_in='the answer, when uWSGI listens there with ``http-socket``',
    symptom='HTTP/1.1 500 Internal Server Error',
    cause='``uwsgi://`` is a protocol of its own: ``http-socket`` does not '
    'speak it, and waits for more until its ``socket-timeout``.',
    action='Let uWSGI listen with ``socket`` and ``protocol = uwsgi``, as '
    'the sample does; or say ``http://``.',
    **ANSWERED,
    sources=GLANCE,
)
def published_proxy(trial):
    with trial.uwsgi(HTTP) as server:
        yield from trial.with_and_without(
            'apache-uwsgi',
            {
                'apache_uwsgi/telemetry-api.conf': {
                    'unix:${TELEMETRY_SOCKET}|uwsgi://telemetry-api/': PROXY
                }
            },
            trial.look,
            until=RUNNING,
            environ={'API_PORT': str(server.port)},
        )


THREADS = """\
[uwsgi]
http-socket = 127.0.0.1:$(PORT)
module = troubleshooting.program
master = true
enabled-threads = true
"""


@problem(
    title='enabled-threads does not enable threads',
    pattern=THREADS,
    seen_in=f'{LOG}, which says nothing of the unknown option',
    symptom='*** Python threads support is disabled. You can enable it with '
    '--enable-threads ***',
    cause='The option is ``enable-threads``. In the published file ``threads '
    '= 32`` enables them all the same, so that nobody noticed.',
    action='Correct it, and say ``strict = true``: then uWSGI names an '
    'unknown option and does not start.',
    look_at='The log has, at the start:',
    confirmation='python threads support enabled',
    sources={
        'gnocchi, Running as a WSGI application, 2018-02-09': 'https://'
        'github.com/gnocchixyz/gnocchi/blob/master/doc/source/operating.rst'
    },
    holds_for='uWSGI before 2.0.27; since then threads are on by default.',
)
def published_threads(trial):
    for text in (THREADS, THREADS.replace('enabled-', 'enable-')):
        with trial.uwsgi(text) as server:
            yield trial.wait_for(lambda log=server: trial.log(log))


VHOST = """\
Listen ${TELEMETRY_ADDRESS}
WSGISocketPrefix ${APACHE_RUN_DIR}/wsgi
<VirtualHost ${TELEMETRY_ADDRESS}>
    WSGIDaemonProcess api processes=1 threads=10 user=${TELEMETRY_USER} home=/
    WSGIProcessGroup api
    WSGIScriptAlias / ${TELEMETRY_SCRIPT}
    WSGIApplicationGroup %{GLOBAL}
</VirtualHost>
"""


@problem(
    title='A virtual host grants nothing',
    pattern=VHOST,
    language='apache',
    seen_in='the error log of Apache, with 403 for the client',
    symptom='AH01630: client denied by server configuration:',
    cause="Debian's ``apache2.conf`` denies the whole disk but the folders "
    'that it names, and grants the script to nobody.',
    action='Say ``Require all granted`` for ``<Location />`` or the folder of '
    'the script.',
    **ANSWERED,
    sources={
        'aodh, Installing the API behind mod_wsgi, 2026-04-02': f'{AODH}/'
        'install/mod_wsgi.rst'
    },
)
def published_vhost(trial):
    grant = '<Location />\nRequire all granted\n</Location>\n</VirtualHost>'
    for text in (VHOST, VHOST.replace('</VirtualHost>', grant)):
        with trial.faulty('apache-mod-wsgi', {SITE: text}, RUNNING) as server:
            yield trial.look(server)


PLUGIN = """\
[uwsgi]
plugins = python
http-socket = 127.0.0.1:$(PORT)
module = troubleshooting.program
"""


@problem(
    title='Debian has no plugin of the name python',
    pattern=PLUGIN,
    seen_in=f'{LOG}, and the client has no answer',
    symptom='!!! UNABLE to load uWSGI plugin: ...python_plugin.so:\n'
    '-- unavailable modifier requested: 0 --',
    cause='Debian 12 calls the plugin ``python3``. uWSGI goes on without it. '
    'The wheels of PyPI have Python built in and need no plugin.',
    action="Say ``plugins = python3`` with Debian's uWSGI, and no such line "
    'with that of PyPI.',
    **ANSWERED,
    sources={
        'aodh, Installing the API with uwsgi, 2025-06-12': f'{AODH}/install/'
        'uwsgi.rst',
        'keystone, keystone-uwsgi-public.ini, 2024-10-10': 'https://'
        'github.com/openstack/keystone/blob/master/httpd/'
        'keystone-uwsgi-public.ini',
    },
    holds_for="Debian's packages of uWSGI.",
)
def published_plugin(trial):
    for text in (PLUGIN, PLUGIN.replace('python\n', 'python3\n')):
        with trial.uwsgi(text, program='/usr/bin/uwsgi') as server:
            yield trial.look(server)


BACKGROUND = 'uwsgi -d ./api.ini'


@problem(
    title='uwsgi -d does not read the file that follows',
    pattern=BACKGROUND,
    language='sh',
    seen_in='``api.ini`` itself, after the command',
    symptom='*** Starting uWSGI\nThe -s/--socket option is missing',
    cause='``-d`` takes the name of a log file. So uWSGI starts without a '
    'configuration, appends its log to ``api.ini``, and ends.',
    action='Say ``--ini`` before the name of the file; leave the background '
    'to systemd.',
    **ANSWERED,
    sources={
        'aodh, Installing the API with uwsgi, 2025-06-12': f'{AODH}/install/'
        'uwsgi.rst'
    },
)
def published_background(trial):
    folder = trial.folder()
    file = folder / 'api.ini'
    file.write_text(PLUGIN)
    trial.command(
        'sh', '-c', f'cd {folder} && {BACKGROUND}', PATH='/usr/bin:/bin'
    )
    yield trial.wait_for(file.read_text)
    with trial.uwsgi(PLUGIN.replace('plugins = python\n', '')) as server:
        yield trial.look(server)


WORKER = 'gunicorn -k eventlet troubleshooting.program:application'


@problem(
    title='gunicorn is recommended with its worker for eventlet',
    pattern=WORKER,
    language='sh',
    seen_in='what gunicorn prints when it does not start',
    symptom="class uri 'eventlet' invalid or not found",
    cause='gunicorn 26 removed the worker in May 2026.',
    action='Say ``-k gthread --threads 4``.',
    **ANSWERED,
    sources={
        'Werkzeug, Deploying to Production, 2022-08-08': 'https://'
        'werkzeug.palletsprojects.com/en/stable/deployment/eventlet/'
    },
    holds_for='gunicorn 26 and later.',
)
def published_worker(trial):
    yield trial.command('sh', '-c', WORKER)
    yield trial.look(trial.good('gunicorn'))


SNIPPET = """\
from eventlet import listen, wsgi
from troubleshooting.program import application

wsgi.server(listen(('127.0.0.1', 8000), application)
"""


@problem(
    title='A server of eventlet in four lines',
    pattern=SNIPPET,
    language='python',
    seen_in='what Python prints',
    symptom="SyntaxError: '(' was never closed",
    cause='A parenthesis is missing.',
    action='Close it; or, better, run the application on a WSGI host: '
    ':doc:`/install/choose-a-host`.',
    **ANSWERED,
    sources={
        'Werkzeug, eventlet, 2022-08-08': 'https://'
        'werkzeug.palletsprojects.com/en/stable/deployment/eventlet/',
    },
)
def published_snippet(trial):
    yield trial.python(SNIPPET, 'eventlet')
    yield trial.look(trial.good('gunicorn'))


CONSTRAINT = 'eventlet==none'
CHECK = """\
from packaging.requirements import Requirement
wanted = Requirement({!r}).specifier
print('eventlet fits:', wanted.contains('0.41.3'))
"""


@problem(
    title='A constraint is to keep eventlet out',
    pattern=CONSTRAINT,
    language='text',
    seen_in='what packaging says, the library that pip reads it with',
    symptom='packaging.requirements.InvalidRequirement:',
    cause='``none`` is no version, so no tool can read the line.',
    action='Write ``eventlet<0``: no version fits, and pip says so when '
    'something wants eventlet.',
    look_at='The line is read, and keeps eventlet out:',
    confirmation='eventlet fits: False',
    sources={
        'Eventlet removal guide, 2025-09-16': REMOVAL,
    },
)
def published_constraint(trial):
    for line in (CONSTRAINT, 'eventlet<0'):
        yield trial.python(CHECK.format(line), 'packaging')


STRICT = """\
[uwsgi]
strict = true
http-socket = 127.0.0.1:$(PORT)
module = troubleshooting.program
master = true
py-callos-afterfork = true
"""


@problem(
    title='A set of good defaults, copied with a typing error',
    pattern=STRICT,
    seen_in='what uWSGI prints when it does not start',
    symptom='[strict-mode] unknown config directive: py-callos-afterfork',
    cause='The option is ``py-call-osafterfork``. Copies of the article that '
    'have the error set ``strict`` to false, which hides it, and all others. '
    'Whether the article itself has it, we could not see.',
    action='Correct the option, and keep ``strict``.',
    **ANSWERED,
    sources={
        'Bloomberg, Configuring uWSGI for Production Deployment, 2019-07-12': (
            'https://www.techatbloomberg.com/blog/'
            'configuring-uwsgi-production-deployment/'
        )
    },
)
def published_strict(trial):
    yield trial.refusal(trial.uwsgi(STRICT))
    right = STRICT.replace('py-callos-afterfork', 'py-call-osafterfork')
    with trial.uwsgi(right) as server:
        yield trial.look(server)


CHUNKS = """\
[uwsgi]
http = 127.0.0.1:$(PORT)
http-auto-chunked = true
http-chunked-input = true
http-raw-body = true
module = troubleshooting.program
master = true
"""


@problem(
    title='Options for chunks lose the body',
    pattern=CHUNKS,
    seen_in='the answer to a body in chunks, with status 200',
    symptom='The body has 0 bytes',
    cause='The options pass the chunks on, for applications that call '
    '``uwsgi.chunked_read()``. Any other application reads nothing, and '
    'nobody says so.',
    action='Put nginx in front, which collects the chunks; or refuse such '
    'requests in the application, as the telemetry API does, with 411.',
    look_at='Behind nginx the body arrives. The page of the test counts it:',
    confirmation='The body has 5 bytes',
    sources={
        'devstack, lib/apache, 2025-07-10': 'https://github.com/openstack/'
        'devstack/blob/master/lib/apache',
        'uWSGI, issue 1187': 'https://github.com/unbit/uwsgi/issues/1187',
    },
)
def published_chunks(trial):
    chunks = ('-H', 'Transfer-Encoding: chunked', '--data', 'hello')
    with trial.uwsgi(CHUNKS, name='uwsgi') as server:
        yield trial.look(server, '/length', *chunks)
    yield trial.look(trial.good('nginx-uwsgi'), '/length', *chunks)
