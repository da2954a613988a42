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

"""Fixtures: small sites that use the guide's own extensions."""

import dataclasses
import io
import pathlib

import pytest
from sphinx import application
from sphinx.util import docutils


@dataclasses.dataclass
class Built:
    """What a build gave."""

    #: The exit status that sphinx-build would have, without -W.
    status: int
    #: Everything it complained of.
    complaints: str
    #: Where the pages are, as plain text unless asked otherwise.
    folder: pathlib.Path

    def text(self, page='index'):
        """The text of a plain page."""
        return (self.folder / f'{page}.txt').read_text()


@pytest.fixture
def site(tmp_path):
    """A function that builds pages, given as name=text, in tmp_path/site.

    A second call builds again with the first one's build folder.
    """
    source = tmp_path / 'site'
    source.mkdir()

    def build(extension, settings=None, builder='text', processes=1, **pages):
        (source / 'conf.py').write_text(f"extensions = ['{extension}']\n")
        for name, text in pages.items():
            (source / f'{name}.rst').write_text(text)
        complaints = io.StringIO()
        with docutils.patch_docutils(), docutils.docutils_namespace():
            app = application.Sphinx(
                source,
                source,
                tmp_path / 'built',
                tmp_path / 'doctrees',
                builder,
                confoverrides={'root_doc': 'index', **(settings or {})},
                status=None,
                warning=complaints,
                parallel=processes,
            )
            app.build()
        return Built(
            app.statuscode,
            complaints.getvalue(),
            tmp_path / 'built',
        )

    return build
