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

"""``python -m comparison``: measure, and write one data file."""

import argparse
import pathlib
import sys

import hosts
from databases import ServerError

from comparison import ComparisonError, data, plan, report, requests, runner

SEED = 2026


def main(argv=None):
    """Run the command and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    options = _parser().parse_args(argv)
    try:
        name, blocks = _plan(options)
        if options.plan:
            for block, step in plan.runs(blocks):
                print(block.id(step))
            return 0
        output = options.output or _output(options)
        runner.Runner(output, lambda line: print(line, flush=True)).run(
            blocks,
            runner.settings(name, options.seed, argv),
            resume=options.resume,
        )
        print(report.as_text(data.read(output)))
    except (ComparisonError, hosts.HostError, ServerError) as error:
        print(f'comparison: error: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('comparison: cut off; go on with --resume', file=sys.stderr)
        return 130
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        'comparison',
        description='Compare the hosts, and write one data file. Without '
        '--full or --app this takes a few minutes.',
    )
    parser.add_argument(
        '--full', action='store_true', help='all questions: an hour'
    )
    parser.add_argument(
        '--app',
        metavar='MODULE:CALLABLE',
        help='another WSGI application, found from the working directory',
    )
    parser.add_argument(
        '--request',
        nargs=2,
        metavar=('METHOD', 'PATH'),
        default=('GET', '/'),
        help='what to ask of it with GET; a right answer has status 200 '
        '(GET /)',
    )
    parser.add_argument(
        '--experiment',
        metavar='NAME',
        help='only this part of the plan, such as slow-query of --full',
    )
    parser.add_argument(
        '--output',
        type=pathlib.Path,
        help='the data file (comparison-quick.jsonl, or -full, or -app)',
    )
    parser.add_argument(
        '--resume',
        action='store_true',
        help='go on with the data file of a comparison that was cut off',
    )
    parser.add_argument(
        '--seed', type=int, default=SEED, help='of the random order'
    )
    parser.add_argument(
        '--plan', action='store_true', help='only list the runs, in order'
    )
    return parser


def _output(options):
    """The data file of a plan: one does not go on with that of another."""
    name = 'app' if options.app else 'full' if options.full else 'quick'
    return pathlib.Path(f'comparison-{name}.jsonl')


def _plan(options):
    """The name of the plan, and its blocks."""
    name, blocks = _whole_plan(options)
    if options.experiment:
        known = dict.fromkeys(block.experiment for block in blocks)
        if options.experiment not in known:
            raise ComparisonError(
                f'The plan has no experiment {options.experiment!r}; there '
                f'are: {", ".join(known)}'
            )
        blocks = [
            block for block in blocks if block.experiment == options.experiment
        ]
    return name, blocks


def _whole_plan(options):
    if options.app:
        method, path = options.request
        if method != 'GET':
            raise ComparisonError(
                f'--request {method} {path}: an application of somebody else '
                'can be asked with GET only'
            )
        request = requests.Request('own', method, path)
        requests.BY_NAME['own'] = request
        name = f'{options.app} {method} {path}'
        return name, plan.any_application(options.app, 'own', options.seed)
    name = 'full' if options.full else 'quick'
    return name, plan.PLANS[name](options.seed)


if __name__ == '__main__':
    sys.exit(main())
