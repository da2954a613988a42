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

"""Fails the build on text that nothing runs or tests, and on idle examples.

A block on a page is live if it is

- a ``literalinclude`` of a file under ``examples`` that a test, or the
  program that drives it there, names by its file name or import name; that a
  transcript of the same page types; or that is in one of ``check_folders``,
  of which tests take every file,
- one of a file in ``check_trusted``, which the builds themselves use,
- printed by a command while the site is built (``command-output``,
  ``program-output``, ``session``, ``show-options``), or
- a ``transcript``, which the test suite runs.

A file under ``examples`` is used if a page includes it, or offers it with
the ``download`` role, or lists the Python package that it belongs to with
``package-tree``.
"""

import ast
import pathlib
import re

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from guide import CHECKOUT, fault


def _check_blocks(app, doctree):
    for block in doctree.findall(_is_block):
        if block.get('live'):
            continue
        if block.get('source') is None:
            fault(
                _placed(block),
                'nothing runs or tests this block: include a tested file, '
                'or use session, command-output or transcript',
            )
            continue
        path = pathlib.Path(block['source']).resolve()
        why = _not_live(app.config, doctree, path)
        if why:
            fault(_placed(block), why)


def _placed(node):
    """The node, or the nearest one around it, whose line is known."""
    while node.line is None and node.parent is not None:
        node = node.parent
    return node


def _is_block(node):
    return isinstance(node, nodes.literal_block | nodes.doctest_block)


def _not_live(config, doctree, path):
    root = pathlib.Path(config.check_root)
    if not path.is_relative_to(root):
        return f'{path} is not part of the checkout'
    name = path.relative_to(root)
    if any(name.is_relative_to(trusted) for trusted in config.check_trusted):
        return None
    if not name.is_relative_to('examples'):
        return f'{name} is neither an example nor used by the builds'
    inner = name.relative_to('examples')
    if (
        inner.parts[0] in config.check_folders
        or _named(root, inner)
        or _typed(doctree, name)
    ):
        return None
    return f'no test names {name} or its import name'


def _named(root, inner):
    """Whether a test, or a program in its folder or above, names a file.

    :param inner: the path of the file under examples
    """
    names = {inner.name, '.'.join(inner.with_suffix('').parts)}
    pattern = re.compile(
        r'(?<![\w.])(?:' + '|'.join(map(re.escape, names)) + r')\b'
    )
    programs = {
        root / 'examples' / folder / '__init__.py' for folder in inner.parents
    }
    return any(
        pattern.search(file.read_text('utf-8'))
        for file in (*(root / 'tests').rglob('*.py'), *programs)
        if file.is_file() and file != root / 'examples' / inner
    )


def _typed(doctree, name):
    """Whether a transcript of a page types the path of a file."""
    return any(
        str(name) in command
        for block in doctree.findall(nodes.literal_block)
        if 'transcript' in block
        for _, command, _ in block['transcript'].commands
    )


def _check_examples(app, env):
    root = pathlib.Path(app.config.check_root)
    used = set()
    for names in env.dependencies.values():
        used |= {pathlib.Path(app.srcdir, name).resolve() for name in names}
    listed = {
        root / 'examples' / package
        for packages in getattr(env, 'package_trees', {}).values()
        for package in packages
    }
    for path in _examples(root):
        if path in used or listed.intersection(path.parents):
            continue
        if path.suffix == '.py' and not _says_something(path):
            continue
        fault(None, f'{path.relative_to(root)}: no page uses this file')


def _examples(root):
    """The files under examples, without what tools leave there."""
    return sorted(
        path
        for path in (root / 'examples').rglob('*')
        if path.is_file()
        and path != root / 'examples/README.rst'
        and not any(
            part == '__pycache__' or part.endswith(('.egg-info', '~'))
            for part in path.parts
        )
    )


def _says_something(path):
    """Whether a Python file is more than a docstring."""
    body = ast.parse(path.read_text('utf-8')).body
    return any(
        not isinstance(node, ast.Expr)
        or not isinstance(node.value, ast.Constant)
        for node in body
    )


class PackageTree(SphinxDirective):
    """List the modules of a package under ``examples``, each with the first
    sentence of its docstring."""

    required_arguments = 1

    def run(self):
        root = pathlib.Path(self.config.check_root)
        package = self.arguments[0]
        if not (root / 'examples' / package / '__init__.py').is_file():
            raise self.error(f'examples/{package} is not a Python package')
        self.env.note_reread()
        trees = self.env.package_trees
        trees.setdefault(self.env.docname, set()).add(package)
        items = nodes.definition_list()
        for path in _examples(root):
            inner = path.relative_to(root / 'examples')
            if inner.parts[0] != package or path.suffix != '.py':
                continue
            docstring = ast.get_docstring(ast.parse(path.read_text('utf-8')))
            if not docstring:
                continue
            items += nodes.definition_list_item(
                '',
                nodes.term('', '', nodes.literal(str(inner), str(inner))),
                nodes.definition('', self._summary(docstring)),
            )
        return [items]

    def _summary(self, docstring):
        paragraph = nodes.paragraph()
        text = ' '.join(docstring.split('\n\n')[0].split())
        children, messages = self.parse_inline(text)
        paragraph += children
        return paragraph


def _begin(app, env, docnames):
    if not hasattr(env, 'package_trees'):
        env.package_trees = {}


def _purge(app, env, docname):
    getattr(env, 'package_trees', {}).pop(docname, None)


def _merge(app, env, docnames, other):
    for name in other.package_trees.keys() & set(docnames):
        env.package_trees[name] = other.package_trees[name]


def setup(app):
    app.setup_extension('guide')
    app.add_config_value('check_root', str(CHECKOUT), 'env')
    app.add_config_value('check_trusted', (), 'env', types=(tuple, list))
    app.add_config_value('check_folders', (), 'env', types=(tuple, list))
    app.add_directive('package-tree', PackageTree)
    app.connect('env-before-read-docs', _begin)
    app.connect('env-purge-doc', _purge)
    app.connect('env-merge-info', _merge)
    # Before sphinxcontrib-programoutput turns its own nodes into blocks.
    app.connect('doctree-read', _check_blocks, priority=400)
    app.connect('env-check-consistency', _check_examples)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
