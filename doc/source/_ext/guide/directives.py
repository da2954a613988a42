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

"""``sample-directives``: what a sample file sets, each with its reason.

The reasons are the comments of the sample itself, so that page and file
cannot part. A directive has its reason in the comment right above it;
directives that follow each other without an empty line share one. A comment
before an empty line or a ``[section]`` is about the file, and no reason.

A directive with options, such as ``WSGIDaemonProcess``, has a comment with a
line for each: ``queue-timeout: why``, or ``user, group: why``.

A directive or an option without a reason fails the build, and so does a
reason for an option that is not there.
"""

import ast
import collections
import dataclasses
import pathlib
import re
from collections.abc import Callable

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

from guide import CHECKOUT, fault

_OPTION = re.compile(r'(?<!\S)([\w-]+)=(\S+)')
_REASONS = re.compile(r'([\w-]+(?:, [\w-]+)*): (.*)')


class SampleError(Exception):
    """A sample says less than it should; with the line, counted from 1."""

    def __init__(self, line, message):
        super().__init__(message)
        self.line = line


@dataclasses.dataclass
class Setting:
    """A directive as the file has it, on one line."""

    line: int
    name: str
    value: str
    text: str


@dataclasses.dataclass
class Group:
    """Directives that share a reason.

    :param options: the reasons of a directive's options, each for one or
        more of them: ``[(['user', 'group'], 'why')]``.
    """

    settings: list[Setting]
    reason: str
    options: list[tuple[list[str], str]]


@dataclasses.dataclass
class _Syntax:
    """How a kind of file is written.

    :param setting: matches a whole directive: its name and its value.
    :param heading: a line after which a comment above is no reason any more.
    :param block: a line that opens a block; a comment above goes for what
        the block begins with.
    :param is_whole: whether a directive has ended with these lines.
    :param join: makes one line of them.
    """

    setting: str
    heading: str
    block: str
    is_whole: Callable
    join: Callable = ' '.join


def _is_python(lines):
    try:
        ast.parse('\n'.join(lines))
    except SyntaxError:
        return False
    return True


def _without_backslashes(lines):
    return ' '.join(line.removesuffix('\\').rstrip() for line in lines)


_NEVER = '(?!)'
_SYNTAXES = {
    'apache': _Syntax(
        r'(\S+)\s+(.*)',
        heading='</',
        block='<',
        is_whole=lambda lines: not lines[-1].endswith('\\'),
        join=_without_backslashes,
    ),
    'ini': _Syntax(
        r'([^=]+?)\s*=\s*(.*)',
        heading=r'\[',
        block=_NEVER,
        is_whole=lambda lines: not lines[-1].endswith('\\'),
        join=_without_backslashes,
    ),
    'nginx': _Syntax(
        r'(\S+)\s+(.*);',
        heading='}',
        block=r'.*\{$',
        is_whole=lambda lines: lines[-1].endswith((';', '{', '}')),
    ),
    'python': _Syntax(
        r'(\w+) = (.*)',
        heading=_NEVER,
        block=_NEVER,
        is_whole=_is_python,
        join=lambda lines: ast.unparse(ast.parse('\n'.join(lines))),
    ),
}


def read(text, language):
    """Return the :class:`Group` objects of a sample, in its order.

    :param text: the sample.
    :param language: ``apache``, ``ini``, ``nginx`` or ``python``.
    :raises SampleError: a directive or an option has no reason, or a reason
        no option.
    """
    syntax = _SYNTAXES[language]
    groups = []
    comment, group, statement = [], None, []
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not statement and line.startswith('#'):
            if group is not None:
                comment, group = [], None
            comment.append(line.removeprefix('#').strip())
            continue
        if not statement and (not line or re.match(syntax.heading, line)):
            comment, group = [], None
            continue
        if not statement and re.match(syntax.block, line):
            continue
        statement.append(line)
        if not syntax.is_whole(statement):
            continue
        setting = _setting(syntax, number - len(statement) + 1, statement)
        statement = []
        if not comment:
            raise SampleError(
                setting.line,
                f'{setting.name} has no reason: write a comment above it',
            )
        if group is None:
            group = Group([], *_reasons(comment, setting))
            groups.append(group)
        group.settings.append(setting)
    if statement:
        raise SampleError(number, f'{statement[0]!r} does not end')
    return groups


def _setting(syntax, line, statement):
    text = syntax.join(statement)
    match = re.fullmatch(syntax.setting, text)
    if not match:
        raise SampleError(line, f'{text!r} is no directive with a value')
    return Setting(line, match[1], match[2], text)


def _reasons(comment, setting):
    """Split a comment into the reason of the directive and of its options."""
    given = {name for name, _ in _OPTION.findall(setting.value)}
    reason, options = [], []
    for line in comment:
        match = _REASONS.fullmatch(line)
        names = match[1].split(', ') if match else []
        if options or given.intersection(names):
            if match:
                options.append((names, [match[2]]))
            else:
                options[-1][1].append(line)
        else:
            reason.append(line)
    explained = {name for names, _ in options for name in names}
    if options:
        for name in sorted(given - explained):
            raise SampleError(
                setting.line, f'{name} of {setting.name} has no reason'
            )
        for name in sorted(explained - given):
            raise SampleError(
                setting.line,
                f'{setting.name} has a reason for {name}, but not the option',
            )
    return (
        ' '.join(reason),
        [(names, ' '.join(lines)) for names, lines in options],
    )


class SampleDirectives(SphinxDirective):
    """List the directives of a sample under ``examples/hosts``.

    The argument is its path from there. The option ``language`` says how it
    is written: ``apache``, ``ini``, ``nginx`` or ``python``. Each directive
    has an entry in the search index, and a label made of the folder, the
    last part of the file name and the directive, such as
    ``uwsgi-ini-need-app``; where a sample has the directive more than once,
    the first word of its value follows, and a number if need be.
    """

    required_arguments = 1
    option_spec = {
        'language': lambda text: directives.choice(text, list(_SYNTAXES)),
    }

    def run(self):
        if 'language' not in self.options:
            raise self.error('the option "language" is missing')
        sample = self.arguments[0]
        path = pathlib.Path(
            self.config.sample_root, 'examples/hosts', sample
        ).resolve()
        self.env.note_dependency(str(path))
        try:
            text = path.read_text('utf-8')
            groups = read(text, self.options['language'])
        except OSError as error:
            raise self.error(f'cannot read {sample}: {error}') from error
        except SampleError as error:
            fault(f'{path}:{error.line}', str(error))
            return []
        self._times = collections.Counter(
            setting.name for group in groups for setting in group.settings
        )
        found = nodes.definition_list(classes=['guide-directives'])
        for group in groups:
            found += self._item(group)
        return [found]

    def _item(self, group):
        item = nodes.definition_list_item()
        values = {}
        for setting in group.settings:
            text = setting.text
            if group.options:
                values = dict(_OPTION.findall(setting.value))
                text = ' '.join(_OPTION.sub('', text).split())
            item += self._term(text, self._key(setting), setting.name)
        definition = nodes.definition()
        if group.reason:
            definition += nodes.paragraph('', group.reason)
        if group.options:
            definition += nodes.definition_list(
                '',
                *(
                    self._option(group.settings[0].name, names, reason, values)
                    for names, reason in group.options
                ),
            )
        item += definition
        return item

    def _option(self, directive, names, reason, values):
        item = nodes.definition_list_item()
        for name in names:
            item += self._term(
                f'{name}={values[name]}',
                f'{directive} {name}',
                f'{name} of {directive}',
            )
        sentence = reason[:1].upper() + reason[1:]
        item += nodes.definition('', nodes.paragraph('', sentence))
        return item

    def _key(self, setting):
        if self._times[setting.name] == 1:
            return setting.name
        first = re.split(r'[\s=]', setting.value, maxsplit=1)[0]
        return f'{setting.name} {first}'

    def _term(self, text, key, entry):
        sample = pathlib.PurePath(self.arguments[0])
        kind = sample.suffix.removeprefix('.')
        label = nodes.make_id(f'{sample.parent} {kind} {key}')
        self._times[label] += 1
        if self._times[label] > 1:
            label = f'{label}-{self._times[label]}'
        term = nodes.term('', '', nodes.literal(text, text))
        term['names'].append(label)
        self.set_source_info(term)
        self.state.document.note_explicit_target(term)
        index = addnodes.index(
            # The search shows first what is a main entry.
            entries=[('single', entry, label, 'main', None)]
        )
        term += index
        return term


def setup(app):
    app.setup_extension('guide')
    app.add_config_value('sample_root', str(CHECKOUT), 'env')
    app.add_directive('sample-directives', SampleDirectives)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
