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

"""Each problem of the pages: it is there, and gone after the action."""

import datetime

import pytest
import troubleshooting
from troubleshooting import trial as servers

COMMAND = 'pytest tests/troubleshooting --write-results'
PROBLEMS = troubleshooting.find(
    *troubleshooting.PLACES, troubleshooting.PUBLISHED
)


@pytest.fixture(scope='module')
def trial(tmp_path_factory):
    with servers.Trial(tmp_path_factory.mktemp('trial')) as trial:
        yield trial


@pytest.fixture(scope='module')
def found():
    """The versions of what each problem was tried with."""
    return {}


@pytest.mark.parametrize('name', PROBLEMS)
def test_the_action_ends_the_problem(name, trial, found):
    problem = PROBLEMS[name]
    before, after = troubleshooting.run(problem, trial)
    assert troubleshooting.shows(problem.symptom, before), before
    assert troubleshooting.shows(problem.confirmation, after), after
    assert not troubleshooting.shows(problem.symptom, after), after
    if not problem.sometimes:
        assert not troubleshooting.shows(problem.confirmation, before), before
    found[name] = dict(trial.versions)


def test_the_file_has_what_was_tried(found, request):
    assert found.keys() == PROBLEMS.keys(), 'the other tests come first'
    if request.config.getoption('--write-results', False):
        today = datetime.datetime.now(datetime.UTC).date()
        troubleshooting.write_results(
            {'date': today.isoformat(), 'versions': found}
        )
    written = troubleshooting.read_results()['versions']
    assert {name: list(one) for name, one in found.items()} == {
        name: list(one) for name, one in written.items()
    }, f'the problems are tried with other servers now: {COMMAND}'


def test_a_text_is_found_line_by_line():
    seen = 'a (b): 17 of 20\nmore\n'
    assert troubleshooting.shows('(b): ... of 20', seen)
    assert troubleshooting.shows('(b)\nmore', seen)
    assert not troubleshooting.shows('(b)\nless', seen)
    assert not troubleshooting.shows('b. : ...', seen)


def test_a_sample_without_what_is_to_be_changed(tmp_path):
    with pytest.raises(ValueError, match="uwsgi/telemetry-api.ini .* 'no'"):
        servers.copy_of_samples(
            tmp_path / 'hosts', {'uwsgi/telemetry-api.ini': {'no': 'yes'}}
        )
