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

"""Run the experiment; see --help."""

import argparse
import dataclasses
import datetime
import importlib.metadata
import json
import pathlib
import platform
import random
import sys
import tempfile

import psutil
from databases import ServerError
from hosts import HostError

from experiments.which_commands_gain import (
    RESULTS,
    commands,
    processes,
    report,
    surroundings,
)

SEED = 4952
PACKAGES = (
    'eventlet',
    'greenlet',
    'httpx',
    'psycopg',
    'PyMySQL',
    'requests',
    'SQLAlchemy',
    'Werkzeug',
)


def main(argv=None):
    """Run the experiment and return the exit status."""
    options = _parser().parse_args(argv)
    settings = commands.QUICK if options.quick else commands.Settings()
    try:
        data = _read(options.output)
        with tempfile.TemporaryDirectory() as folder:
            measure(
                options.only or list(commands.COMMANDS),
                settings,
                1 if options.quick else options.repeats,
                data,
                options.output,
                pathlib.Path(folder),
            )
    except (processes.ExperimentError, HostError, ServerError) as error:
        print(f'which_commands_gain: error: {error}', file=sys.stderr)
        return 1
    print(report.as_text(data))
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        'which_commands_gain',
        description='Run every command with threads and under eventlet, in '
        'turns, and tell which of them gain.',
    )
    parser.add_argument(
        '--quick',
        action='store_true',
        help='a little of one case of each command, once, to see that it '
        'works',
    )
    parser.add_argument(
        '--only',
        nargs='+',
        choices=list(commands.COMMANDS),
        metavar='COMMAND',
        help='only these: ' + ', '.join(commands.COMMANDS),
    )
    parser.add_argument(
        '--repeats', type=int, default=6, help='of each run (6)'
    )
    parser.add_argument(
        '--output',
        type=pathlib.Path,
        default=RESULTS,
        help='the data file; the runs of the commands that are measured '
        'replace those in it (results.json beside this program)',
    )
    return parser


def measure(names, settings, repeats, data, file, folder):
    """Measure commands, each in one interleaved run, and write the data."""
    with (
        processes.Servers(folder) as servers,
        surroundings.Surroundings(servers.ports(), settings.delay) as around,
    ):
        places = servers.databases(around.ports)
        for name in names:
            found = {
                'date': f'{datetime.datetime.now(datetime.UTC):%Y-%m-%d}',
                'machine': _machine(),
                'versions': _versions() | servers.versions(),
                'settings': dataclasses.asdict(settings),
                'seed': SEED,
                'runs': list(_runs(name, settings, repeats, places, around)),
            }
            data['commands'][name] = found
            file.write_text(json.dumps(data, indent=1) + '\n')


def _runs(name, settings, repeats, places, around):
    command = commands.COMMANDS[name]
    order = [
        (repeat, case, style)
        for repeat in range(repeats)
        for case in _cases(command, settings)
        for style in command.styles
    ]
    random.Random(SEED).shuffle(order)
    for number, (repeat, case, style) in enumerate(order, 1):
        print(f'{name} {number}/{len(order)}: {case}: {style}', flush=True)
        with tempfile.TemporaryDirectory() as folder:
            trial = commands.Trial(
                name,
                case,
                style,
                settings,
                places.get(case, places[processes.SQLITE]),
                around,
                pathlib.Path(folder),
            )
            found = command.run(trial)
        yield {
            'case': case,
            'style': style,
            'repeat': repeat,
            **_rounded(found),
        }


def _cases(command, settings):
    return command.cases[-1:] if settings == commands.QUICK else command.cases


def _rounded(found):
    """Keep six figures of each number."""
    return {
        name: _rounded(value)
        if isinstance(value, dict)
        else float(f'{value:.6g}')
        for name, value in found.items()
    }


def _machine():
    return {
        'cores': psutil.cpu_count(),
        'memory': psutil.virtual_memory().total,
        'system': f'{platform.system()} {platform.machine()}',
    }


def _versions():
    return {'Python': platform.python_version()} | {
        name: importlib.metadata.version(name) for name in PACKAGES
    }


def _read(file):
    if not file.exists():
        return {'commands': {}}
    return json.loads(file.read_text())


if __name__ == '__main__':
    sys.exit(main())
