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

"""``show-options`` of oslo.config, whose blocks count as generated."""

from docutils import nodes
from oslo_config import sphinxext


class ShowOptions(sphinxext.ShowOptionsDirective):
    """As in oslo.config; help texts may hold literal blocks."""

    def run(self):
        found = super().run()
        for node in found:
            for block in node.findall(nodes.literal_block):
                block['live'] = 'options'
        return found


def setup(app):
    app.setup_extension('oslo_config.sphinxext')
    app.add_directive('show-options', ShowOptions, override=True)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
