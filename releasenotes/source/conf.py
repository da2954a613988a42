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

"""Sphinx settings of the release notes. Most are the guide's: guide.site."""

import pathlib
import subprocess
import sys

from docutils import nodes
from sphinx import errors

_CHECKOUT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(_CHECKOUT / 'doc/source/_ext'))

from guide.site import *  # noqa: E402, F403

extensions = ['openstackdocstheme', 'reno.sphinxext', 'sphinx_copybutton']
html_title = 'Release notes of the telemetry API'
html_context = {'in_release_notes': True}

# reno reads the notes, and which release each belongs to, from the history.
_git = subprocess.run(
    ['git', '-C', _CHECKOUT, 'rev-parse', '--is-shallow-repository'],
    capture_output=True,
    text=True,
)
if _git.returncode:
    raise errors.ConfigError(
        'the release notes come from the history of git, and git says: '
        f'{_git.stderr.strip()}'
    )
if _git.stdout.strip() == 'true':
    raise errors.ConfigError(
        'the release notes come from the history of git, and this clone has '
        'only a part of it: run "git fetch --unshallow"'
    )


def _name_what_has_no_tag(app, doctree):
    """reno calls it 0.0.0 as long as the history has no tag at all."""
    for title in doctree.findall(nodes.title):
        if title.astext() == '0.0.0':
            title.children = [nodes.Text('In development')]


def setup(app):
    app.connect('doctree-read', _name_what_has_no_tag)
