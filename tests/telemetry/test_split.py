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

"""Eventlet stays in its room: each way into the package, in a fresh Python.

Most of it is the verdict of this project's own audit, on two environments.
Both are virtual environments with links to what is installed here; one of
them lacks eventlet and greenlet. So there, they are really not installed: no
hook hides them, and what runs there runs with the very versions that the
other tests use. That is why it is not a tox environment of its own.
"""

import functools
import importlib.metadata
import json
import linecache
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import time

import pytest
import requests
import telemetry
from audit import run, targets, verdicts

DISTRIBUTION = 'telemetry-api-guide'
EXAMPLES = pathlib.Path(telemetry.__file__).parents[1]
ROOM = 'telemetry.cmd.eventlet'
PARTS = ('os', 'select', 'socket', 'subprocess', 'thread', 'time')

PACKAGES = sysconfig.get_path('purelib')


def installed(name):
    """The distribution; a build may have left an old copy in the checkout."""
    (found,) = importlib.metadata.distributions(name=name, path=[PACKAGES])
    return found


SCRIPTS = {
    point.name: targets.Target(
        point.name, 'console', module=point.module, attribute=point.attr
    )
    for point in installed(DISTRIBUTION).entry_points
    if point.group == 'console_scripts'
}
#: All modules of the package, found and not imported.
MODULES = sorted(
    '.'.join(path.relative_to(EXAMPLES).with_suffix('').parts)
    for path in EXAMPLES.joinpath('telemetry').rglob('*.py')
    if path.name != '__init__.py'
)
WSGI = {
    f'{name}:application': targets.Target(
        f'{name}:application', 'wsgi', module=name, attribute='application'
    )
    for name in MODULES
    if name.endswith('.wsgi')
}
ALL = {**SCRIPTS, **WSGI}


def in_room(module):
    return f'{module}.'.startswith(f'{ROOM}.')


FREE = [name for name, way in ALL.items() if not in_room(way.module)]
EVENTLET = [name for name, way in ALL.items() if in_room(way.module)]


class Environment:
    """A virtual environment with links to what is installed here.

    The code of this project is left out: tests name the folder it comes from,
    which may be that of a changed copy.

    :param without: distributions that are not installed there.
    """

    def __init__(self, folder, without=()):
        subprocess.run(
            [sys.executable, '-m', 'venv', '--without-pip', folder],
            check=True,
        )
        self.python = folder / 'bin' / 'python'
        packages = folder / sysconfig.get_path('purelib', vars={'base': '.'})
        left_out = {
            file.parts[0]
            for name in (DISTRIBUTION, *without)
            for file in installed(name).files
            # The entry points of this project are there.
            if name != DISTRIBUTION or '.dist-info' not in file.parts[0]
        }
        for path in pathlib.Path(PACKAGES).iterdir():
            if path.name not in left_out:
                (packages / path.name).symlink_to(path)

    def settings(self, *folders):
        """How the audit looks at the project in a folder."""
        return run.Settings(
            python=str(self.python),
            path=tuple(map(str, folders)),
            env=(('OS_TELEMETRY_CONFIG_DIR', '/nowhere'),),
        )

    @functools.cached_property
    def judge(self):
        """The audit's judge of this checkout; it reads each file once."""
        around = targets.Environment(self.settings(EXAMPLES))
        return verdicts.Judge(around.path)

    def run(self, *words, **options):
        """Run its Python on the project."""
        return subprocess.run(
            [self.python, *map(str, words)],
            env={**clean_environ(), 'PYTHONPATH': str(EXAMPLES)},
            capture_output=True,
            text=True,
            timeout=120,
            **options,
        )


def clean_environ():
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(('OS_', 'PYTHON'))
    }


def script(name):
    return pathlib.Path(sys.executable).with_name(name)


@pytest.fixture(scope='session')
def full(tmp_path_factory):
    """All that is installed here."""
    return Environment(tmp_path_factory.mktemp('split') / 'full')


@pytest.fixture(scope='session')
def bare(tmp_path_factory):
    """All but eventlet, and greenlet, which SQLAlchemy takes if it can."""
    return Environment(
        tmp_path_factory.mktemp('split') / 'bare', ('eventlet', 'greenlet')
    )


def see(environment, target, *folders):
    """Import one way into the project in a fresh Python.

    :returns: an :class:`audit.run.Run`.
    """
    seen = run.examine(environment.settings(*folders or [EXAMPLES]), target)
    assert not seen.error, seen.error
    return seen


def check_free(target, seen):
    """Fail with the chain of imports, if the import met eventlet."""
    met = seen.patch or seen.eventlet if 'eventlet' in seen.modules else ()
    assert not met, explain(target, met)
    assert not seen.parts
    assert not any(in_room(module) for module in seen.modules)
    # SQLAlchemy takes it for asyncio, which nothing here uses.
    assert 'greenlet' not in seen.modules or 'sqlalchemy' in seen.modules


def explain(target, chain):
    """The chain from an entry point to eventlet, a step in a line."""
    return '\n'.join(
        [
            f'{target.name} must not touch eventlet, and does:',
            *(
                f'{step.file}:{step.line}: '
                f'{linecache.getline(step.file, step.line).strip()}'
                for step in chain
            ),
        ]
    )


def test_every_command_has_a_console_script():
    """Otherwise the tests below would not know of it."""
    commands = {
        name
        for name in MODULES
        if name.startswith('telemetry.cmd.')
        and '\ndef main(' in source(name).read_text()
    }
    assert commands == {
        way.module
        for way in SCRIPTS.values()
        if way.module.startswith('telemetry.')
    }
    assert EVENTLET
    assert WSGI


def source(module, folder=EXAMPLES):
    return folder.joinpath(*module.split('.')).with_suffix('.py')


@pytest.mark.parametrize('name', FREE)
def test_eventlet_free_beside_eventlet(full, name):
    """Not when it is imported, and in its source not when it runs."""
    seen = see(full, ALL[name])
    check_free(ALL[name], seen)
    result = full.judge.judge(ALL[name], seen)
    assert result.verdict is verdicts.Verdict.NEVER, explain(
        ALL[name], result.chain
    )


@pytest.mark.parametrize('name', FREE)
def test_eventlet_free_without_eventlet(bare, name):
    seen = see(bare, ALL[name])
    check_free(ALL[name], seen)
    assert 'greenlet' not in seen.modules


@pytest.mark.parametrize('name', EVENTLET)
def test_the_room_patches_first(full, name):
    seen = see(full, ALL[name])
    assert [step.module for step in seen.patch] == [ROOM]
    assert seen.parts == PARTS
    assert {'eventlet', 'greenlet'} <= seen.modules.keys()


@pytest.mark.parametrize('name', sorted(SCRIPTS))
def test_help_where_eventlet_is_not_installed(bare, name):
    done = bare.run(script(name), '--help')
    if name in FREE:
        assert (done.returncode, done.stderr) == (0, '')
        assert f'usage: {name} ' in done.stdout
    else:
        assert done.returncode == 1
        assert done.stderr == (
            f'{name}: error: cannot import eventlet: No module named '
            "'eventlet'; in the clone, install it with: "
            "pip install '.[eventlet]'\n"
        )


def test_the_api_serves_where_eventlet_is_not_installed(bare, tmp_path):
    environ = {
        **clean_environ(),
        'PYTHONPATH': str(EXAMPLES),
        'OS_TELEMETRY_CONFIG_DIR': str(tmp_path),
        'OS_DATABASE__CONNECTION': f'sqlite:///{tmp_path}/telemetry.sqlite',
    }
    subprocess.run(
        [bare.python, script('telemetry-dbsync')], env=environ, check=True
    )
    log = tmp_path / 'log'
    with (
        log.open('w') as out,
        subprocess.Popen(
            [bare.python, script('telemetry-api'), '--port', '0'],
            env=environ,
            stdout=out,
            stderr=out,
        ) as server,
    ):
        try:
            deadline = time.monotonic() + 60
            while ' server on ' not in log.read_text():
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            url = log.read_text().partition(' server on ')[2].split()[0]
            answer = requests.get(f'{url}/v2/meters', timeout=60)
            assert answer.json() == []
        finally:
            server.terminate()
    assert server.returncode == 0


def test_what_comes_before_the_patches_imports_nothing(full):
    nothing, before = (
        see(full, targets.Target(name, '', module=name)).modules.keys()
        for name in ('sys', 'telemetry.cmd')
    )
    assert before - nothing == {'telemetry', 'telemetry.cmd'}


ESCAPED = """
import _thread, importlib, json, os, select, socket, subprocess, sys
import threading, time
modules = (_thread, os, select, socket, subprocess, threading, time)
originals = {
    (module.__name__, name): value
    for module in modules
    for name, value in vars(module).items()
    if callable(value)
}
importlib.import_module(sys.argv[1])
replaced = {
    id(value): f'{module}.{name}'
    for (module, name), value in originals.items()
    if getattr(sys.modules[module], name, None) is not value
}
# dnspython belongs to eventlet, and keeps what its own patches replaced.
own = {*sys.stdlib_module_names, 'dns', 'eventlet', 'greenlet', '__main__'}
print(json.dumps([sorted(set(replaced.values())), sorted(
    f'{name}.{key} is {replaced[id(value)]}'
    for name, module in list(sys.modules.items())
    if name.partition('.')[0] not in own
    and not name.startswith('__')  # copies that eventlet keeps
    for key, value in list(vars(module).items())
    if id(value) in replaced
)]))
"""


@pytest.mark.parametrize('name', EVENTLET)
def test_nothing_escapes_the_patches(full, name):
    done = full.run('-c', ESCAPED, ALL[name].module)
    assert done.stderr == ''  # eventlet names locks that it could not replace
    replaced, escaped = json.loads(done.stdout)
    assert {'time.sleep', 'socket.socket', 'select.select'} <= {*replaced}
    assert escaped == []


ORDER = """
import importlib, sys
free, room = sys.argv[1].split(','), sys.argv[2].split(',')
for name in free if sys.argv[3] == 'free' else room:
    importlib.import_module(name)
if sys.argv[3] == 'free':
    assert not {'eventlet', sys.argv[4]} & sys.modules.keys()
    for name in room:
        importlib.import_module(name)
else:
    for name in free:
        importlib.import_module(name)
from eventlet import patcher
print(*sorted(name for name, on in patcher.already_patched.items() if on))
"""


@pytest.mark.parametrize('first', ['free', 'room'])
def test_only_the_room_patches_whichever_comes_first(full, first):
    free = sorted({SCRIPTS[name].module for name in FREE if name in SCRIPTS})
    room = sorted({ALL[name].module for name in EVENTLET})
    done = full.run('-c', ORDER, ','.join(free), ','.join(room), first, ROOM)
    assert set(PARTS) <= {*done.stdout.split()}, done.stderr


def test_no_module_outside_the_room_touches_eventlet(full, tmp_path):
    """Also the modules that no command imports by itself."""
    outside = [
        name
        for name in MODULES
        # alembic runs this one, and only with a connection at hand.
        if not in_room(name) and name != 'telemetry.storage.migrations.env'
    ]
    (tmp_path / 'every_module.py').write_text(
        ''.join(f'import {name}\n' for name in outside)
    )
    target = targets.Target('every module', '', module='every_module')
    seen = see(full, target, EXAMPLES, tmp_path)
    check_free(target, seen)
    assert {*outside} <= seen.modules.keys()


@pytest.fixture
def copy(tmp_path):
    """A copy of the package, to plant a fault in."""
    shutil.copytree(EXAMPLES / 'telemetry', tmp_path / 'copy' / 'telemetry')
    return tmp_path / 'copy'


def plant(path, line):
    """Put a line after the docstring of a module."""
    docstring, end, rest = path.read_text().partition('"""\n\n')
    path.write_text(f'{docstring}{end}{line}\n{rest}')


@pytest.mark.parametrize(
    'line',
    [
        'import eventlet',
        'from eventlet import queue',
        "__import__('eventlet')",
        'import telemetry.cmd.eventlet',
    ],
)
def test_a_planted_import_is_named_with_its_chain(full, copy, line):
    plant(source('telemetry.storage.writes', copy), line)
    assert_named(
        full,
        SCRIPTS['telemetry-dbsync'],
        copy,
        'telemetry/cmd/dbsync.py',
        'telemetry/storage/__init__.py',
        'telemetry/storage/writes.py',
        line,
    )


def test_an_import_planted_in_a_dependency_is_named(full, copy):
    stub = copy / 'stub_dependency'
    stub.mkdir()
    (stub / '__init__.py').write_text('from stub_dependency import inner\n')
    (stub / 'inner.py').write_text('import eventlet\n')
    plant(source('telemetry.api.values', copy), 'import stub_dependency')
    assert_named(
        full,
        WSGI['telemetry.wsgi:application'],
        copy,
        'telemetry/wsgi.py',
        'telemetry/api/values.py',
        'stub_dependency/__init__.py',
        'stub_dependency/inner.py',
        'import eventlet',
    )


def assert_named(environment, target, folder, *chain):
    """The check fails, and its message names the chain in this order."""
    with pytest.raises(AssertionError) as failure:
        check_free(target, see(environment, target, folder))
    message = str(failure.value)
    places = [message.index(step) for step in chain]
    assert places == sorted(places)
