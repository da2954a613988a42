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

"""``troubles``: problems with what is seen, cause and action.

The problems are those of ``examples/troubleshooting``, whose functions the
tests run; the versions are those that they were run with.
"""

import pathlib
import re
import sys

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

from guide import CHECKOUT

sys.path.append(str(CHECKOUT / 'examples'))

import troubleshooting  # noqa: E402

# What parts a text into what people search for.
_MARKS = re.compile(r'\.\.\.|[,:;"\]\n]|--+|\*+')


class Troubles(SphinxDirective):
    """Show the problems of a module of ``troubleshooting``.

    Each is a section with a label, ``trouble-NAME``, which the search finds
    by its text, or by half of a part of it. With the option ``texts`` there
    is a list of their texts instead, with links; the argument may name
    several modules.
    """

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {'texts': directives.flag}

    def run(self):
        folder = troubleshooting.RESULTS.parent
        results_file = pathlib.Path(self.config.troubles_file)
        for file in (results_file, *folder.glob('*.py')):
            self.env.note_dependency(str(file))
        places = self.arguments[0].split()
        for place in places:
            if not (folder / f'{place}.py').is_file():
                raise self.error(f'there is no module {place!r}')
        problems = troubleshooting.find(*places)
        results = troubleshooting.read_results(results_file)
        if missing := problems.keys() - results['versions'].keys():
            raise self.error(
                f'{results_file.name} lacks ' + ', '.join(sorted(missing))
            )
        if 'texts' in self.options:
            text = ''.join(map(_item, problems.values()))
        else:
            text = ''.join(
                _section(problem, results['versions'][name], results['date'])
                for name, problem in problems.items()
            )
        found = self.parse_text_to_nodes(text, allow_section_headings=True)
        sections = [node for node in found if isinstance(node, nodes.section)]
        for section, problem in zip(sections, problems.values(), strict=False):
            # At its end may be the label of the next one.
            section.insert(1, _index(problem))
        for top in found:
            for block in top.findall(nodes.literal_block):
                # The tests run what it says.
                block['live'] = True
                block['classes'].append('guide-trouble')
        return found


def _item(problem):
    texts = ' … '.join(
        f'``{line.strip()}``' for line in problem.symptom.splitlines()
    )
    return f'* {texts}: :ref:`trouble-{problem.name}`\n'


def _section(problem, versions, date):
    tested = ', '.join(map(' '.join, versions.items()))
    parts = [
        f'.. _trouble-{problem.name}:',
        f'{problem.title}\n{"-" * len(problem.title)}',
    ]
    if problem.pattern:
        parts += ['The pattern:', _block(problem.pattern, problem.language)]
    parts += [
        f'**You see**, in {problem.seen_in}:',
        _block(problem.symptom, 'text'),
        f'**Cause:** {problem.cause}',
        f'**Action:** {problem.action}',
        f'**Confirm:** {problem.look_at}',
        _block(problem.confirmation, 'text'),
        f'**Tried with:** {tested}, on {date}.',
    ]
    if problem.holds_for:
        parts.append(f'**Holds for:** {problem.holds_for}')
    if problem.sources:
        links = ', '.join(
            f'`{title} <{address}>`__'
            for title, address in problem.sources.items()
        )
        parts.append(f'**More:** {links}')
    return '\n\n'.join(parts) + '\n\n'


def _index(problem):
    """Entries for the search: the whole lines, and their parts."""
    lines = problem.symptom.splitlines()
    texts = {text.strip() for text in [*lines, *_MARKS.split(problem.symptom)]}
    return addnodes.index(
        entries=[
            ('single', text, f'trouble-{problem.name}', 'main', None)
            for text in sorted(texts)
            # A word alone says too little.
            if len(text.split()) > 1
        ]
    )


def _block(text, language):
    lines = ''.join(f'   {line}\n' for line in text.splitlines())
    return f'.. code-block:: {language}\n\n{lines}'


def setup(app):
    app.setup_extension('guide')
    app.add_config_value('troubles_file', str(troubleshooting.RESULTS), 'env')
    app.add_directive('troubles', Troubles)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
