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

"""``capacity``: disk and expiry of samples, as they were measured.

The data are ``results.json`` of ``examples/experiments/capacity``;
``report.py`` there makes the parts from them.
"""

import json
import pathlib
import sys

from sphinx.util.docutils import SphinxDirective

from guide import CHECKOUT

sys.path.append(str(CHECKOUT / 'examples'))

from experiments.capacity import RESULTS, report  # noqa: E402


class Capacity(SphinxDirective):
    """Show the part that the argument names."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        file = pathlib.Path(self.config.capacity_file)
        self.env.note_dependency(str(file))
        (name,) = self.arguments
        if name not in report.PARTS:
            raise self.error(
                f'no part {name!r}; there are: {", ".join(report.PARTS)}'
            )
        try:
            data = json.loads(file.read_text('utf-8'))
        except (OSError, ValueError) as error:
            raise self.error(f'cannot read {file}: {error}') from error
        return self.parse_text_to_nodes(report.PARTS[name](data))


def setup(app):
    app.setup_extension('guide')
    app.add_config_value('capacity_file', str(RESULTS), 'env')
    app.add_directive('capacity', Capacity)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
