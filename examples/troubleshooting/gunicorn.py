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

"""What gunicorn logs."""

import socket

from troubleshooting import collect
from troubleshooting import trial as servers

PROBLEMS, problem = collect()

FILE = 'gunicorn/gunicorn.conf.py'
SETTINGS = 'https://docs.gunicorn.org/en/stable/settings.html'
ANSWERED = {
    'look_at': 'The same request is answered:',
    'confirmation': 'HTTP/1.1 200 OK',
}


@problem(
    title='gunicorn kills a worker that is busy for too long',
    seen_in='the log of gunicorn, and the client has 500 or no answer',
    symptom='[CRITICAL] WORKER TIMEOUT (pid:...)',
    cause='A worker of the class ``sync`` serves one request at a time, and '
    'is killed when that takes longer than ``timeout``, 30 seconds by '
    'default. A worker of another class stood still as a whole: in code in C, '
    'or on a machine without CPU or memory to spare.',
    action='Take threads: :ref:`worker_class <gunicorn-py-worker-class>` '
    '``gthread``, as the sample does. There ``timeout`` is no limit for a '
    'request: set one :ref:`in the database <limit-queries>`.',
    look_at='The same request is answered. The page of the test says:',
    confirmation='Awake',
    sources={'gunicorn, timeout': f'{SETTINGS}#timeout'},
)
def worker_timeout(trial):
    changes = {
        "worker_class = 'gthread'": "worker_class = 'sync'",
        'threads = 4': 'threads = 1',
        '\ntimeout = 60\n': '\ntimeout = 1\n',
    }
    return trial.with_and_without(
        'gunicorn',
        {FILE: changes},
        lambda server: trial.look(server, '/sleep?seconds=2.5'),
    )


@problem(
    title='gunicorn does not find the application',
    seen_in='what gunicorn prints when it does not start',
    symptom="ModuleNotFoundError: No module named 'telemetry_'\n"
    'Worker failed to boot.',
    cause='The name is wrong, as here, or the module is not in the virtual '
    'environment of this gunicorn: one of the system, perhaps.',
    action='Start the gunicorn of the virtual environment by its path, and '
    'compare the name with what ``python -c "import ..."`` there finds.',
    **ANSWERED,
    sources={'gunicorn, wsgi_app': f'{SETTINGS}#wsgi-app'},
)
def no_module(trial):
    yield trial.refusal(
        trial.faulty('gunicorn', application='telemetry_.wsgi:application')
    )
    yield trial.look(trial.good('gunicorn'))


@problem(
    title='gunicorn cannot have its port',
    seen_in='the log of gunicorn, which tries again and then ends',
    symptom="[ERROR] Connection in use: ('127.0.0.1', ...)",
    cause='Another program listens there: the server that this one is to '
    'replace, perhaps.',
    action='``ss -ltnp`` names the program. Stop it, or take another port.',
    **ANSWERED,
    sources={'gunicorn, bind': f'{SETTINGS}#bind'},
)
def gunicorn_port_taken(trial):
    with (
        socket.create_server(('127.0.0.1', 0)) as other,
        trial.faulty(
            'gunicorn',
            until='Connection in use',
            port=other.getsockname()[1],
        ) as server,
    ):
        yield trial.log(server)
        servers.kill(server)
    yield trial.look(trial.good('gunicorn'))


@problem(
    title='gunicorn has no worker for eventlet',
    seen_in='what gunicorn prints when it does not start',
    symptom="class uri 'eventlet' invalid or not found",
    cause='The worker class ``eventlet`` is gone since gunicorn 26.',
    action='Take :ref:`worker_class <gunicorn-py-worker-class>` ``gthread``, '
    'as the sample does. For an application that still patches itself, stay '
    'with gunicorn 25 until it is off eventlet.',
    **ANSWERED,
    sources={
        'gunicorn, changes of 2026': 'https://github.com/benoitc/gunicorn/'
        'blob/master/docs/content/2026-news.md'
    },
    holds_for='gunicorn 26 and later; 25 warns.',
)
def no_eventlet_worker(trial):
    changes = {"worker_class = 'gthread'": "worker_class = 'eventlet'"}
    yield trial.refusal(trial.faulty('gunicorn', {FILE: changes}))
    yield trial.look(trial.good('gunicorn'))
