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

"""The command: what it takes, what it prints, and how it ends."""

import json
import pathlib
import re
import subprocess
import sys

import audit
import jsonschema
import pytest
from audit import command, survey

from tests.audit.packages import places

EXAMPLES = pathlib.Path(audit.__file__).parents[1]
SCHEMA = json.loads((EXAMPLES / 'audit/report.schema.json').read_text('utf-8'))
RESULTS = sorted((EXAMPLES / 'audit/results').glob('*.json'))


@pytest.fixture
def service(packages):
    """One entry point of each verdict."""
    packages.module(
        'svc.cmd.early',
        """\
        import os
        import eventlet
        if not os.environ.get('SVC_NO_PATCH'):
            eventlet.monkey_patch()

        def main(): pass
        """,
    )
    packages.module(
        'svc.cmd.late',
        """\
        def main():
            import eventlet
            eventlet.monkey_patch()
        """,
    )
    packages.module('svc.cmd.pool', 'import eventlet\ndef main(): pass\n')
    packages.module('svc.cmd.plain', 'def main(): pass\n')
    packages.module('svc.wsgi.api', 'application = open("/etc/svc.conf")\n')
    packages.distribution(
        'svc',
        {
            'console_scripts': {
                'svc-early': 'svc.cmd.early:main',
                'svc-late': 'svc.cmd.late:main',
                'svc-pool': 'svc.cmd.pool:main',
            },
            'gui_scripts': {'svc-plain': 'svc.cmd.plain:main'},
            'other.group': {'svc-other': 'svc.cmd.early:main'},
        },
    )
    return packages


VERDICTS = {
    'svc-early': 'patches on import',
    'svc-late': 'patches when run',
    'svc-pool': 'imports eventlet without patching',
    'svc-plain': 'never touches it',
    'svc.wsgi.api:application': 'could not be imported',
}


def test_a_distribution_is_all_its_entry_points(service):
    report = service.report('svc')
    found = {result['name']: result for result in report['results']}
    assert {n: r['verdict'] for n, r in found.items()} == VERDICTS
    assert {n: r['kind'] for n, r in found.items()} == {
        'svc-early': 'console',
        'svc-late': 'console',
        'svc-pool': 'console',
        'svc-plain': 'gui',
        'svc.wsgi.api:application': 'wsgi',
    }
    assert report['distributions']['svc'] == '1.0'
    assert re.fullmatch(r'0\.\d+\.\d+', report['distributions']['eventlet'])


def test_words_that_name_the_same_target_examine_it_once(service):
    results = service.report('svc-late', 'SVC', 'svc-late')['results']
    assert sorted(result['name'] for result in results) == sorted(VERDICTS)


def test_old_wsgi_scripts_and_plain_scripts(packages, tmp_path):
    packages.module('svc.app', 'import eventlet\ndef make(): pass\n')
    packages.distribution(
        'svc', {'wsgi_scripts': {'svc-wsgi': 'svc.app:make'}}
    )
    # A virtual environment of its own, for its folder of scripts.
    subprocess.run(
        [sys.executable, '-m', 'venv', '--without-pip', tmp_path / 'venv'],
        check=True,
    )
    packages.python = tmp_path / 'venv/bin/python'
    script = tmp_path / 'venv/bin/svc-server'
    script.write_text(
        '#!/usr/bin/python3\n'
        'from svc import app\n'
        'if __name__ == "__main__":\n'
        '    app.eventlet.monkey_patch()\n'
    )
    record = packages.folder / 'svc-1.0.dist-info/RECORD'
    inside = '../venv/bin/svc-server'
    record.write_text(f'{record.read_text()}{inside},,\n')
    found = {
        result['name']: result for result in packages.report('svc')['results']
    }
    assert found['svc-wsgi']['kind'] == 'wsgi'
    assert found['svc-wsgi']['verdict'].startswith('imports')
    assert found['svc-server']['kind'] == 'script'
    assert found['svc-server']['verdict'] == 'patches when run'
    assert places(found['svc-server']['chain']) == ['bin/svc-server:4']


def test_a_json_report_is_as_its_schema_says(service):
    report = service.report('svc-late', 'svc.wsgi.api:application')
    assert report.pop('status') == 1
    jsonschema.validate(report, SCHEMA)


def test_the_schema_is_strict_enough_to_find_a_mistake(service):
    report = service.report('svc-plain')
    del report['status']
    report['results'][0]['verdict'] = 'fine'
    with pytest.raises(jsonschema.ValidationError, match='fine'):
        jsonschema.validate(report, SCHEMA)


def test_the_table(service):
    status, out, errors = service.audit('svc')
    assert status == 1
    assert not errors
    table, *details = out.split('\n\n')
    assert table.splitlines()[0].split() == [
        'entry', 'point', 'verdict', 'where',
    ]  # fmt: skip
    rows = dict(re.split(' {2,}', row)[:2] for row in table.splitlines())
    assert rows['svc-early'] == 'patches on import'
    assert rows['svc-late'] == 'patches when run (read)'
    assert rows['svc-plain'] == 'never touches it'
    early = details[0].splitlines()
    assert early == [
        'svc-early: patches on import',
        '    svc/cmd/early.py:4  eventlet.monkey_patch()',
        early[2],
        '    depends on: SVC_NO_PATCH',
    ]
    assert early[2].startswith('    patched: os, select, socket')
    assert details[-1].startswith('Python 3.')
    assert 'svc 1.0' in details[-1]


def test_what_the_sandbox_refused_stands_beside_a_failure(packages):
    packages.module('app', 'import os\nos.mkdir("/var/lib/app")\n')
    _, out, _ = packages.audit('app:application')
    assert 'import failed: OSError: [Errno 30] Read-only file system' in out
    assert '    not allowed here: mkdir /var/lib/app\n' in out


def test_alike_chains_are_told_once(packages):
    packages.module(
        'svc.cmd', 'import eventlet\neventlet.monkey_patch()\na = b = print\n'
    )
    packages.distribution(
        'svc', {'console_scripts': {'a': 'svc.cmd:a', 'b': 'svc.cmd:b'}}
    )
    _, out, _ = packages.audit('svc')
    assert out.count('svc/cmd.py:2  eventlet.monkey_patch()') == 1
    assert 'a, b: patches on import' in out


@pytest.mark.parametrize(
    ('words', 'status'),
    [
        (['svc-plain'], 0),
        (['svc-pool'], 0),
        (['svc-early'], 1),
        (['svc-late'], 1),
        (['svc.wsgi.api:application'], 3),
        (['svc-plain', 'svc.wsgi.api:application'], 3),
        (['svc-late', 'svc.wsgi.api:application'], 1),
    ],
)
def test_the_exit_status(service, words, status):
    assert service.audit(*words)[0] == status


def test_only_what_is_not_in_the_baseline_counts(service, tmp_path):
    baseline = tmp_path / 'baseline.json'
    names = ('svc-early', 'svc-late')
    with_baseline = ('--baseline', str(baseline))
    status, _, _ = service.audit(
        *('--format', 'json', '--output', str(baseline), *names)
    )
    assert status == 1
    jsonschema.validate(json.loads(baseline.read_text()), SCHEMA)

    report = service.report(*with_baseline, *names)
    assert report.pop('status') == 0
    assert [result['new'] for result in report['results']] == [False] * 2
    jsonschema.validate(report, SCHEMA)
    assert '(known)' in service.audit(*with_baseline, 'svc-early')[1]

    # The line is another one, the finding is not.
    early = service.folder / 'svc/cmd/early.py'
    early.write_text('# A comment.\n' + early.read_text())
    assert service.audit(*with_baseline, *names)[0] == 0

    late = service.folder / 'svc/cmd/late.py'
    late.write_text('import eventlet\neventlet.monkey_patch()\nmain = 1\n')
    report = service.report(*with_baseline, *names)
    assert report['status'] == 1
    assert [r['name'] for r in report['results'] if r['new']] == ['svc-late']


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (None, 'cannot read {file}: No such file or directory'),
        ('nothing', '{file} is no JSON report of eventlet-audit'),
        ('{}', '{file} is no JSON report of eventlet-audit'),
        ('[]', '{file} is no JSON report of eventlet-audit'),
        ('{"version": 9}', '{file} is a report of version 9, not 1'),
    ],
)
def test_a_bad_baseline(service, tmp_path, text, message):
    file = tmp_path / 'baseline.json'
    if text is not None:
        file.write_text(text)
    status, out, errors = service.audit('--baseline', str(file), 'svc')
    assert (status, out) == (2, '')
    assert errors == f'eventlet-audit: {message.format(file=file)}\n'


def test_sarif(service, monkeypatch):
    monkeypatch.chdir(service.folder)
    status, out, _ = service.audit('--format', 'sarif', 'svc')
    assert status == 1
    sarif = json.loads(out)
    check_sarif(sarif)
    (run,) = sarif['runs']
    assert [(r['ruleId'], r['level']) for r in run['results']] == [
        ('patches-on-import', 'error'),
        ('patches-when-run', 'warning'),
        ('could-not-be-imported', 'note'),
    ]
    first = run['results'][0]
    assert first['message']['text'] == (
        'svc-early patches on import (depends on SVC_NO_PATCH)'
    )
    (location,) = first['locations']
    assert location['physicalLocation'] == {
        'artifactLocation': {
            'uri': 'svc/cmd/early.py',
            'uriBaseId': '%SRCROOT%',
        },
        'region': {'startLine': 4},
    }


def test_sarif_outside_of_the_current_folder_and_with_a_baseline(
    service, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path.joinpath('packages', 'svc', 'wsgi'))
    baseline = tmp_path / 'baseline.json'
    service.audit('--format', 'json', '--output', str(baseline), 'svc-early')
    words = ('--format', 'sarif', '--baseline', str(baseline), 'svc')
    sarif = json.loads(service.audit(*words)[1])
    check_sarif(sarif)
    results = sarif['runs'][0]['results']
    assert [result['baselineState'] for result in results] == [
        'unchanged', 'new', 'new',
    ]  # fmt: skip
    uri = results[0]['locations'][0]['physicalLocation']['artifactLocation']
    assert uri == {'uri': (service.folder / 'svc/cmd/early.py').as_uri()}


def check_sarif(sarif):
    """The shape that SARIF 2.1.0 (OASIS Standard, section 3) requires of
    what is used here."""
    schema = pathlib.Path(__file__).with_name('sarif.schema.json')
    jsonschema.validate(sarif, json.loads(schema.read_text('utf-8')))
    for run in sarif['runs']:
        rules = run['tool']['driver']['rules']
        for result in run['results']:
            assert rules[result['ruleIndex']]['id'] == result['ruleId']


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (
            ['svk'],
            "'svk' is neither an installed distribution nor a script of one",
        ),
        (['svc.app:'], "'svc.app:' is not of the form module:callable"),
        (['svc-1:x'], "'svc-1:x' is not of the form module:callable"),
        (
            ['dnspython'],
            'has no scripts and no WSGI modules; name a WSGI application as',
        ),
        (
            ['--python', '/nonexistent/python', 'svc'],
            'there is no file /nonexistent/python',
        ),
        (['--python', '/bin/cat', 'svc'], '/bin/cat does not run the'),
        (['--env', 'A', 'svc'], "'A' is not NAME=VALUE"),
        (['--seconds', '0', 'svc'], "'0' is not a number above 0"),
        (['--memory', 'much', 'svc'], "'much' is not a number above 0"),
        ([], 'the following arguments are required: target'),
        (['--output', '/dev/null/x', 'svc-plain'], '/dev/null/x'),
    ],
)
def test_bad_input_is_named(service, words, message):
    status, out, errors = service.audit(*words)
    assert (status, out) == (2, '')
    assert message in errors
    assert 'Traceback' not in errors


@pytest.mark.parametrize('permitted', [True, False])
def test_it_works_with_and_without_a_network_namespace(
    service, monkeypatch, permitted
):
    if not permitted:
        monkeypatch.setenv('PATH', '/nonexistent')
        command.run.without_network.cache_clear()
    try:
        assert service.result('svc-plain')['verdict'] == 'never touches it'
    finally:
        command.run.without_network.cache_clear()


def test_the_tool_itself_never_imports_eventlet(service):
    """Nor does it import what it examines."""
    words = ['--python', str(service.python), '--path', str(service.folder)]
    ended = subprocess.run(
        [
            sys.executable,
            '-c',
            f"""
import sys
from audit import command
status = command.main({[*words, 'svc']!r})
print(status, sorted({{'eventlet', 'svc'}} & set(sys.modules)))
""",
        ],
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.splitlines()[-1] == '1 []'


def test_python_m_audit(service):
    ended = subprocess.run(
        [sys.executable, '-m', 'audit', '--help'],
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.startswith('usage: eventlet-audit ')


def test_a_real_command_of_this_guide():
    ended = subprocess.run(
        [sys.executable, '-m', 'audit', 'telemetry-polling'],
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, '')
    assert 'telemetry-polling  never touches it' in ended.stdout


@pytest.mark.parametrize('file', RESULTS, ids=lambda file: file.stem)
def test_a_report_of_the_survey_is_as_the_schema_says(file):
    report = json.loads(file.read_text('utf-8'))
    jsonschema.validate(report, SCHEMA)
    assert not any(
        step['file'].startswith('/')
        for result in report['results']
        for step in result['chain']
    )


def test_the_table_of_the_survey_is_made_from_its_reports():
    assert len(RESULTS) > 5
    table = EXAMPLES / 'audit/results/services.csv'
    assert table.read_text('utf-8') == survey.table(RESULTS)


def test_the_survey_prints_a_saved_report(capsys, service, tmp_path):
    saved = tmp_path / 'saved.json'
    service.audit('--format', 'json', '--output', str(saved), 'svc')
    survey.main([str(saved)])
    assert capsys.readouterr().out == service.audit('svc')[1]


class TestCIJob:
    """examples/audit/ci-job.sh"""

    @pytest.fixture
    def job(self, service, tmp_path, eventlet_folder):
        """The job, beside a command that finds the test's packages."""
        (tmp_path / 'bin').mkdir()
        (tmp_path / 'bin/eventlet-audit').write_text(
            f'#!/bin/sh\nexec {sys.executable} -m audit '
            f'--path {service.folder} --path {eventlet_folder} "$@"\n'
        )
        (tmp_path / 'bin/eventlet-audit').chmod(0o755)

        def run(name):
            return subprocess.run(
                ['sh', EXAMPLES / 'audit/ci-job.sh'],
                cwd=tmp_path,
                env={
                    'PATH': f'{tmp_path}/bin:/usr/bin:/bin',
                    'PYTHONPATH': str(EXAMPLES),
                    'PYTHON': str(service.python),
                    **({'SERVICE': name} if name else {}),
                },
                capture_output=True,
                text=True,
                check=False,
            )

        return run

    def test_it_fails_on_what_the_baseline_does_not_know(
        self, job, service, tmp_path
    ):
        ended = job('svc-late')
        assert ended.returncode == 1
        assert 'svc/cmd/late.py:3' in ended.stdout
        sarif = json.loads((tmp_path / 'eventlet-audit.sarif').read_text())
        check_sarif(sarif)
        assert len(sarif['runs'][0]['results']) == 1
        baseline = tmp_path / 'eventlet-baseline.json'
        service.audit(
            *('--format', 'json', '--output', str(baseline), 'svc-late')
        )
        ended = job('svc-late')
        assert (ended.returncode, ended.stdout) == (0, '')

    def test_it_says_what_it_needs(self, job):
        ended = job('')
        assert ended.returncode == 2
        assert 'name the distribution to examine' in ended.stderr
