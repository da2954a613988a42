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

"""``import-graph``: what the parts of a package import of each other.

The arrows are the import statements of the modules, read as the audit reads
them, wherever in the code they are; ``dot`` of Graphviz draws them while the
site is built.
"""

import collections
import html
import pathlib
import re
import subprocess
import textwrap

from audit import reading
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from guide import CHECKOUT

#: What a part is filled with, and its border, if it imports the package that
#: the graph is about, and if not.
_MARKED = ('#fdf0d5', '#b35806')
_PLAIN = ('#f6f8fa', '#829ab1')


class ImportGraph(SphinxDirective):
    """Draw the parts of a package under ``examples``, and the one package
    from elsewhere that matters.

    ``.. import-graph:: telemetry eventlet``. A part is a package in it, with
    what is below, or a module of its own; a package that imports the other
    one by itself is a part, too. Each names its modules that have a
    ``main()``.
    """

    required_arguments = 2

    def run(self):
        package, other = self.arguments
        top = pathlib.Path(self.config.import_graph_folder)
        files = sorted((top / package).rglob('*.py'))
        if not files:
            raise self.error(f'{top / package} holds no modules')
        self.env.note_reread()
        modules = [_read(top, file) for file in files]
        parts = Parts(modules, package, other)
        try:
            drawn = subprocess.run(
                ['dot', '-Tsvg'],
                input=parts.dot(),
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            ).stdout
        except FileNotFoundError:
            raise self.error('there is no dot: install graphviz') from None
        graph = nodes.container('', classes=['guide-graph'])
        graph += nodes.raw('', _picture(drawn, parts.text()), format='html')
        return [graph]


def _read(top, file):
    inner = file.relative_to(top).with_suffix('')
    is_package = inner.name == '__init__'
    name = '.'.join(inner.parent.parts if is_package else inner.parts)
    return reading.Module(name, file, is_package)


class Parts:
    """The parts of a package, and what they import of each other.

    :param modules: ``reading.Module`` of each module of the package.
    :param other: a package from elsewhere, which is a part, too.
    """

    def __init__(self, modules, package, other):
        self.package = package
        self.other = other
        imports = {
            module.name: {
                name
                for scope in module.scopes.values()
                for name, _ in scope.imports
            }
            for module in modules
        }
        self._special = {
            module.package
            for module in modules
            if other in imports[module.name]
        }
        #: {part: the modules in it that are commands}
        self.members = collections.defaultdict(list)
        for module in modules:
            commands = self.members[self._part(module.name)]
            if 'main' in module.scopes:
                commands.append(module.name.rpartition('.')[2])
        self.members.pop(package, None)
        #: {(part that imports, part that is imported)}
        self.arrows = {
            (self._part(name), self._part(imported))
            for name, found in imports.items()
            for imported in found
            if self._part(name) in self.members
            and (self._part(imported) in {*self.members, other})
            and self._part(name) != self._part(imported)
        }

    def _part(self, name):
        if name.partition('.')[0] == self.other:
            return self.other
        for special in self._special:
            if f'{name}.'.startswith(f'{special}.'):
                return special
        return '.'.join(name.split('.')[:2])

    def dot(self):
        """The graph in the language of Graphviz."""
        lines = [
            'digraph {',
            'bgcolor=transparent; margin=0; ranksep=0.35; nodesep=0.15;',
            'node [fontname="sans-serif" fontsize=12 shape=box height=0.3];',
            'node [style="rounded,filled" margin="0.09,0.05"];',
            'edge [color="#52606d" arrowsize=0.7];',
        ]
        for part in [*self.members, self.other]:
            marked = part == self.other or (part, self.other) in self.arrows
            fill, border = _MARKED if marked else _PLAIN
            commands = ', '.join(self.members.get(part, ()))
            label = '\\n'.join([part, *textwrap.wrap(commands, 26)])
            lines.append(
                f'"{part}" [label="{label}" fillcolor="{fill}" '
                f'color="{border}"];'
            )
        lines += (f'"{one}" -> "{two}";' for one, two in sorted(self.arrows))
        return '\n'.join([*lines, '}'])

    def text(self):
        """The graph in words, for who does not see it."""
        targets = collections.defaultdict(list)
        for one, two in sorted(self.arrows):
            targets[one].append(two)
        return ' '.join(
            f'{part} imports {", ".join(targets[part])}.'
            if targets[part]
            else f'{part} imports none of them.'
            for part in self.members
        )


def _picture(drawn, text):
    """What dot drew, as a part of the page that also says it in words."""
    picture = drawn[drawn.index('<svg') :]
    # The titles of nodes would pop up, and repeat their labels.
    picture = re.sub(r'<title>.*?</title>\n?', '', picture)
    return picture.replace(
        '<svg', f'<svg role="img" aria-label="{html.escape(text)}"', 1
    )


def setup(app):
    app.setup_extension('guide')
    app.add_config_value(
        'import_graph_folder', str(CHECKOUT / 'examples'), 'env'
    )
    app.add_directive('import-graph', ImportGraph)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
