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

"""The experiment runs, its data are whole, and the rule can say all it may."""

import collections
import json

import jsonschema
import pytest
from experiments.which_commands_gain import (
    RESULTS,
    __main__,
    commands,
    report,
    verdict,
)

SCHEMA = json.loads(RESULTS.with_name('results.schema.json').read_text())


def check(data):
    jsonschema.validate(data, SCHEMA)
    for name, found in data['commands'].items():
        command = commands.COMMANDS[name]
        for run in found['runs']:
            assert run['work'].keys() >= command.measures.keys()


def test_the_published_data_are_whole():
    assert RESULTS.stat().st_size < 1_000_000
    data = json.loads(RESULTS.read_text())
    check(data)
    assert data['commands'].keys() <= commands.COMMANDS.keys()
    for name, found in data['commands'].items():
        command = commands.COMMANDS[name]
        repeats = collections.defaultdict(set)
        for run in found['runs']:
            repeats[run['case'], run['style']].add(run['repeat'])
        assert repeats.keys() == {
            (case, style) for case in command.cases for style in command.styles
        }
        (same,) = {frozenset(each) for each in repeats.values()}
        # As the page says.
        assert len(same) >= 5
        assert len(found['runs']) == len(repeats) * len(same)


def test_only_what_gains_is_in_the_eventlet_room():
    """As the page says; the API's is there to be compared with."""
    data = json.loads(RESULTS.read_text())['commands']
    room = RESULTS.parents[2] / 'telemetry/cmd/eventlet'
    assert {path.stem for path in room.glob('[!_]*.py')} - {'api'} == {
        name
        for name, found in data.items()
        if report.verdict_on(name, found['runs']) == verdict.GAINS
    }


def test_nothing_of_the_machine_is_told_but_its_size():
    text = RESULTS.read_text()
    for part in ('/home', '/tmp', '/work', '/root', 'hostname'):  # noqa: S108
        assert part not in text


@pytest.mark.parametrize('name', ['polling', 'collector', 'api'])
def test_a_quick_run(name, tmp_path, capsys):
    file = tmp_path / 'results.json'
    arguments = ['--quick', '--only', name, '--output', str(file)]
    assert __main__.main(arguments) == 0
    data = json.loads(file.read_text())
    assert list(data['commands']) == [name]
    check(data)
    command = commands.COMMANDS[name]
    runs = data['commands'][name]['runs']
    assert {run['style'] for run in runs} == set(command.styles)
    assert {run['case'] for run in runs} == {command.cases[-1]}
    assert f'telemetry-{name}: ' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('values', 'more_is_better', 'meaning'),
    [
        ([20, 21, 22], True, verdict.BETTER),
        ([20, 21, 22], False, verdict.WORSE),
        ([5, 6, 5], True, verdict.WORSE),
        ([5, 6, 5], False, verdict.BETTER),
        ([10.5, 10.4, 10.6], True, verdict.SAME),  # less than a tenth
        ([5, 10, 30], True, verdict.SAME),  # it may be chance
    ],
)
def test_the_rule_for_a_figure(values, more_is_better, meaning):
    found = verdict.ratio(values, [10, 10.1, 9.9], more_is_better)
    assert found.meaning == meaning
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize(
    ('meanings', 'expected'),
    [
        ([verdict.SAME], verdict.SAME),
        ([verdict.SAME, verdict.BETTER], verdict.GAINS),
        ([verdict.SAME, verdict.WORSE], verdict.LOSES),
        ([verdict.BETTER, verdict.WORSE], verdict.DEPENDS),
    ],
)
def test_the_rule_for_a_command(meanings, expected):
    ratios = [verdict.Ratio(1, 1, 1, meaning) for meaning in meanings]
    assert verdict.command(ratios) == expected
