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

"""Tells the results: to people, to programs, and to what CI systems show."""

import datetime
import json
import linecache
import pathlib

from audit.verdicts import Verdict

#: Of the JSON report; report.schema.json describes it.
VERSION = 1

#: The SARIF rule and level of each verdict that is told there.
_RULES = {
    Verdict.ON_IMPORT: (
        'patches-on-import',
        'error',
        'Importing the entry point monkey-patches the process.',
    ),
    Verdict.WHEN_RUN: (
        'patches-when-run',
        'warning',
        'Running the entry point monkey-patches the process.',
    ),
    Verdict.NOT_IMPORTED: (
        'could-not-be-imported',
        'note',
        'The entry point could not be imported, and so not be examined.',
    ),
}


class BaselineError(Exception):
    """The baseline is not a JSON report of this command."""


def key(result):
    """What makes a finding the same one in the next report: no versions, no
    lines. ``result`` is an entry of the JSON report."""
    return result['distribution'], result['name'], result['verdict']


def read_baseline(file):
    """The keys of an earlier JSON report.

    :raises BaselineError: it can not be read, or is something else.
    """
    try:
        report = json.loads(pathlib.Path(file).read_text('utf-8'))
        if report['version'] != VERSION:
            raise BaselineError(
                f'{file} is a report of version {report["version"]}, '
                f'not {VERSION}'
            )
        return {key(result) for result in report['results']}
    except OSError as error:
        raise BaselineError(f'cannot read {file}: {error.strerror}') from None
    except (KeyError, TypeError, ValueError):
        raise BaselineError(
            f'{file} is no JSON report of eventlet-audit'
        ) from None


def as_json(results, environment, command, baseline=None):
    """The report as what JSON holds; see report.schema.json.

    :param results: [``verdicts.Result``].
    :param environment: ``targets.Environment``.
    :param command: the words of the command line.
    :param baseline: keys of an earlier report, or None.
    """
    distributions = {
        name: version
        for result in results
        for name, version in [
            (result.target.distribution, result.target.version),
            *(environment.owner(frame.file) for frame in result.chain),
        ]
        if name
    }
    eventlet = environment.version('eventlet')
    if eventlet:
        distributions['eventlet'] = eventlet
    told = []
    for result in results:
        one = _result(result, environment)
        if baseline is not None:
            one['new'] = key(one) not in baseline
        told.append(one)
    return {
        'version': VERSION,
        'date': datetime.datetime.now(datetime.UTC).strftime(
            '%Y-%m-%dT%H:%M:%SZ'
        ),
        'command': list(command),
        'python': environment.python,
        'distributions': dict(sorted(distributions.items())),
        'results': told,
    }


def _result(result, environment):
    target = result.target
    return {
        'name': target.name,
        'kind': target.kind,
        'distribution': target.distribution,
        'verdict': result.verdict.value,
        'finding': result.verdict.is_finding,
        'evidence': result.evidence,
        'chain': [_step(frame, environment) for frame in result.chain],
        'patched': list(result.patched),
        'optional': result.optional,
        'switches': list(result.switches),
        'passed_by': [
            {
                'chain': [_step(frame, environment) for frame in chain],
                'switches': list(switches),
            }
            for chain, switches in result.passed_by
        ],
        'error': result.error,
        'uses': [
            {'name': name, 'place': _step(frame, environment)}
            for name, frame in result.uses
        ],
        'denied': [
            {
                'action': action,
                'place': _step(frame, environment) if frame else None,
            }
            for action, frame in result.denied
        ],
        'cut': result.cut,
    }


def _step(frame, environment):
    return {
        'module': frame.module,
        'function': frame.function,
        'file': _short(frame.file, environment),
        'line': frame.line,
        'text': linecache.getline(frame.file, frame.line).strip(),
    }


def _short(file, environment):
    """A path as the environment's users know it: without the folder of
    ``sys.path`` that it is in, or as ``bin/script``."""
    path = pathlib.Path(file)
    inside = [
        path.relative_to(folder)
        for folder in (*environment.path, environment.scripts.parent)
        if folder and path.is_relative_to(folder)
    ]
    if inside:
        return min(inside, key=lambda one: len(one.parts)).as_posix()
    return path.as_posix()


def as_table(report):
    """The JSON report as text for people."""
    rows = [('entry point', 'verdict', 'where')]
    for result in report['results']:
        last = result['chain'][-1] if result['chain'] else None
        rows.append(
            (
                result['name'],
                result['verdict'] + _remark(result),
                f'{last["file"]}:{last["line"]}' if last else '',
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [
        f'{row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}'.rstrip()
        for row in rows
    ]
    names = {}
    for result in report['results']:
        names.setdefault(tuple(_details(result)), []).append(result['name'])
    for details, alike in names.items():
        if len(details) > 1:
            lines += ['', f'{", ".join(alike)}: {details[0]}', *details[1:]]
    versions = ', '.join(
        f'{name} {version}'
        for name, version in report['distributions'].items()
    )
    lines += ['', f'Python {report["python"]}: {versions or "no versions"}']
    return '\n'.join(lines) + '\n'


def _remark(result):
    words = []
    if result['evidence'] == 'read':
        words.append('read')
    if result['optional']:
        words.append('optional')
    if result.get('new') is False:
        words.append('known')
    return f' ({", ".join(words)})' if words else ''


def _details(result):
    lines = [result['verdict'], *_chain(result['chain'])]
    if result['error']:
        lines.append(f'    import failed: {result["error"]}')
        lines += [
            f'    not allowed here: {denied["action"]}'
            for denied in result['denied']
        ]
    if result['patched']:
        lines.append(f'    patched: {", ".join(result["patched"])}')
    for use in result['uses']:
        place = use['place']
        lines.append(
            f'    calls {use["name"]}: {place["file"]}:{place["line"]}'
        )
    if result['switches']:
        lines.append(f'    depends on: {", ".join(result["switches"])}')
    for passed in result['passed_by']:
        place = passed['chain'][-1]
        why = ', '.join(passed['switches']) or 'a condition'
        lines.append(
            f'    not this time: {place["file"]}:{place["line"]} '
            f'(depends on {why})'
        )
    if result['cut']:
        lines.append('    not all of the source was read: it is too large')
    return lines


def _chain(chain):
    places = [f'{step["file"]}:{step["line"]}' for step in chain]
    width = max(map(len, places), default=0)
    return [
        f'    {place:{width}}  {step["text"]}'.rstrip()
        for place, step in zip(places, chain, strict=True)
    ]


def as_sarif(results, report):
    """The findings, and what could not be examined, as SARIF 2.1.0.

    Files below the current folder are named relative to it, as code hosts
    want it, others absolutely.

    :param results: [``verdicts.Result``].
    :param report: the JSON report of the same results.
    """
    rules = list(_RULES)
    return {
        '$schema': 'https://json.schemastore.org/sarif-2.1.0.json',
        'version': '2.1.0',
        'runs': [
            {
                'tool': {
                    'driver': {
                        'name': 'eventlet-audit',
                        'rules': [
                            {
                                'id': rule,
                                'shortDescription': {'text': text},
                                'defaultConfiguration': {'level': level},
                            }
                            for rule, level, text in _RULES.values()
                        ],
                    }
                },
                'invocations': [
                    {
                        'executionSuccessful': True,
                        'endTimeUtc': report['date'],
                        'arguments': report['command'],
                    }
                ],
                'results': [
                    _sarif_result(result, told, rules)
                    for result, told in zip(
                        results, report['results'], strict=True
                    )
                    if result.verdict in _RULES
                ],
            }
        ],
    }


def _sarif_result(result, told, rules):
    rule, level, _ = _RULES[result.verdict]
    text = f'{result.target.name} {result.verdict.value}'
    if result.verdict is Verdict.NOT_IMPORTED:
        text += f': {result.error}'
    if result.switches:
        text += f' (depends on {", ".join(result.switches)})'
    steps = [
        {'location': _location(frame, step['text'])}
        for frame, step in zip(result.chain, told['chain'], strict=True)
    ]
    found = {
        'ruleId': rule,
        'ruleIndex': rules.index(result.verdict),
        'level': level,
        'message': {'text': text},
        'locations': [step['location'] for step in steps[-1:]],
        'partialFingerprints': {'entryPoint/v1': '/'.join(key(told))},
    }
    if steps:
        found['codeFlows'] = [{'threadFlows': [{'locations': steps}]}]
    if 'new' in told:
        found['baselineState'] = 'new' if told['new'] else 'unchanged'
    return found


def _location(frame, text):
    path = pathlib.Path(frame.file)
    here = pathlib.Path.cwd()
    if path.is_relative_to(here):
        artifact = {
            'uri': path.relative_to(here).as_posix(),
            'uriBaseId': '%SRCROOT%',
        }
    else:
        artifact = {'uri': path.as_uri()}
    return {
        'message': {'text': text or frame.function},
        'physicalLocation': {
            'artifactLocation': artifact,
            'region': {'startLine': max(frame.line, 1)},
        },
        'logicalLocations': [
            {'fullyQualifiedName': f'{frame.module}.{frame.function}'}
        ],
    }
