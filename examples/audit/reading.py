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

"""Reads source text, and finds what would happen only at run time.

:class:`Reader` keeps what it has read, for one environment. Its ``walk``
starts from an entry point and follows imports, calls and references to
functions and classes through the text of all modules that it can find. It is
bounded, and it does not know types: a class that is referred to counts with
all its methods; what is reached only through a name made at run time (a
plug-in, for instance) is not seen.
"""

import ast
import collections
import dataclasses
import functools
import importlib.machinery
import pathlib
import re
import sys
import typing

from audit.run import Frame

#: Calls of these patch the process.
PATCHES = frozenset(('eventlet.monkey_patch', 'eventlet.patcher.monkey_patch'))

#: One walk reads at most so many files.
MOST_FILES = 10_000

_DOTTED = re.compile(r'[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+(?::[A-Za-z_]\w*)?')
#: The first part of each absolute import, at any depth of the code.
_TOP_LEVEL = re.compile(rb'^[ \t]*(?:from|import)[ \t]+([A-Za-z_]\w*)', re.M)
_EVENTLET = re.compile(rb'eventlet|EVENTLET')
#: Names and texts in a condition that asks for it.
_EVENTLET_IN_USE = re.compile('eventlet|monkey_?patch')
#: Not read: Python's own modules, and what eventlet stands on.
_NO_SERVICES = (*sys.stdlib_module_names, 'greenlet')
_TESTS = frozenset(('test', 'tests'))
_DYNAMIC_IMPORTS = ('import_module', 'try_import', '__import__')
_TOLERANT = frozenset(
    (
        'BaseException',
        'Exception',
        'ImportError',
        'ModuleNotFoundError',
    )
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LEAVING = (ast.Return, ast.Raise, ast.Continue, ast.Break)


class Place(typing.NamedTuple):
    """Where something stands in a file, and under what conditions."""

    line: int
    #: The tests that decide whether this line runs.
    guards: tuple = ()
    #: Whether a failing import is caught around it.
    tolerant: bool = False


@dataclasses.dataclass
class Scope:
    """The code of a module, a class or a function, with what is inside."""

    name: str
    #: [(module, Place)], what is imported, names made absolute.
    imports: list = dataclasses.field(default_factory=list)
    #: {name: (module, attribute or '')}, what imports bind.
    bound: dict = dataclasses.field(default_factory=dict)
    #: [((name, ...), Place, whether it is called)].
    refs: list = dataclasses.field(default_factory=list)
    #: [(text that looks like a dotted name, Place)].
    texts: list = dataclasses.field(default_factory=list)
    #: {variable: [(value, Place)]}.
    values: dict = dataclasses.field(default_factory=dict)
    #: The syntax tree, for what is asked rarely.
    node: ast.AST = None


class Module:
    """The facts of one file.

    :raises SyntaxError: this Python does not understand the file.
    """

    def __init__(self, name, file, is_package):
        self.name = name
        self.file = str(file)
        self.package = name if is_package else name.rpartition('.')[0]
        self.scopes = {}
        #: {class: its methods' full names}.
        self.methods = {}
        text = pathlib.Path(file).read_bytes()
        tree = ast.parse(text, filename=self.file)
        main = [n for n in tree.body if _is_main_block(n)]
        rest = [n for n in tree.body if not _is_main_block(n)]
        self._scope('', tree, rest)
        self._scope('__main__', tree, main)

    def absolute(self, module, level):
        if not level:
            return module or ''
        parts = self.package.split('.')
        parts = parts[: len(parts) - level + 1]
        return '.'.join(parts + ([module] if module else []))

    def places(self, line):
        """All that is imported or named on a line: ``[(Scope, Place)]``."""
        return self._by_line.get(line, ())

    @functools.cached_property
    def _by_line(self):
        lines = {}
        for scope in self.scopes.values():
            for _, place, *_ in (*scope.imports, *scope.refs):
                lines.setdefault(place.line, []).append((scope, place))
        return lines

    def _scope(self, name, node, body):
        scope = self.scopes.setdefault(name, Scope(name, node=node))
        _Reading(self, scope).block(body, Place(0))


class _Reading:
    """Fills one scope."""

    def __init__(self, module, scope, owner=''):
        self.module = module
        self.scope = scope
        #: The class around, or ''.
        self.owner = owner

    def block(self, body, where):
        for node in body:
            self.statement(node, where)
            # What stands behind an early way out depends on it.
            if (
                isinstance(node, ast.If)
                and node.body
                and isinstance(node.body[-1], _LEAVING)
            ):
                where = where._replace(guards=(*where.guards, node.test))

    def statement(self, node, where):
        where = where._replace(line=node.lineno)
        if isinstance(node, _FUNCTIONS):
            self._function(node, where)
        elif isinstance(node, ast.ClassDef):
            self._class(node, where)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self._import(node, where)
        elif isinstance(node, ast.If):
            if _is_type_checking(node.test):
                self.block(node.orelse, where)
                return
            self.expression(node.test, where)
            inner = where._replace(guards=(*where.guards, node.test))
            self.block(node.body, inner)
            self.block(node.orelse, inner)
        elif isinstance(node, ast.Try):
            caught = any(_catches(handler) for handler in node.handlers)
            self.block(
                node.body, where._replace(tolerant=where.tolerant or caught)
            )
            for handler in node.handlers:
                self.block(handler.body, where)
            self.block(node.orelse, where)
            self.block(node.finalbody, where)
        else:
            if isinstance(node, ast.Assign | ast.AnnAssign):
                self._assign(node, where)
                if self.scope.name == '' and not self.owner:
                    self._calls(node.value, where)
                    return
            for field in ast.iter_child_nodes(node):
                if isinstance(field, ast.stmt):
                    self.statement(field, where)
                elif isinstance(field, ast.match_case):
                    self.block(field.body, where)
                else:
                    self.expression(field, where)

    def expression(self, node, where):
        """Take all names, calls and texts of an expression."""
        line = getattr(node, 'lineno', where.line)
        if line != where.line:
            where = where._replace(line=line)
        if isinstance(node, ast.Call):
            self._call(node, where)
            return
        names = _names(node)
        if names:
            self.scope.refs.append((names, where, False))
            return
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
                self.scope.texts.append((node.value, where))
            return
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                self.statement(child, where)
            else:
                self.expression(child, where)

    def _call(self, node, where):
        names = _names(node.func) or self._of_import(node.func)
        if names:
            self.scope.refs.append((names, where, True))
            if names[0].startswith('import '):
                self.expression(node.func.value, where)
            module = _dynamic_import(node) or _eventlet_by_name(node, names)
            if module:
                soft = where.tolerant or names[-1] == 'try_import'
                self.scope.imports.append(
                    (
                        self.module.absolute(module, 0),
                        where._replace(tolerant=soft),
                    )
                )
        else:
            self.expression(node.func, where)
        for child in (*node.args, *node.keywords):
            self.expression(child, where)

    def _calls(self, node, where):
        """Take what a module's variable is made of: only calls happen now;
        names count when the variable is used."""
        if node is None:
            return
        before = len(self.scope.refs)
        self.expression(node, where)
        self.scope.refs[before:] = [
            ref for ref in self.scope.refs[before:] if ref[2]
        ]

    def _of_import(self, node):
        """The names of ``importlib.import_module('x').y``."""
        attributes = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        module = _dynamic_import(node)
        if not module or not attributes:
            return ()
        self.scope.bound[f'import {module}'] = (module, '')
        return (f'import {module}', *reversed(attributes))

    def _import(self, node, where):
        scope = self.scope
        if isinstance(node, ast.Import):
            for alias in node.names:
                scope.imports.append((alias.name, where))
                if alias.asname:
                    scope.bound[alias.asname] = (alias.name, '')
                else:
                    top = alias.name.partition('.')[0]
                    scope.bound[top] = (top, '')
            return
        module = self.module.absolute(node.module, node.level)
        scope.imports.append((module, where))
        for alias in node.names:
            if alias.name == '*':
                scope.bound.setdefault('*', []).append(module)
                continue
            # It may be a submodule; finding none is no harm.
            scope.imports.append((f'{module}.{alias.name}', where))
            scope.bound[alias.asname or alias.name] = (module, alias.name)

    def _assign(self, node, where):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target]
        )
        for target in targets:
            if not isinstance(target, ast.Name) or node.value is None:
                continue
            self.scope.values.setdefault(target.id, []).append(
                (node.value, where)
            )
            module = _dynamic_import(node.value)
            if module:
                self.scope.bound[target.id] = (module, '')

    def _function(self, node, where):
        for decorator in node.decorator_list:
            self._decorator(decorator, where)
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.expression(default, where)
        if self.scope.name not in ('', '__main__') and not self.owner:
            # A function in a function: its code counts with the outer one.
            self.block(node.body, where)
            return
        name = f'{self.owner}.{node.name}' if self.owner else node.name
        inner = self.module.scopes.setdefault(name, Scope(name, node=node))
        if self.owner:
            self.module.methods.setdefault(self.owner, []).append(name)
        _Reading(self.module, inner).block(node.body, Place(node.lineno))

    def _class(self, node, where):
        for decorator in node.decorator_list:
            self._decorator(decorator, where)
        for base in (*node.bases, *(word.value for word in node.keywords)):
            self.expression(base, where)
        if self.scope.name not in ('', '__main__') and not self.owner:
            self.block(node.body, where)
            return
        name = f'{self.owner}.{node.name}' if self.owner else node.name
        inner = self.module.scopes.setdefault(name, Scope(name, node=node))
        self.module.methods.setdefault(name, [])
        # Bases and the class's own statements belong to the class; the
        # statements run when the module does.
        reading = _Reading(self.module, inner, owner=name)
        for base in node.bases:
            reading.expression(base, where)
        reading.block(node.body, where)
        self.scope.imports += inner.imports
        self.scope.refs += inner.refs

    def _decorator(self, node, where):
        self.expression(node, where)
        names = _names(node)
        if names:
            self.scope.refs.append((names, where, True))


def _names(node):
    """``('a', 'b')`` for the expression ``a.b``; else ``()``."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ()
    return (node.id, *reversed(names))


def _dynamic_import(node):
    """The module of ``importlib.import_module('x')`` and the like, or ''."""
    if not isinstance(node, ast.Call) or not node.args:
        return ''
    names, first = _names(node.func), node.args[0]
    if (
        names
        and names[-1] in _DYNAMIC_IMPORTS
        and isinstance(first, ast.Constant)
        and isinstance(first.value, str)
        and not first.value.startswith('.')
    ):
        return first.value
    return ''


def _eventlet_by_name(node, names):
    """``'eventlet'`` if a library is asked to use it: ``executor='eventlet'``
    of oslo.messaging, ``init_backend(BackendType.EVENTLET)`` of oslo.service.
    """
    for word in node.keywords:
        if (
            word.arg == 'executor'
            and isinstance(word.value, ast.Constant)
            and word.value.value == 'eventlet'
        ):
            return 'eventlet'
    if names[-1] == 'init_backend' and any(
        _names(argument)[-2:] == ('BackendType', 'EVENTLET')
        for argument in (*node.args, *(word.value for word in node.keywords))
    ):
        return 'eventlet'
    return ''


def _is_main_block(node):
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and _names(node.test.left) == ('__name__',)
    )


def _is_type_checking(test):
    return _names(test)[-1:] == ('TYPE_CHECKING',)


def _catches(handler):
    """Whether it does without what could not be imported."""
    kinds = handler.type
    if isinstance(handler.body[-1], ast.Raise):
        return False
    if kinds is None:
        return True
    kinds = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
    return any(
        name in _TOLERANT for kind in kinds for name in _names(kind)[-1:]
    )


@dataclasses.dataclass(frozen=True)
class Found:
    """A line that patches or imports eventlet, and the way to it."""

    chain: tuple
    #: ``'import'`` or ``'run'``: when the line would be reached.
    phase: str
    #: Environment variables that decide whether it is.
    switches: tuple = ()


@dataclasses.dataclass
class Reading:
    """What one walk found."""

    patches: list = dataclasses.field(default_factory=list)
    #: Lines that import eventlet and do not do without it.
    imports: list = dataclasses.field(default_factory=list)
    #: Whether the walk met its bound.
    cut: bool = False


class Reader:
    """Reads the modules of one environment, each file once.

    :param path: the environment's ``sys.path``.
    """

    def __init__(self, path):
        self._path = [entry for entry in path if entry]
        self._found = {}
        #: {top-level package: whether it is worth reading}.
        self._worth = dict.fromkeys(_NO_SERVICES, False)
        self._looks = dict.fromkeys(_NO_SERVICES, (False, set()))
        self._files = {}

    def module(self, name, known):
        """The module of that name, or None: not found, or not Python.

        :param known: ``Run.modules``, for what is found in no folder of the
            path, such as editable installations.
        """
        if name not in self._found or (
            self._found[name] is None and name in known
        ):
            self._found[name] = self._find(name, known)
        return self._found[name]

    def file(self, file, name):
        """The facts of a file, or None if it can not be read."""
        if file not in self._files:
            is_package = pathlib.Path(file).name == '__init__.py'
            try:
                self._files[file] = Module(name, file, is_package)
            except (OSError, SyntaxError, ValueError, RecursionError):
                self._files[file] = None
        return self._files[file]

    @property
    def files_read(self):
        return len(self._files)

    def _find(self, name, known):
        if not name or not self._matters(name.partition('.')[0], known):
            return None
        if name in known:
            return self.file(known[name][0], name)
        spec = self._spec(name, known)
        if spec is None or not str(spec.origin).endswith('.py'):
            return None
        return self.file(spec.origin, name)

    def _matters(self, top, known):
        """Whether a package, or one that it imports, speaks of eventlet.
        Most do not, and need not be understood."""
        if top not in self._worth:
            self._worth[top] = False
            seen, queue = set(), {top}
            while queue and not self._worth[top]:
                one = queue.pop()
                seen.add(one)
                speaks, imports = self._look(one, known)
                self._worth[top] = speaks
                queue |= imports - seen
        return self._worth[top]

    def _look(self, top, known):
        """(whether a package speaks of eventlet, what it imports)."""
        if top not in self._looks:
            self._looks[top] = False, set()
            imports = set()
            for file in self._package_files(top, known):
                try:
                    text = file.read_bytes()
                except OSError:
                    continue
                if _EVENTLET.search(text):
                    self._looks[top] = True, set()
                    return self._looks[top]
                imports.update(
                    found.decode() for found in _TOP_LEVEL.findall(text)
                )
            self._looks[top] = False, imports
        return self._looks[top]

    def _package_files(self, top, known):
        spec = self._spec(top, known)
        folders = spec and spec.submodule_search_locations
        if top in known:
            file, folders = known[top]
            yield pathlib.Path(file)
        elif spec and str(spec.origin).endswith('.py'):
            yield pathlib.Path(spec.origin)
        for folder in folders or ():
            for file in pathlib.Path(folder).rglob('*.py'):
                if not _TESTS.intersection(file.parts[-4:-1]):
                    yield file

    def _spec(self, name, known):
        parent, _, _ = name.rpartition('.')
        if not parent:
            folders = self._path
        elif parent in known:
            folders = known[parent][1]
        else:
            spec = self._spec(parent, known)
            folders = spec and spec.submodule_search_locations
        if not folders:
            return None
        try:
            return importlib.machinery.PathFinder.find_spec(
                name, list(folders)
            )
        except (ImportError, KeyError, ValueError):
            # KeyError: a folder without __init__.py, below a package that
            # this process has not loaded.
            return None

    def resolve(self, module, scope, names, known):
        """What a name stands for in a scope.

        :returns: ``(Module, name of a scope or variable)``, or the full name
            as text if it is eventlet's, or None.
        """
        first, *rest = names
        for place in (scope, module.scopes['']):
            if first in place.bound:
                base, attribute = place.bound[first]
                parts = [attribute, *rest] if attribute else rest
                return self.follow(base, parts, known)
        owner = scope.name.rpartition('.')[0]
        if first in ('self', 'cls') and owner and rest:
            return self._inside(module, [owner, *rest], known, 0)
        return self._inside(module, list(names), known, 0)

    def _inside(self, module, parts, known, depth):
        """Names that the module itself defines."""
        for length in range(len(parts), 0, -1):
            name = '.'.join(parts[:length])
            if name and name in module.scopes:
                return module, name
        if parts and parts[0] in module.scopes[''].values:
            return module, parts[0]
        for star in module.scopes[''].bound.get('*', ()):
            found = self.follow(star, parts, known, depth + 1)
            if found is not None:
                return found
        return None

    def follow(self, base, parts, known, depth=0):
        """What ``parts`` of the module named ``base`` stand for; as
        :meth:`resolve`."""
        if base.partition('.')[0] == 'eventlet':
            return '.'.join([base, *parts])
        while depth < 12:  # a circle of imports has no end
            module = self.module(base, known)
            if not parts:
                return (module, '') if module else None
            if module is not None:
                if parts[0] in module.scopes[''].bound:
                    target, attribute = module.scopes[''].bound[parts[0]]
                    more = [attribute] if attribute else []
                    if (target, attribute) != (base, parts[0]):
                        return self.follow(
                            target, [*more, *parts[1:]], known, depth + 1
                        )
                found = self._inside(module, parts, known, depth)
                if found is not None:
                    return found
            base, parts = f'{base}.{parts[0]}', parts[1:]
            if self.module(base, known) is None:
                break
        return None

    def walk(self, target, run):
        """Read on from an entry point.

        Modules that ``run`` loaded have told by themselves what they do when
        imported; in those that are not the target's own, only functions are
        followed, unless the text speaks of eventlet.

        :returns: a :class:`Reading`.
        """
        return _Walk(self, target, run).go()

    def switches(self, chain, known):
        """Environment variables that decide whether a chain is gone
        through: those in the conditions around its lines, sorted."""
        return tuple(
            sorted(
                {
                    name
                    for module, scope, place in self._places(chain)
                    for guard in place.guards
                    for node in self._depends(
                        guard, module, scope, known, set()
                    )
                    for name in _variables(node)
                }
            )
        )

    def tolerant(self, chain, known):
        """Whether some line of the chain catches a failing import, or is
        reached only if eventlet is there or in use."""
        return any(
            place.tolerant
            or any(
                _speaks_of_eventlet(node)
                for guard in place.guards
                for node in self._depends(guard, module, scope, known, set())
            )
            for module, scope, place in self._places(chain)
        )

    def _places(self, chain):
        for frame in chain:
            module = self.file(frame.file, frame.module)
            if module is not None:
                for scope, place in module.places(frame.line):
                    yield module, scope, place

    def _depends(self, node, module, scope, known, seen):
        """All parts of an expression, and of what its value depends on:
        of the variables and the functions in it."""
        if node in seen or len(seen) > 200:
            return
        seen.add(node)
        for inner in ast.walk(node):
            yield inner
            names = _names(inner)
            if not names:
                continue
            for place in (scope, module.scopes['']):
                for value, where in place.values.get(names[0], ()):
                    for more in (value, *where.guards):
                        yield from self._depends(
                            more, module, place, known, seen
                        )
            called = self.resolve(module, scope, names, known)
            if isinstance(called, tuple) and called[1] in called[0].scopes:
                other = called[0].scopes[called[1]]
                if isinstance(other.node, _FUNCTIONS):
                    yield from self._depends(
                        other.node, called[0], other, known, seen
                    )


def _speaks_of_eventlet(node):
    return any(
        isinstance(text, str) and _EVENTLET_IN_USE.search(text)
        for text in (
            getattr(node, field, None) for field in ('id', 'attr', 'value')
        )
    )


def _variables(node):
    """Names in ``os.environ['X']``, ``os.environ.get('X')``,
    ``os.getenv('X')`` and ``'X' in os.environ``."""
    key = None
    if isinstance(node, ast.Subscript) and _is_environ(node.value):
        key = node.slice
    elif isinstance(node, ast.Call) and node.args:
        names = _names(node.func)
        if names[-1:] == ('getenv',) or (
            names[-1:] in (('get',), ('pop',), ('setdefault',))
            and 'environ' in names
        ):
            key = node.args[0]
    elif isinstance(node, ast.Compare) and _is_environ(node.comparators[0]):
        key = node.left
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        return {key.value}
    return set()


def _is_environ(node):
    return _names(node)[-1:] == ('environ',)


class _Walk:
    def __init__(self, reader, target, run):
        self._reader = reader
        self._target = target
        self._run = run
        self._own = (target.module or '').partition('.')[0]
        self._seen = set()
        self._reading = Reading()
        #: What runs on import, and what runs only then.
        self._now = collections.deque()
        self._later = collections.deque()
        self._before = reader.files_read

    def go(self):
        reader, target = self._reader, self._target
        if target.script:
            module = reader.file(target.script, 'examined script')
            entry = '__main__'
        else:
            module = self._module(target.module)
            entry = target.attribute or ''
            parents = target.module.split('.')
            for length in range(1, len(parents)):
                self._import('.'.join(parents[:length]), 'import', ())
        if module is None:
            return self._reading
        self._add(module, '', 'import', ())
        found = None
        if entry == '__main__':
            found = (module, entry)
        elif entry:
            found = reader.resolve(
                module,
                module.scopes[''],
                tuple(entry.split('.')),
                self._run.modules,
            )
        if isinstance(found, tuple):
            self._add(*found, 'run', ())
        self._drain()
        self._reading.cut = self._full()
        return self._reading

    def _module(self, name):
        return self._reader.module(name, self._run.modules)

    def _full(self):
        return self._reader.files_read - self._before >= MOST_FILES

    def _drain(self):
        # Breadth first: the chain that is told is a shortest one.
        while (self._now or self._later) and not self._full():
            queue = self._now or self._later
            self._scope(*queue.popleft())

    def _add(self, module, name, phase, chain):
        key = (module.file, name, phase)
        if key not in self._seen:
            self._seen.add(key)
            queue = self._now if phase == 'import' else self._later
            queue.append((module, name, phase, chain))

    def _frame(self, module, scope, line):
        return Frame(module.name, scope.name or '<module>', module.file, line)

    def _scope(self, module, name, phase, chain):
        if name not in module.scopes:
            self._variable(module, name, phase, chain)
            return
        scope = module.scopes[name]
        if name in module.methods:
            self._class(module, name, phase, chain)
            return
        for imported, place in scope.imports:
            step = (*chain, self._frame(module, scope, place.line))
            if imported.partition('.')[0] == 'eventlet':
                if not self._reader.tolerant(step, self._run.modules):
                    self._tell(self._reading.imports, step, phase)
            else:
                self._import(imported, phase, step)
        for names, place, called in scope.refs:
            self._reference(module, scope, names, place, called, phase, chain)
        if phase == 'run':
            self._texts(module, scope, chain)

    def _texts(self, module, scope, chain):
        """Classes and functions of the target's own that texts name."""
        for text, place in scope.texts:
            if text.partition('.')[0] != self._own:
                continue
            base, _, last = text.replace(':', '.').rpartition('.')
            found = self._reader.follow(base, [last], self._run.modules)
            if isinstance(found, tuple) and found[1]:
                step = (*chain, self._frame(module, scope, place.line))
                self._import(found[0].name, 'run', step)
                self._add(*found, 'run', step)

    def _reference(self, module, scope, names, place, called, phase, chain):
        found = self._reader.resolve(module, scope, names, self._run.modules)
        step = (*chain, self._frame(module, scope, place.line))
        if isinstance(found, str):
            if found in PATCHES:
                then = phase if called else 'run'
                self._tell(self._reading.patches, step, then)
        elif found is not None and found[1]:
            # What is only named may be called later.
            self._add(*found, phase if called else 'run', step)

    def _variable(self, module, name, phase, chain):
        made_of = Scope('')
        for value, place in module.scopes[''].values.get(name, ()):
            _Reading(module, made_of).expression(value, place)
        for names, place, _ in made_of.refs:
            self._reference(module, made_of, names, place, True, phase, chain)
        if phase == 'run':
            self._texts(module, made_of, chain)

    def _class(self, module, name, phase, chain):
        scope = module.scopes[name]
        for method in module.methods[name]:
            plain = method.rpartition('.')[2]
            now = plain in ('__init__', '__new__', '__call__')
            self._add(module, method, phase if now else 'run', chain)
        for names, place, called in scope.refs:
            self._reference(module, scope, names, place, called, phase, chain)

    def _import(self, name, phase, chain):
        parts = name.split('.')
        for length in range(1, len(parts) + 1):
            full = '.'.join(parts[:length])
            module = self._module(full)
            if module is None:
                if length == 1:
                    return
                continue
            if full in self._run.modules and not self._worth(module):
                continue
            now = 'import' if full in self._run.modules else phase
            self._add(module, '', now, chain)

    def _worth(self, module):
        """Whether a module that the run loaded is read again."""
        if module.name.partition('.')[0] == self._own:
            return True
        return any(
            imported.partition('.')[0] == 'eventlet'
            for scope in module.scopes.values()
            for imported, _ in scope.imports
        )

    def _tell(self, found, chain, phase):
        found.append(
            Found(
                chain,
                phase,
                self._reader.switches(chain, self._run.modules),
            )
        )
