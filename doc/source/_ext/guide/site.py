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

"""The settings that the guide and its release notes share.

For ``from guide.site import *`` in a conf.py: each name is a setting of
Sphinx, the theme, or sphinx-copybutton.
"""

import logging

from guide import CHECKOUT

_SOURCE = CHECKOUT / 'doc/source'

project = 'Telemetry API hosting guide'
author = 'the authors of the telemetry API hosting guide'
copyright = author  # noqa: A001
language = 'en'

html_theme = 'openstackdocs'
html_title = project
html_theme_options = {
    'analytics_tracking_code': '',
    'display_badge': False,
    'show_other_versions': False,
    'sidebar_search': True,
}
openstackdocs_auto_name = False
openstackdocs_auto_version = False
openstackdocs_bug_project = ''

templates_path = [str(_SOURCE / '_templates')]
html_static_path = [str(_SOURCE / '_static')]
html_favicon = str(_SOURCE / '_static/icon.svg')
html_css_files = ['guide.css']
html_js_files = [('guide.js', {'defer': 'defer'})]
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_domain_indices = False
pygments_style = 'guide.colours.GuideStyle'
smartquotes = False

# A console session is copied without prompts and output, anything else as it
# is. The prompt is not a pattern: one that allows "#" takes comments for it.
copybutton_prompt_text = '$ '
copybutton_line_continuation_character = '\\'
copybutton_here_doc_delimiter = 'EOF'
copybutton_copy_empty_lines = False

# The theme warns where git gives no commit, and our pages do not show it.
logging.getLogger('sphinx.openstackdocstheme.ext').addFilter(
    lambda record: 'gitsha' not in record.getMessage()
)
