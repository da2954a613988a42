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

"""Problems of APIs on WSGI hosts, each with the code that provokes it.

A module holds the problems whose text shows up in one place. A problem is
a generator function with facts about it: it makes the fault on a real
server and yields what is seen then, applies the action, and yields what is
seen after that. The pages print the facts, and the tests run the function.
"""

import dataclasses
import importlib
import json
import pathlib
import re
from collections.abc import Callable

#: What the runs found: see :func:`read_results`.
RESULTS = pathlib.Path(__file__).with_name('results.json')

#: The modules, in the order of the pages: where a text shows up.
PLACES = (
    'client',
    'nginx',
    'apache',
    'uwsgi',
    'gunicorn',
    'application',
    'database',
)

#: The module of what published samples do, which has the same form.
PUBLISHED = 'published'


@dataclasses.dataclass(frozen=True)
class Problem:
    """What a page tells about a problem, and the function that shows it.

    ``...`` in a text stands for what differs from case to case.
    """

    #: The name in labels and results.
    name: str
    #: What goes wrong, as a heading.
    title: str
    #: Where the symptom is seen, to follow "in".
    seen_in: str
    #: The text that is seen, exactly; each line of it is found.
    symptom: str
    #: Why it happens.
    cause: str
    #: What to do about it.
    action: str
    #: What to look at after the action, to end with a colon.
    look_at: str
    #: The text that is seen there, and not before.
    confirmation: str
    #: Where this is told by others: title to address.
    sources: dict[str, str]
    #: The generator function: see :func:`run`.
    steps: Callable
    #: Which versions it holds for, where this is known to differ.
    holds_for: str = ''
    #: Whether some requests are answered well in spite of it, so that the
    #: confirmation may be seen before, too.
    sometimes: bool = False
    #: A published pattern, as it is run, and its language.
    pattern: str = ''
    language: str = 'ini'


def collect():
    """Give a dictionary for the problems of a module, and its decorator."""
    problems = {}

    def problem(**facts):
        def add(steps):
            name = steps.__name__.replace('_', '-')
            problems[name] = Problem(name=name, steps=steps, **facts)
            return steps

        return add

    return problems, problem


def find(*places):
    """Find the problems of these modules, by default of all ``PLACES``.

    :returns: a dict of name to :class:`Problem`, in the order of the pages
    """
    found = {}
    for place in places or PLACES:
        module = importlib.import_module(f'troubleshooting.{place}')
        found |= module.PROBLEMS
    return found


def shows(text, seen):
    """Tell whether each line of a text is in what is seen."""
    return all(
        re.search(re.escape(line).replace(r'\.\.\.', '.*'), seen)
        for line in text.splitlines()
    )


def run(problem, trial):
    """Provoke a problem, apply its action, and give what is seen.

    :param trial: a :class:`troubleshooting.trial.Trial`
    :returns: what is seen before and after the action
    """
    trial.versions.clear()
    steps = problem.steps(trial)
    seen = []
    try:
        for text in (problem.symptom, problem.confirmation):
            trial.awaited = text
            seen.append(next(steps))
    finally:
        steps.close()
    return seen


def read_results(file=RESULTS):
    """Read what the runs found.

    :returns: ``{'date': DATE, 'versions': {PROBLEM: {SERVER: VERSION}}}``
    """
    return json.loads(file.read_text())


def write_results(results):
    """Write what :func:`read_results` reads."""
    RESULTS.write_text(json.dumps(results, indent=2) + '\n')
