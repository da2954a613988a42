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

"""What Apache and mod_wsgi log."""

import socket

from troubleshooting import collect

PROBLEMS, problem = collect()

SITE = 'apache_mod_wsgi/telemetry-api.conf'
MOD_WSGI = 'https://modwsgi.readthedocs.io/en/master'
DAEMON = f'{MOD_WSGI}/configuration-directives/WSGIDaemonProcess.html'
LOG = 'the error log of Apache'
ANSWERED = {
    'look_at': 'The same request is answered:',
    'confirmation': 'HTTP/1.1 200 OK',
}
RUNNING = 'resuming normal operations'


@problem(
    title='Apache denies everything',
    seen_in=f'{LOG}, with 403 for the client',
    symptom='AH01630: client denied by server configuration:',
    cause="Debian's ``apache2.conf`` denies the whole disk but the folders "
    'that it names. The script of a site elsewhere, or in a virtual '
    'environment, is part of that.',
    action='Say ``Require all granted`` for the place, as the samples do in '
    '``<Location />``.',
    **ANSWERED,
    sources={
        'Apache, access control': 'https://httpd.apache.org/docs/2.4/howto/'
        'access.html'
    },
)
def denied(trial):
    return trial.with_and_without(
        'apache-mod-wsgi', {SITE: {'Require all granted': ''}}, trial.look
    )


@problem(
    title='Apache does not know the directives of mod_wsgi',
    seen_in='what Apache prints when it does not start',
    symptom="Invalid command 'WSGISocketPrefix', perhaps misspelled or "
    'defined by a module not included in the server configuration',
    cause='mod_wsgi is not installed, or not loaded.',
    action='On Debian: ``apt-get install libapache2-mod-wsgi-py3``, then '
    '``a2enmod wsgi``.',
    **ANSWERED,
    sources={
        'mod_wsgi, installation': f'{MOD_WSGI}/user-guides/'
        'quick-installation-guide.html'
    },
)
def no_mod_wsgi(trial):
    yield trial.refusal(trial.faulty('apache-mod-wsgi', modules={}))
    yield trial.look(trial.good('apache-mod-wsgi'))


@problem(
    title='Apache cannot speak to uWSGI',
    seen_in=f'{LOG}, with 500 for the client',
    symptom='AH01144: No protocol handler was valid for the URL / (scheme '
    "'uwsgi').",
    cause='``mod_proxy`` is loaded, ``mod_proxy_uwsgi`` is not.',
    action='On Debian: ``a2enmod proxy_uwsgi``.',
    **ANSWERED,
    sources={
        'Apache, mod_proxy_uwsgi': 'https://httpd.apache.org/docs/2.4/mod/'
        'mod_proxy_uwsgi.html'
    },
)
def no_proxy_uwsgi(trial):
    return trial.with_and_without(
        'apache-uwsgi',
        {},
        trial.look,
        modules={'headers': 'apache2-bin', 'proxy': 'apache2-bin'},
        until=RUNNING,
    )


@problem(
    title='Apache finds no uWSGI on the socket',
    seen_in=f'{LOG}, with 503 for the client',
    symptom='(2)No such file or directory: AH02454: uwsgi: attempt to connect '
    'to Unix domain socket ... failed',
    cause='uWSGI is not started, or it makes its socket in another place. '
    'After the first failure Apache does not even try for a minute.',
    action='Compare the path in the line with the address that uWSGI was '
    'given, start uWSGI, then reload Apache so that it tries at once.',
    **ANSWERED,
    sources={
        'Apache, retry of ProxyPass': 'https://httpd.apache.org/docs/2.4/mod/'
        'mod_proxy.html#proxypass'
    },
)
def no_uwsgi(trial):
    return trial.with_and_without(
        'apache-uwsgi',
        {
            'apache_uwsgi/telemetry-api.conf': {
                'unix:${TELEMETRY_SOCKET}|': 'unix:/run/other/socket|'
            }
        },
        trial.look,
        until=RUNNING,
    )


@problem(
    title='Apache cannot have its port',
    seen_in='what Apache prints when it does not start',
    symptom='(98)Address already in use: AH00072: make_sock: could not bind '
    'to address 127.0.0.1:...',
    cause='Another program listens there: the server that this one is to '
    'replace, perhaps.',
    action='``ss -ltnp`` names the program. Stop it, or take another port.',
    **ANSWERED,
    sources={'Apache, Listen': 'https://httpd.apache.org/docs/2.4/bind.html'},
)
def apache_port_taken(trial):
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        yield trial.refusal(trial.faulty('apache-uwsgi', port=port))
    yield trial.look(trial.good('apache-uwsgi'))


@problem(
    title='mod_wsgi gives up waiting for the application',
    seen_in=f'{LOG}, with 504 for the client',
    symptom='Timeout when reading response headers from daemon process '
    "'telemetry-api'",
    cause='The application took longer to answer than ``socket-timeout`` of '
    'WSGIDaemonProcess, or Timeout of Apache. The thread goes on working.',
    action='Find out why it takes so long; a slow query is the usual reason. '
    'Where requests may take so long, raise :ref:`the timeouts '
    '<apache-mod-wsgi-conf-wsgidaemonprocess-socket-timeout>`, and keep them '
    'above the :ref:`limit of the database <limit-queries>`.',
    look_at='The same request is answered. The page of the test says:',
    confirmation='Awake',
    sources={'mod_wsgi, WSGIDaemonProcess': DAEMON},
    holds_for='mod_wsgi 4; 5.0 and later write WSGI0145 before it.',
)
def mod_wsgi_gives_up(trial):
    return trial.with_and_without(
        'apache-mod-wsgi',
        {SITE: {' socket-timeout=60': ' socket-timeout=1'}},
        lambda server: trial.look(server, '/sleep?seconds=1.5'),
    )


@problem(
    title='An answer has headers too big for mod_wsgi',
    seen_in=f'{LOG}, with 500 for the client',
    symptom='Truncated or oversized response headers received from daemon '
    "process 'telemetry-api'",
    cause='A header of the answer is larger than 32 kB.',
    action='Raise :ref:`header-buffer-size '
    '<apache-mod-wsgi-conf-wsgidaemonprocess-header-buffer-size>`, as the '
    'sample does. The other cause of the line is :ref:`a process that died '
    '<trouble-daemon-died>`.',
    **ANSWERED,
    sources={'mod_wsgi, header-buffer-size': DAEMON},
    holds_for='mod_wsgi 4; 6 has a text of its own for each of the causes.',
)
def oversized_header(trial):
    return trial.with_and_without(
        'apache-mod-wsgi',
        {SITE: {' \\\n        header-buffer-size=65536': ''}},
        lambda server: trial.look(server, '/header?bytes=40000'),
    )


@problem(
    title='A process of mod_wsgi died during the request',
    seen_in=f'{LOG}, with 500 for the client',
    symptom='Truncated or oversized response headers received from daemon '
    "process 'telemetry-api'\nProcess 'telemetry-api' terminated by signal 11",
    cause='An extension in C crashed, often one that breaks in a '
    'sub-interpreter, or the kernel killed the process for want of memory. '
    'Apache starts another one.',
    action='Run the application in the main interpreter, with '
    '``application-group=%{GLOBAL}``, and find the extension: with '
    '``PYTHONFAULTHANDLER=1`` in the environment of Apache, Python logs where '
    'it was.',
    look_at='Requests are answered, by a new process. In the test one page '
    'kills its process, and the next request is for another page:',
    confirmation='HTTP/1.1 200 OK',
    sources={
        'mod_wsgi, application issues': f'{MOD_WSGI}/user-guides/'
        'application-issues.html'
    },
)
def daemon_died(trial):
    with trial.faulty('apache-mod-wsgi') as server:
        yield trial.look(server, '/crash')
        yield trial.curl(server)


@problem(
    title='mod_wsgi does not find the script',
    seen_in=f'{LOG}, with 404 for the client',
    symptom='Target WSGI script not found or unable to stat: ...',
    cause='The path in WSGIScriptAlias is wrong, or a folder on it is closed '
    'to the user of Apache. The line names the path as far as it is there.',
    action='Correct the path, or the modes of its folders: ``namei -l`` lists '
    'them.',
    **ANSWERED,
    sources={
        'mod_wsgi, configuration issues': f'{MOD_WSGI}/user-guides/'
        'configuration-issues.html'
    },
)
def no_script(trial):
    return trial.with_and_without(
        'apache-mod-wsgi',
        {
            SITE: {
                '${TELEMETRY_PREFIX} ${TELEMETRY_SCRIPT} \\\n': '/ '
                '/etc/telemetry/missing.wsgi \\\n'
            }
        },
        trial.look,
        until=RUNNING,
    )


@problem(
    title='The script has no application',
    seen_in=f'{LOG}, with 404 for the client',
    symptom="Target WSGI script '...' does not contain WSGI application "
    "'application'.",
    cause='mod_wsgi looks for the name ``application`` in the script. Many '
    'frameworks say ``app``.',
    action='Say ``from module import app as application`` in the script.',
    **ANSWERED,
    sources={
        'mod_wsgi, WSGICallableObject': f'{MOD_WSGI}/configuration-directives/'
        'WSGICallableObject.html'
    },
)
def no_application(trial):
    folder = trial.folder()
    script = folder / 'app.wsgi'
    script.write_text('from wsgiref.simple_server import demo_app as app\n')
    return trial.with_and_without(
        'apache-mod-wsgi',
        {SITE: {' ${TELEMETRY_SCRIPT} \\\n': f' {script} \\\n'}},
        trial.look,
        until=RUNNING,
    )


@problem(
    title='mod_wsgi runs the application in the wrong place',
    seen_in=f'{LOG}, with 500 for the client',
    symptom='Embedded mode of mod_wsgi disabled by runtime configuration',
    cause='The site has a WSGIDaemonProcess, but nothing sends the '
    'application there: it would run in the processes of Apache itself, '
    'which WSGIRestrictEmbedded forbids. Without that line it would run '
    'there, and nobody would notice.',
    action='Name the group with ``process-group`` in WSGIScriptAlias, as the '
    'sample does, or with WSGIProcessGroup.',
    **ANSWERED,
    sources={
        'mod_wsgi, WSGIRestrictEmbedded': f'{MOD_WSGI}/'
        'configuration-directives/WSGIRestrictEmbedded.html'
    },
)
def embedded(trial):
    return trial.with_and_without(
        'apache-mod-wsgi',
        {SITE: {'process-group=telemetry-api \\\n': '\\\n'}},
        trial.look,
        until=RUNNING,
    )


@problem(
    title='mod_wsgi does not find the application',
    seen_in=f'{LOG}, with 500 for the client',
    symptom='Failed to exec Python script file\n'
    "ModuleNotFoundError: No module named 'telemetry_'",
    cause='The application is not in the Python that mod_wsgi runs: '
    '``python-home`` names another virtual environment, or none. Here the '
    'name of the module has a typing error.',
    action='Compare :ref:`python-home '
    '<apache-mod-wsgi-conf-wsgidaemonprocess-python-home>` with what '
    '``python -c "import sys; print(sys.prefix)"`` prints where the '
    'application is installed.',
    **ANSWERED,
    sources={
        'mod_wsgi, virtual environments': f'{MOD_WSGI}/user-guides/'
        'virtual-environments.html'
    },
)
def not_in_this_python(trial):
    return trial.with_and_without(
        'apache-mod-wsgi',
        {},
        trial.look,
        application='telemetry_.wsgi:application',
        until=RUNNING,
    )


@problem(
    title='An extension refuses the second interpreter',
    seen_in=f'{LOG}, with 500 for the clients of one of two applications',
    sometimes=True,
    symptom='ImportError: PyO3 modules do not yet support subinterpreters, '
    'see https://github.com/PyO3/pyo3/issues/576',
    cause='mod_wsgi gives each application a sub-interpreter of its own. '
    'Extensions in Rust, such as cryptography and bcrypt, load in one '
    'interpreter of a process only; some in C break without a word.',
    action='Say ``application-group=%{GLOBAL}`` in WSGIScriptAlias, as the '
    'sample does, and give each application processes of its own.',
    **ANSWERED,
    sources={
        'PyO3, issue 576': 'https://github.com/PyO3/pyo3/issues/576',
        'mod_wsgi, issue 940': 'https://github.com/GrahamDumpleton/mod_wsgi/'
        'issues/940',
    },
)
def second_interpreter(trial):
    folder = trial.folder()
    (folder / 'uses_rust.py').write_text(
        'import bcrypt\nfrom troubleshooting.program import application\n'
    )
    alias = 'WSGIScriptAlias ${TELEMETRY_PREFIX} ${TELEMETRY_SCRIPT}'
    second = (
        'WSGIScriptAlias /second ${TELEMETRY_SCRIPT} '
        'process-group=telemetry-api application-group=second\n'
    )
    options = {
        'application': 'uses_rust:application',
        'python_path': [folder],
    }
    changes = {
        SITE: {
            alias: second + alias,
            'application-group=%{GLOBAL}': 'application-group=first',
        }
    }
    with trial.faulty(
        'apache-mod-wsgi', changes, RUNNING, **options
    ) as server:
        yield trial.look(server, '/second/')
    with trial.faulty('apache-mod-wsgi', **options) as server:
        yield trial.look(server)


@problem(
    title='mod_wsgi refuses a body in chunks',
    seen_in=f'{LOG}, with 411 for the client',
    symptom='Received request requiring chunked transfer encoding, but '
    'optional support for chunked transfer encoding has not been enabled.',
    cause='The client sends the body without its length, and mod_wsgi takes '
    'no such body by default.',
    action='Let the client send a length; or say ``WSGIChunkedRequest On``, '
    'if the application reads bodies to their end without looking at '
    'CONTENT_LENGTH.',
    look_at='The body arrives. The page of the test counts it:',
    confirmation='The body has 5 bytes',
    sources={
        'mod_wsgi, WSGIChunkedRequest': f'{MOD_WSGI}/'
        'configuration-directives/WSGIChunkedRequest.html'
    },
)
def chunks_mod_wsgi(trial):
    chunks = ('-H', 'Transfer-Encoding: chunked', '--data', 'hello')
    yield trial.look(trial.good('apache-mod-wsgi'), '/body', *chunks)
    line = 'WSGIPassAuthorization On\n'
    changes = {SITE: {line: f'{line}WSGIChunkedRequest On\n'}}
    with trial.faulty('apache-mod-wsgi', changes) as server:
        yield trial.look(server, '/body', *chunks)
