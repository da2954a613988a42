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

"""What the application says, or the framework that it is made with."""

from troubleshooting import collect

PROBLEMS, problem = collect()

ANSWERED = {
    'look_at': 'The same request is answered:',
    'confirmation': 'HTTP/1.1 200 OK',
}


@problem(
    title='The application reads the arguments of its host',
    seen_in='the log of gunicorn, which starts one worker after another',
    symptom='gunicorn: error: unrecognized arguments: ...',
    cause='On import the application parses ``sys.argv``, which holds the '
    'arguments of gunicorn.',
    action='Let the application parse an empty list: ``parse_args([])``, or '
    '``conf([])`` with oslo.config, and take its settings from files and the '
    'environment.',
    **ANSWERED,
    sources={
        'gunicorn, issue 1867': 'https://github.com/benoitc/gunicorn/issues/'
        '1867'
    },
)
def arguments_of_the_host(trial):
    for arguments, until in (('', 'error: '), ('[]', None)):
        folder = trial.folder()
        (folder / 'parses.py').write_text(
            'import argparse\n'
            'from troubleshooting.program import application\n'
            f'argparse.ArgumentParser().parse_args({arguments})\n'
        )
        with trial.faulty(
            'gunicorn',
            application='parses:application',
            python_path=[folder],
            until=until,
        ) as server:
            yield trial.look(server) if until is None else trial.log(server)


@problem(
    title='After one failed start every request fails',
    seen_in='the error log of Apache, with 500 for the client',
    symptom='oslo_config.cfg.ArgsAlreadyParsedError: arguments already '
    'parsed: cannot register CLI option',
    cause='The import of the application failed at first, without its '
    'database for instance. mod_wsgi runs the script again with the next '
    'request, in the same interpreter. What the first try left in global '
    'objects, such as ``cfg.CONF``, makes all others fail, even when the '
    'database is back.',
    action='Give each try an object of its own, ``cfg.ConfigOpts()``; and do '
    'not ask the database on import. Until then, reload Apache.',
    **ANSWERED,
    sources={
        'nova, wsgi_app.py': 'https://github.com/openstack/nova/blob/master/'
        'nova/api/openstack/wsgi_app.py'
    },
)
def half_configured(trial):
    for conf in ('cfg.CONF', 'cfg.ConfigOpts()'):
        folder = trial.folder()
        database = folder / 'database'
        (folder / 'configured.py').write_text(
            'import pathlib\n'
            'from oslo_config import cfg\n'
            'from troubleshooting.program import application\n'
            f'conf = {conf}\n'
            "conf.register_cli_opts([cfg.StrOpt('colour')])\n"
            'conf([], default_config_files=[], default_config_dirs=[])\n'
            f'if not pathlib.Path({str(database)!r}).exists():\n'
            "    raise RuntimeError('the database does not answer')\n"
        )
        with trial.faulty(
            'apache-mod-wsgi',
            {'apache_mod_wsgi/telemetry-api.conf': {'processes=2': ONE}},
            until='RuntimeError: the database does not answer',
            application='configured:application',
            python_path=[folder],
        ) as server:
            database.touch()
            yield trial.look(server)


ONE = 'processes=1'


@problem(
    title='eventlet was imported too late',
    seen_in='what a program under eventlet prints',
    symptom='1 RLock(s) were not greened, to fix this error make sure you run '
    'eventlet.monkey_patch() before importing any other modules.',
    cause='A lock was made before ``monkey_patch()``, by a module that was '
    'imported earlier. What waits for it blocks all green threads.',
    action='Patch before every other import; or leave eventlet: :doc:`'
    '/contributor/take-eventlet-out`.',
    look_at='The line is gone. The program of the test has a green lock:',
    confirmation='the lock is a _RLock',
    sources={
        'eventlet, issue 969': 'https://github.com/eventlet/eventlet/issues/'
        '969'
    },
)
def patched_late(trial):
    lock = (
        'import threading\n'
        'def keep():\n'
        '    lock = threading.RLock()\n'
        '    return lambda: lock\n'
        'kept = keep()\n'
    )
    patch = 'import eventlet; eventlet.monkey_patch()\n'
    # The lock of Python itself is called RLock.
    end = "print('the lock is a', type(kept()).__name__)"
    for program in (lock + patch, patch + lock):
        yield trial.python(program + end, 'eventlet')


@problem(
    title='Two green threads read from one socket',
    seen_in='the traceback of a program under eventlet',
    symptom='RuntimeError: Second simultaneous read on fileno ... detected.',
    cause='Two green threads share one connection, to a database or a message '
    'bus. Each could get the answer of the other.',
    action='Give each its own connection, from a pool. Never switch the '
    'guard off with ``hub_prevent_multiple_readers(False)``.',
    look_at='Both have their answers. The program of the test prints:',
    confirmation='both have read',
    sources={
        'eventlet, issue 874': 'https://github.com/eventlet/eventlet/issues/'
        '874'
    },
)
def two_readers(trial):
    program = (
        'import eventlet; eventlet.monkey_patch()\n'
        'import socket\n'
        'pairs = [socket.socketpair(), socket.socketpair()]\n'
        'readers = [eventlet.spawn(pairs[0][0].recv, 1),\n'
        '           eventlet.spawn(pairs[{}][0].recv, 1)]\n'
        'eventlet.sleep(0)\n'
        "for pair in pairs: pair[1].send(b'x')\n"
        'for reader in readers: reader.wait()\n'
        "print('both have read')\n"
    )
    for second in (0, 1):
        yield trial.python(program.format(second), 'eventlet')


@problem(
    title='eventlet says that it is deprecated',
    seen_in='what a service prints when it starts',
    symptom='EventletDeprecationWarning:\n'
    'Eventlet is deprecated. It is currently being maintained in bugfix mode, '
    'and\n'
    'we strongly recommend against using it for new projects.',
    cause='The service, or a library that it imports, imports eventlet.',
    action='Find out which import it is: :doc:`'
    '/contributor/audit-your-service`. Then :doc:`'
    '/contributor/take-eventlet-out`.',
    look_at='The service starts without the lines. The program of the test '
    'imports the telemetry API, and prints:',
    confirmation='eventlet is not there',
    sources={
        'eventlet, README': 'https://github.com/eventlet/eventlet/blob/master/'
        'README.rst'
    },
    holds_for='eventlet 0.40.4 and later.',
)
def eventlet_deprecated(trial):
    yield trial.python('import eventlet', 'eventlet')
    yield trial.python(
        'import sys, telemetry.api.deploy\n'
        "print('eventlet is', 'there' if 'eventlet' in sys.modules else "
        "'not there')"
    )


@problem(
    title='Werkzeug takes either threads or processes',
    seen_in='the traceback of a development server',
    symptom='ValueError: Cannot have a multi-thread and multi-process server.',
    cause='``run_simple()`` got both ``threaded=True`` and ``processes=``. '
    'With processes alone it forks one for each request, and no pool of '
    'database connections lives longer than that.',
    action='Keep ``threaded=True``. For processes with threads in them take '
    'a WSGI host: :doc:`/install/choose-a-host`.',
    **ANSWERED,
    sources={
        'Werkzeug, serving': 'https://werkzeug.palletsprojects.com/en/stable/'
        'serving/'
    },
)
def threads_and_processes(trial):
    yield trial.python(
        'from werkzeug.serving import run_simple\n'
        "run_simple('127.0.0.1', 0, None, threaded=True, processes=4)\n"
    )
    yield trial.look(trial.good('werkzeug'))
