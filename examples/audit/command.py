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

"""The command line: ``eventlet-audit``, or ``python -m audit``."""

import argparse
import concurrent.futures
import json
import os
import pathlib
import sys

from audit import report, run, targets, verdicts

_EPILOG = """\
exit status:
  0  no finding (with --baseline: no new one)
  1  findings: something patches on import, or when run
  2  the command line is wrong, or the environment cannot be examined
  3  no finding, but an entry point could not be imported
"""


def _setting(text):
    name, equals, value = text.partition('=')
    if not name or not equals:
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=VALUE')
    return name, value


def _positive(text):
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number above 0')
    return number


def _parser():
    parser = argparse.ArgumentParser(
        prog='eventlet-audit',
        description='Tell whether a package monkey-patches the process with '
        'eventlet:\nwhen it is imported, when it is run, or not at all.',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'target',
        nargs='+',
        help='a distribution (all its entry points), a script, or a WSGI '
        'application as module:callable',
    )
    parser.add_argument(
        '--python',
        default=sys.executable,
        metavar='FILE',
        help='the interpreter of the environment to examine '
        '(default: the one that runs this command)',
    )
    parser.add_argument(
        '--path',
        action='append',
        default=[],
        metavar='FOLDER',
        help='look for modules here, too; may be repeated',
    )
    parser.add_argument(
        '--env',
        action='append',
        default=[],
        type=_setting,
        metavar='NAME=VALUE',
        help='set a variable for the examined import; may be repeated',
    )
    parser.add_argument(
        '--seconds',
        type=_positive,
        default=run.Settings.seconds,
        help='most time for one import (default: %(default)s)',
    )
    parser.add_argument(
        '--memory',
        type=_positive,
        default=run.Settings.memory / 1024**2,
        metavar='MIB',
        help='most address space of one import (default: %(default).0f)',
    )
    parser.add_argument(
        '--format',
        choices=('table', 'json', 'sarif'),
        default='table',
        help='default: %(default)s',
    )
    parser.add_argument(
        '--output', metavar='FILE', help='write there, not to the screen'
    )
    parser.add_argument(
        '--baseline',
        metavar='FILE',
        help='an earlier report in JSON: only what is not in it counts for '
        'the exit status',
    )
    return parser


def main(argv=None):
    """Run the command; return its exit status.

    :param argv: the words after the command's name; default ``sys.argv``.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    parser = _parser()
    options = parser.parse_args(words)
    try:
        return _audit(options, ['eventlet-audit', *words])
    except (
        run.ExaminerError,
        report.BaselineError,
        targets.UnknownTargetError,
        OSError,
    ) as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 2


def _audit(options, command):
    settings = run.Settings(
        # Absolute, but not resolved: a link is what makes a virtual
        # environment.
        python=str(pathlib.Path(options.python).absolute()),
        path=tuple(
            str(pathlib.Path(folder).resolve()) for folder in options.path
        ),
        env=tuple(options.env),
        seconds=options.seconds,
        memory=int(options.memory * 1024**2),
    )
    baseline = None
    if options.baseline:
        baseline = report.read_baseline(options.baseline)
    environment = targets.Environment(settings)
    results = _results(settings, environment, options.target)
    told = report.as_json(results, environment, command, baseline)
    if options.format == 'table':
        text = report.as_table(told)
    elif options.format == 'json':
        text = json.dumps(told, indent=1) + '\n'
    else:
        text = json.dumps(report.as_sarif(results, told), indent=1) + '\n'
    if options.output:
        pathlib.Path(options.output).write_text(text, 'utf-8')
    else:
        sys.stdout.write(text)
    return _status(told['results'])


def _results(settings, environment, words):
    judge = verdicts.Judge(environment.path)
    found = environment.targets(words)
    # The imports run beside each other, in processes of their own.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = pool.map(lambda one: run.examine(settings, one), found)
        return [
            judge.judge(target, seen)
            for target, seen in zip(found, runs, strict=True)
        ]


def _status(results):
    new = [result for result in results if result.get('new', True)]
    if any(result['finding'] for result in new):
        return 1
    if any(
        result['verdict'] == verdicts.Verdict.NOT_IMPORTED for result in new
    ):
        return 3
    return 0
