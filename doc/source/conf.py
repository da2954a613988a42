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

"""Sphinx settings of the guide. Those it shares are in guide.site."""

import pathlib
import shutil
import sys

from sphinx import errors

sys.path.insert(0, str(pathlib.Path(__file__).parent / '_ext'))

from guide.site import *  # noqa: E402, F403

extensions = [
    'openstackdocstheme',
    'sphinx_copybutton',
    'guide.capacity',
    'guide.check',
    'guide.commands',
    'guide.comparison',
    'guide.directives',
    'guide.gains',
    'guide.imports',
    'guide.matrix',
    'guide.options',
    'guide.session',
    'guide.transcript',
    'guide.troubles',
]

# A link or a cross-reference that leads nowhere fails the build.
nitpicky = True

# What the pages run while they are read, beside the packages of the build. In
# a pipe a missing one would leave a gap on its page.
_missing = [
    name
    for name in ('curl', 'dot', 'git', 'openssl', 'systemd-analyze')
    if not shutil.which(name)
]
if _missing:
    raise errors.ConfigError(
        f'The pages run programs that are not here: {", ".join(_missing)}. '
        'On Debian and Ubuntu: apt-get install --no-install-recommends '
        'ca-certificates curl git graphviz openssl systemd'
    )

# Files that the builds or the tests themselves use: showing them is showing
# something that works.
check_trusted = [
    '.ci',
    'bindep.txt',
    'constraints.txt',
    'doc/source',
    'pyproject.toml',
    'releasenotes',
    'tests',
    'tools',
    'tox.ini',
]
# Folders under examples of which tests take every file, without its name.
check_folders = ['backup', 'patterns', 'requests', 'upgrade']
