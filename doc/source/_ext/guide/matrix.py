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

"""``support-matrix``: what each host can do, as the tests found it.

The data are ``examples/hosts/support-matrix.json``, which the tests of the
hosts write and compare; ``examples/hosts/support_matrix.py`` describes it.
"""

import json
import pathlib

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

from guide import CHECKOUT


class SupportMatrix(SphinxDirective):
    """Show the hosts with their versions, what each can do, and why not.

    The content is a field list: the name of each host in the data, in the
    order to show them in, with the text that stands for it on the page. With
    the option ``differing`` there are only the behaviours that some host does
    not have, with links to the reasons on the page that has all of it.
    """

    has_content = True
    option_spec = {'differing': directives.flag}

    def run(self):
        self.assert_has_content()
        file = pathlib.Path(self.config.matrix_file)
        self.env.note_dependency(str(file))
        try:
            data = json.loads(file.read_text('utf-8'))
        except (OSError, ValueError) as error:
            raise self.error(f'cannot read {file}: {error}') from error
        titles = self._titles()
        if different := data['hosts'].keys() ^ titles.keys():
            raise self.error(
                f'not both here and in {file.name}: '
                + ', '.join(sorted(different))
            )
        hosts = {name: data['hosts'][name] for name in titles}
        for name, host in hosts.items():
            if sorted([*host['can'], *host['cannot']]) != sorted(
                data['behaviours']
            ):
                raise self.error(
                    f'{file.name}: {name} does not have each behaviour once'
                )
        behaviours = data['behaviours']
        if 'differing' in self.options:
            behaviours = {
                name: sentence
                for name, sentence in behaviours.items()
                if any(name in host['cannot'] for host in hosts.values())
            }
            return [self._behaviours(behaviours, hosts, titles)]
        return [
            self._versions(hosts, titles),
            self._behaviours(behaviours, hosts, titles),
            nodes.rubric('', 'What to do instead'),
            self._reasons(behaviours, hosts, titles),
        ]

    def _titles(self):
        """The inline nodes that stand for each host."""
        titles = {
            field[0].astext(): field[1][0].children
            for parsed in self.parse_content_to_nodes()
            for field in parsed.findall(nodes.field)
        }
        if not titles:
            raise self.error('the content is not a list of ":HOST: title"')
        return titles

    def _versions(self, hosts, titles):
        rows = [
            [
                _copies(titles[name]),
                [nodes.Text(host['about'])],
                [
                    nodes.Text(
                        ', '.join(map(' '.join, host['versions'].items()))
                    )
                ],
            ]
            for name, host in hosts.items()
        ]
        head = [[nodes.Text(text)] for text in ('Host', 'About', 'Tested')]
        return _table('Hosts', [25, 45, 30], head, rows)

    def _behaviours(self, behaviours, hosts, titles):
        rows = [
            [
                [nodes.Text(sentence)],
                *([_answer(host, behaviour)] for host in hosts.values()),
            ]
            for behaviour, sentence in behaviours.items()
        ]
        head = [
            [nodes.Text('What it does')],
            *(_copies(titles[name]) for name in hosts),
        ]
        widths = [40, *[60 // len(hosts)] * len(hosts)]
        table = _table('What each host does', widths, head, rows)
        table['classes'].append('guide-matrix')
        return table

    def _reasons(self, behaviours, hosts, titles):
        """Say once for all hosts that have the same reason what it is."""
        found = nodes.definition_list()
        for behaviour, sentence in behaviours.items():
            reasons = {}
            for name, host in hosts.items():
                if behaviour in host['cannot']:
                    reason = host['cannot'][behaviour]
                    reasons.setdefault(reason, []).append(name)
            if not reasons:
                continue
            definition = nodes.definition()
            for reason, names in reasons.items():
                paragraph = nodes.paragraph()
                for name in names:
                    paragraph += _copies(titles[name])
                    paragraph += nodes.Text(
                        ', ' if name != names[-1] else ': '
                    )
                paragraph += nodes.Text(reason)
                definition += paragraph
            term = nodes.term('', sentence, names=[_label(behaviour)])
            self.set_source_info(term)
            self.state.document.note_explicit_target(term)
            found += nodes.definition_list_item('', term, definition)
        return found


def _label(behaviour):
    return nodes.make_id(f'instead {behaviour}')


def _answer(host, behaviour):
    if behaviour in host['can']:
        return nodes.Text('yes')
    return addnodes.pending_xref(
        '',
        nodes.inline('', 'no'),
        refdomain='std',
        reftype='ref',
        reftarget=_label(behaviour),
        refexplicit=True,
        refwarn=True,
    )


def _copies(inline):
    return [node.deepcopy() for node in inline]


def _table(title, widths, head, rows):
    """Make a table of lists of inline nodes; the first column is a heading."""
    group = nodes.tgroup(cols=len(widths))
    for index, width in enumerate(widths):
        column = nodes.colspec(colwidth=width)
        if index == 0:
            column['stub'] = 1
        group += column
    group += nodes.thead('', _row(head))
    group += nodes.tbody('', *map(_row, rows))
    return nodes.table('', nodes.title('', title), group)


def _row(cells):
    return nodes.row(
        '',
        *(nodes.entry('', nodes.paragraph('', '', *cell)) for cell in cells),
    )


def setup(app):
    app.setup_extension('guide')
    app.add_config_value(
        'matrix_file',
        str(CHECKOUT / 'examples/hosts/support-matrix.json'),
        'env',
    )
    app.add_directive('support-matrix', SupportMatrix)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
