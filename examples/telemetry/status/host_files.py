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
"""Reads the configuration files of WSGI hosts, none of which is run.

Each reader gives the directives of a file in one form, so that one rule
looks at all of them.
"""

import ast
import dataclasses
import os
import pathlib
import re
import shlex

import crossplane

# A system wide uWSGI variable, the only one that a number is made of.
_CORES = re.compile(r'%k|%\(cores\)')
_PLACEHOLDER = re.compile(r'[%$]\(([\w.-]+)\)')
_APACHE_OPTION = re.compile(r'([\w-]+)=(.*)')
#: Directives of Apache that name a process group, and have options.
_APACHE_WITH_OPTIONS = ('wsgidaemonprocess', 'wsgiscriptalias')


class HostFileError(Exception):
    """A file is no configuration of a WSGI host, or cannot be read."""


@dataclasses.dataclass(frozen=True)
class Directive:
    """A directive as its host understands it.

    ``name`` is in the spelling of the host's own reference, but lower case
    where the host does not care. An option of a directive has both names,
    as in ``wsgidaemonprocess processes``.
    """

    name: str
    value: str
    line: int


@dataclasses.dataclass(frozen=True)
class HostFile:
    """The directives of a configuration file and of those it includes.

    ``host`` is ``apache``, ``gunicorn``, ``nginx`` or ``uwsgi``.
    """

    path: pathlib.Path
    host: str
    directives: tuple[Directive, ...]

    def all(self, name):
        """Give all directives of this name, in their order."""
        return [each for each in self.directives if each.name == name]

    def last(self, *names):
        """Give the last directive that has one of the names, or None."""
        found = [each for each in self.directives if each.name in names]
        return found[-1] if found else None

    def number(self, *names, default):
        """Give the number that a directive holds, or the default."""
        found = self.last(*names)
        try:
            return int(found.value) if found else default
        except ValueError:
            raise HostFileError(
                f'{self.path}:{found.line}: {found.name} = {found.value} '
                'is not a number'
            ) from None

    @property
    def processes(self):
        """How many processes run the application; None where it does not."""
        match self.host:
            case 'uwsgi':
                return self.number('processes', 'workers', default=1)
            case 'gunicorn':
                return self.number('workers', default=1)
            case 'apache' if self.last('wsgidaemonprocess'):
                return self.number('wsgidaemonprocess processes', default=1)
        return None


def read(path):
    """Return the HostFile of a path; the host is told by the content.

    :raises HostFileError: the file cannot be read, or is of no such host;
        the message names it
    """
    path = pathlib.Path(path)
    try:
        text = path.read_text('utf-8')
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, 'strerror', None) or 'is not text'
        raise HostFileError(f'{path}: {why}') from None
    if path.suffix == '.py':
        host, reader = 'gunicorn', _gunicorn
    elif re.search(r'^\s*\[uwsgi\]', text, re.MULTILINE):
        host, reader = 'uwsgi', _uwsgi
    elif re.search(r'^\s*(WSGI\w+|ProxyPass\w*)\s', text, re.M | re.I):
        host, reader = 'apache', _apache
    elif re.search(r'^\s*(server|location|upstream)\b.*{', text, re.MULTILINE):
        host, reader = 'nginx', _nginx
    else:
        raise HostFileError(
            f'{path}: is no file of Apache, gunicorn, nginx or uWSGI that '
            'serves an application'
        )
    return HostFile(path, host, tuple(reader(path, text)))


def _uwsgi(path, text):
    """Read an ini file. Names may repeat; placeholders are replaced."""
    known = {}
    lines = text.splitlines()
    inside = False
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line[0] in '#;':
            continue
        if line[0] == '[':
            inside = line.startswith('[uwsgi]')
            continue
        if not inside:
            continue
        name, _, value = (part.strip() for part in line.partition('='))
        value = _CORES.sub(str(os.cpu_count()), value)
        value = _PLACEHOLDER.sub(
            lambda match: known.get(match[1], match[0]), value
        )
        if name in ('set-placeholder', 'set-ph'):
            placeholder, _, value = value.partition('=')
            known[placeholder] = value
        else:
            known[name] = value
            yield Directive(name, value, number)


def _gunicorn(path, text):
    """Read the constants of a Python file; what is computed is left out."""
    try:
        module = ast.parse(text)
    except SyntaxError as error:
        raise HostFileError(f'{path}:{error.lineno}: {error.msg}') from None
    for statement in module.body:
        match statement:
            case ast.Assign([ast.Name(name)], value):
                try:
                    found = ast.literal_eval(value)
                except ValueError:
                    continue
                yield Directive(name, str(found), statement.lineno)


def _apache(path, text):
    """Read a site. Sections are flat; ``Define`` is replaced."""
    known = {}
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        while line.endswith('\\'):
            line = line[:-1] + next(lines, (0, ''))[1]
        line = line.strip()
        if not line or line[0] in '#<':
            continue
        line = re.sub(
            r'\$\{(\w+)\}', lambda match: known.get(match[1], match[0]), line
        )
        try:
            name, *values = shlex.split(line)
        except ValueError as error:
            raise HostFileError(f'{path}:{number}: {error}') from None
        name = name.lower()
        if name == 'define' and len(values) == 2:
            known[values[0]] = values[1]
        yield Directive(name, ' '.join(values), number)
        if name in _APACHE_WITH_OPTIONS:
            for value in values:
                if option := _APACHE_OPTION.fullmatch(value):
                    yield Directive(f'{name} {option[1]}', option[2], number)


def _nginx(path, text):
    """Read a file and what it includes. Blocks are flat.

    Names of included files are relative to the folder of ``nginx.conf``.
    """
    main = next(
        (
            parent / 'nginx.conf'
            for parent in path.absolute().parents
            if (parent / 'nginx.conf').is_file()
        ),
        path,
    )
    files = crossplane.parse(str(main), check_ctx=False, check_args=False)
    files = files['config']
    here = [file for file in files if path.samefile(file['file'])]
    if not here:
        raise HostFileError(f'{path}: is not included by {main}')

    def flat(file, block):
        for error in file['errors']:
            raise HostFileError(f'{file["file"]}: {error["error"]}')
        for each in block:
            yield Directive(
                each['directive'], ' '.join(each['args']), each['line']
            )
            for number in each.get('includes', ()):
                yield from flat(files[number], files[number]['parsed'])
            yield from flat(file, each.get('block', ()))

    yield from flat(here[0], here[0]['parsed'])
