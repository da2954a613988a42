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
"""What the guide calls necessary in the configuration of a WSGI host.

A rule looks at one directive of one kind of file. It holds for any
application, and each names the page of the guide that explains it.
"""

import dataclasses
from collections.abc import Callable

from telemetry.status import host_files

#: The largest header that a client may send, in bytes: tokens are long.
LONGEST_HEADER = 32 * 1024

_UNITS = {'k': 1024, 'm': 1024**2, 'g': 1024**3}


@dataclasses.dataclass(frozen=True)
class Rule:
    """A directive that a file needs, or must not have.

    :param host: the kind of file, as in HostFile
    :param names: the directive, and other spellings of it
    :param wanted: whether a value will do; with None, where the directive
        is missing
    :param why: what happens otherwise, as half a sentence
    :param page: where the guide explains it
    :param where: tells of a file whether the rule holds for it
    """

    host: str
    names: tuple[str, ...]
    wanted: Callable[[str | None], bool]
    why: str
    page: str
    where: Callable[[host_files.HostFile], bool] = lambda file: True

    def finding(self, file):
        """Return what is wrong with a HostFile in one sentence, or None."""
        if file.host != self.host or not self.where(file):
            return None
        found = file.last(*self.names)
        if self.wanted(found.value if found else None):
            return None
        if found:
            what = f'{file.path}:{found.line}: {found.name} is {found.value}'
        else:
            what = f'{file.path}: {self.names[0]} is missing'
        return f'{what}: {self.why}. See {self.page}.'


def _on(value):
    return value is not None and value.lower() in ('on', 'true', '1', 'yes')


def _given(value):
    return value is not None


def _not(*values):
    return lambda value: value not in values


def _is(*values):
    return lambda value: value in values


def _bytes(text):
    """Return a size such as ``64k``, or 0 for what is none."""
    number = text.lower().rstrip('kmg')
    if not number.isdecimal():
        return 0
    return int(number) * _UNITS.get(text[-1].lower(), 1)


def _at_least(size):
    return lambda value: value is not None and _bytes(value) >= size


def _buffers_of(size):
    return lambda value: (
        value is not None and _bytes(value.split()[-1]) >= size
    )


def _positive(value):
    return value is not None and _bytes(value) > 0


def _has(name):
    return lambda file: file.last(name) is not None


def _has_threads(file):
    found = file.last('threads')
    return found is not None and found.value not in ('0', '1')


_UWSGI = 'install/uwsgi'
_NGINX = 'install/nginx-uwsgi'
_GUNICORN = 'install/gunicorn'
_MOD_WSGI = 'install/apache-mod-wsgi'
_TOKENS = f'headers up to {LONGEST_HEADER} bytes, such as long tokens, get an'

RULES = (
    Rule(
        'uwsgi',
        ('master',),
        _on,
        'without a master nothing replaces a worker that dies, and there is '
        'no reload',
        _UWSGI,
    ),
    Rule(
        'uwsgi',
        ('need-app',),
        _on,
        'where the application cannot be imported, uWSGI starts all the '
        'same and answers 500 to everything',
        _UWSGI,
    ),
    Rule(
        'uwsgi',
        ('strict',),
        _on,
        'a misspelt option is ignored without a word',
        _UWSGI,
    ),
    Rule(
        'uwsgi',
        ('enable-threads', 'threads'),
        lambda value: value is not None and value not in ('false', '0'),
        'threads that the application starts do not run',
        _UWSGI,
    ),
    Rule(
        'uwsgi',
        ('die-on-term',),
        _on,
        'SIGTERM, which systemd sends, reloads uWSGI instead of ending it',
        _UWSGI,
    ),
    Rule(
        'uwsgi',
        ('hook-master-start',),
        lambda value: value is not None and 'gracefully_kill' in value,
        'SIGTERM cuts off the requests in flight',
        _UWSGI,
        where=_has('die-on-term'),
    ),
    Rule(
        'uwsgi',
        ('buffer-size', '-b'),
        _at_least(LONGEST_HEADER),
        f'{_TOKENS} empty answer',
        _UWSGI,
    ),
    Rule(
        'uwsgi',
        ('harakiri',),
        _is(None, '0'),
        'with threads it kills workers that read a body, and lets others '
        'hang; limit the time of a query in the database',
        _UWSGI,
        where=_has_threads,
    ),
    Rule(
        'uwsgi',
        ('thunder-lock',),
        lambda value: not _on(value),
        'together with threads a reload waits for worker-reload-mercy',
        _UWSGI,
        where=_has_threads,
    ),
    Rule(
        'uwsgi',
        ('gevent', 'async', 'ugreen'),
        _is(None, '0', 'false'),
        'green threads are what this guide leads away from; use processes '
        'and threads',
        _UWSGI,
    ),
    Rule(
        'gunicorn',
        ('worker_class',),
        _not('eventlet', 'gevent', 'gevent_wsgi', 'gevent_pywsgi'),
        'green threads are what this guide leads away from; use gthread',
        _GUNICORN,
    ),
    Rule(
        'gunicorn',
        ('limit_request_field_size',),
        _at_least(LONGEST_HEADER),
        f'{_TOKENS} answer of 431',
        _GUNICORN,
    ),
    Rule(
        'gunicorn',
        ('timeout',),
        lambda value: value is None or _positive(value),
        'a worker that hangs is never replaced',
        _GUNICORN,
    ),
    Rule(
        'gunicorn',
        ('forwarded_allow_ips',),
        lambda value: value is None or '*' not in value,
        'any client can say that it came by https or from elsewhere',
        _GUNICORN,
    ),
    Rule(
        'apache',
        ('wsgidaemonprocess',),
        _given,
        'the application runs inside the processes of Apache, and is '
        'reloaded only with all of it',
        _MOD_WSGI,
        where=_has('wsgiscriptalias'),
    ),
    Rule(
        'apache',
        ('wsgiscriptalias process-group', 'wsgiprocessgroup'),
        _given,
        'the application does not run in the processes made for it',
        _MOD_WSGI,
        where=_has('wsgidaemonprocess'),
    ),
    Rule(
        'apache',
        ('wsgiscriptalias application-group', 'wsgiapplicationgroup'),
        _is('%{GLOBAL}'),
        'extensions such as cryptography refuse, or break in, another '
        'interpreter than the main one',
        _MOD_WSGI,
        where=_has('wsgiscriptalias'),
    ),
    Rule(
        'apache',
        ('wsgipassauthorization',),
        _on,
        'the application never sees the Authorization header',
        _MOD_WSGI,
        where=_has('wsgiscriptalias'),
    ),
    Rule(
        'apache',
        ('wsgidaemonprocess request-timeout',),
        _positive,
        'a request that never ends keeps its thread for ever',
        _MOD_WSGI,
        where=_has('wsgidaemonprocess'),
    ),
    Rule(
        'apache',
        ('require',),
        _given,
        'Apache 2.4 answers 403 to everything',
        _MOD_WSGI,
    ),
    Rule(
        'apache',
        ('allowencodedslashes',),
        lambda value: (value or '').lower() in ('on', 'nodecode'),
        'ids with an encoded slash get 404',
        _MOD_WSGI,
    ),
    Rule(
        'apache',
        ('limitrequestfieldsize',),
        _at_least(LONGEST_HEADER),
        f'{_TOKENS} answer of 400',
        _MOD_WSGI,
    ),
    Rule(
        'nginx',
        ('large_client_header_buffers',),
        _buffers_of(LONGEST_HEADER),
        f'{_TOKENS} answer of 400',
        _NGINX,
    ),
    Rule(
        'nginx',
        ('client_max_body_size',),
        _given,
        'bodies above 1 MB get 413',
        _NGINX,
    ),
    Rule(
        'nginx',
        ('uwsgi_param',),
        _given,
        'uWSGI gets no request line, and answers nothing; include '
        'uwsgi_params',
        _NGINX,
        where=_has('uwsgi_pass'),
    ),
)


def findings(file: host_files.HostFile):
    """Return what is wrong with a file, one sentence each, in order."""
    found = [rule.finding(file) for rule in RULES]
    if file.host == 'nginx':
        found += _forwarded(file)
    return [each for each in found if each]


def _forwarded(file):
    """Yield the headers that a proxy should replace and does not."""
    for passing, setting, names in (
        ('proxy_pass', 'proxy_set_header', ('Host', 'X-Forwarded-Proto')),
        ('uwsgi_pass', 'uwsgi_param', ('HTTP_X_FORWARDED_PROTO',)),
    ):
        given = {each.value.split()[0].lower() for each in file.all(setting)}
        for name in names:
            if file.last(passing) and name.lower() not in given:
                yield (
                    f'{file.path}: {setting} {name} is missing: links in '
                    'answers, and the scheme that the application believes, '
                    f'are what a client says, or wrong. See {_NGINX}.'
                )
