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

"""``comparison``: a table, plot or finding of the measured comparison.

The data are those of a full run, ``examples/comparison/results/full.jsonl``,
or with ``:file:`` another file there; ``examples/comparison/report.py`` makes
the parts from them.
"""

import os
import pathlib
import sys

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from guide import CHECKOUT

sys.path.append(str(CHECKOUT / 'examples'))

from comparison import ComparisonError, data, report  # noqa: E402


class Comparison(SphinxDirective):
    """Show the part that the argument names."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {'file': directives.path}

    def run(self):
        file = pathlib.Path(self.config.comparison_file)
        file = file.with_name(self.options.get('file', file.name))
        self.env.note_dependency(str(file))
        (name,) = self.arguments
        if name not in report.PARTS:
            raise self.error(
                f'no part {name!r}; there are: {", ".join(report.PARTS)}'
            )
        try:
            part = report.make(name, data.read(file))
        except ComparisonError as error:
            raise self.error(str(error)) from error
        if not part.startswith('<'):
            parsed = self.parse_text_to_nodes(part)
            for node in parsed:
                for block in node.findall(nodes.literal_block):
                    # What a host logged, from the data.
                    block['live'] = 'comparison'
            return parsed
        link = (
            f'The data: :download:`{file.name} </{self._from_source(file)}>`'
        )
        return [
            nodes.raw('', part, format='html'),
            *self.parse_text_to_nodes(link),
        ]

    def _from_source(self, file):
        """A path as roles of Sphinx take it, relative to the pages' folder."""
        return os.path.relpath(file, self.env.srcdir)


def setup(app):
    app.setup_extension('guide')
    app.add_config_value('comparison_file', str(report.FULL), 'env')
    app.add_directive('comparison', Comparison)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
