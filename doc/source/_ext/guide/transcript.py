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

"""The ``transcript`` directive: sessions that the test suite runs.

For what cannot run while the site is built, such as a whole quickstart. The
page holds commands and their expected output. :func:`check_page` runs all
transcripts of a page in order against the real programs; those that root
types on a machine are for :mod:`guide.machine`.

Wildcards in expected output:

============  ==============================================================
``...``       alone on a line: any lines, or none; within a line: any text
``<number>``  a number
``<id>``      a UUID
``<time>``    a date and time
============  ==============================================================
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import subprocess
import sys

import docutils.core
from docutils import nodes
from docutils.parsers import rst
from docutils.parsers.rst import directives

from guide import shell

_WILDCARDS = {
    '...': '.*',
    '<number>': r'-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?',
    '<id>': '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}',
    '<time>': r'\d{4}-\d\d-\d\d[T ][\d:]{8}(?:[.,]\d+)?(?:Z|[+-][\d:]+)?',
}
_DIRECTIVE = re.compile(r'^[\s*+-]*\.\. transcript::', re.MULTILINE)
_WILDCARD = re.compile('|'.join(re.escape(name) for name in _WILDCARDS))


class MismatchError(AssertionError):
    """A transcript does not tell what the programs do."""


@dataclasses.dataclass
class Transcript:
    """One ``transcript`` block of a page."""

    #: The file that it is written in: the page, or one that it includes.
    source: pathlib.Path
    #: Its first line there, counted from 1.
    line: int
    #: ``(offset from line, command, expected output)``, in order.
    commands: list
    #: The name of the reader's terminal that the commands are typed in.
    terminal: str
    #: Whether the last command goes on running, as a server does.
    runs_on: bool
    #: The exit status of the last command.
    status: int
    #: ``None`` if no root is needed; otherwise the name of the page whose
    #: steps come before, or an empty text.
    machine: str | None
    #: Whether it is in the section *Undo* of its page.
    undo: bool = False


class TranscriptDirective(rst.Directive):
    """Show the transcript, and keep what the test suite needs.

    Argument: the terminal, if the reader needs more than one; it is shown as
    the caption. Options: ``runs-on`` (the last command goes on running),
    ``status`` (the exit status of the last command, if it is not 0),
    ``machine`` (root types it; the value names the page, if any, whose steps
    come before).
    """

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec = {
        'runs-on': directives.flag,
        'status': directives.nonnegative_int,
        'machine': lambda text: text or '',
    }

    def run(self):
        self.assert_has_content()
        lines = list(self.content)
        source, offset = self.content.items[0]
        try:
            commands = shell.split_commands(lines)
        except ValueError as error:
            raise self.error(str(error)) from error
        terminal = ' '.join(self.arguments)
        text = '\n'.join(lines)
        block = nodes.literal_block(text, text, live='transcript')
        block['language'] = 'console'
        block['transcript'] = Transcript(
            source=pathlib.Path(source),
            line=offset + 1,
            commands=commands,
            terminal=terminal,
            runs_on='runs-on' in self.options,
            status=self.options.get('status', 0),
            machine=self.options.get('machine'),
        )
        block.source, block.line = source, offset + 1
        if not terminal:
            return [block]
        container = nodes.container(
            '', literal_block=True, classes=['literal-block-wrapper']
        )
        container += nodes.caption('', terminal)
        container += block
        return [container]


def transcripts(page):
    """Return the :class:`Transcript` blocks of a page, in order.

    Those of files that it includes are among them.

    :raises ValueError: a block is where this plain reading of the page, which
        knows no directive of Sphinx, does not find it.
    """
    directives.register_directive('transcript', TranscriptDirective)
    doctree = docutils.core.publish_doctree(
        pathlib.Path(page).read_text('utf-8'),
        source_path=str(page),
        settings_overrides={
            'report_level': 5,
            'halt_level': 5,
            'warning_stream': False,
        },
    )
    found = []
    for node in doctree.findall(nodes.literal_block):
        if 'transcript' in node:
            found.append(node['transcript'])
            found[-1].undo = 'Undo' in _sections(node)
    included = doctree.settings.record_dependencies.list
    written = sum(
        len(_DIRECTIVE.findall(pathlib.Path(name).read_text('utf-8')))
        for name in (page, *included)
    )
    if len(found) != written:
        raise ValueError(
            f'{page}: {written} transcripts are written, {len(found)} can '
            'be read: check their form, and keep them out of other directives'
        )
    return found


def _sections(node):
    """Yield the titles of the sections around a node."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, nodes.section):
            yield node[0].astext()


def check_page(page, folder, checkout, seconds=300):
    """Run the transcripts of a page that need no root, and compare.

    Each shell is a new one, and starts in a fresh clone of ``checkout``, made
    in ``folder``: what is not committed is not in it.

    :param page: the page's source.
    :param folder: an empty folder.
    :param seconds: how long one command may run.
    :raises MismatchError: a command's output or exit status is not what the
        page says; with the page and its line.
    """
    clone = pathlib.Path(folder, 'telemetry-api-guide')
    subprocess.run(['git', 'clone', '-q', checkout, clone], check=True)
    port = shell.free_port()
    scripts = str(pathlib.Path(sys.executable).parent)
    env = shell.environment(os.environ.get('HOME', folder), port)
    # The reader has no virtual environment yet.
    env['PATH'] = ':'.join(
        name for name in os.get_exec_path() if name != scripts
    )
    check(
        [item for item in transcripts(page) if item.machine is None],
        lambda: shell.Shell(clone, env, seconds, port),
    )


def check(items, open_shell):
    """Run :class:`Transcript` objects in order, and compare.

    :param open_shell: called for each terminal that they name, returns a
        :class:`guide.shell.Shell`.
    :raises MismatchError: as in :func:`check_page`.
    """
    terminals = {}
    with contextlib.ExitStack() as stack:
        for item in items:
            if item.terminal not in terminals:
                terminals[item.terminal] = stack.enter_context(open_shell())
            _check(item, terminals[item.terminal])


def _check(item, terminal):
    last = len(item.commands) - 1
    for index, (offset, command, expected) in enumerate(item.commands):
        where = f'{item.source}:{item.line + offset}: {command!r}'
        try:
            if index == last and item.runs_on:
                terminal.start(command, lambda text: matches(expected, text))  # noqa: B023
                continue
            status, output = terminal.run(command)
        except (shell.CommandTimeoutError, shell.ShellEndedError) as error:
            raise MismatchError(
                f'{where}: {error}\nexpected:\n{expected}'
            ) from error
        wanted = item.status if index == last else 0
        if status != wanted:
            raise MismatchError(
                f'{where} returned {status}, not {wanted}; output:\n{output}'
            )
        if not matches(expected, output):
            raise MismatchError(
                f'{where}\nexpected:\n{expected}\n\ngot:\n{output}'
            )


def matches(expected, output):
    """Tell whether ``output`` is what ``expected``, with wildcards, says.

    Spaces at the ends of lines and empty lines around the whole do not count.
    """
    pattern = ''
    for line in _lines(expected):
        if line.strip() == '...':
            pattern += r'(?:.*\n)*'
            continue
        at = 0
        for wildcard in _WILDCARD.finditer(line):
            pattern += re.escape(line[at : wildcard.start()])
            pattern += _WILDCARDS[wildcard[0]]
            at = wildcard.end()
        pattern += re.escape(line[at:]) + r'\n'
    text = ''.join(f'{line}\n' for line in _lines(output))
    return re.fullmatch(pattern, text) is not None


def _lines(text):
    return [line.rstrip() for line in text.strip('\n').splitlines()]


def setup(app):
    app.add_directive('transcript', TranscriptDirective)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
