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

"""Keeps an examined import from touching anything but its own folder.

The import sees a machine without network, on which every other program fails
at once, and whose disk is read-only outside one folder. Python raises an
audit event before each of these actions (the list is in the standard
library's "Audit events table"); the hook here answers with the error that
such a machine would give.
A hook can not be removed. Native code that does not go through Python is not
seen by it; the resource limits, and the network namespace that the caller
makes, hold for that, too.

Runs inside the examined Python: standard library only.
"""

import _posixsubprocess
import errno
import os
import resource
import shutil
import socket
import subprocess
import sys

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

#: Writing here changes nothing.
_HARMLESS = frozenset(('/dev/null', '/dev/zero', '/dev/full'))

#: Where each event that changes the disk has its paths, and after them,
#: if it can have one, the folder (an open file) that they are relative to.
_PATHS = {
    'os.chmod': ((0, 2),),
    'os.chown': ((0, 3),),
    'os.link': ((1, 3),),
    'os.mkdir': ((0, 2),),
    'os.remove': ((0, 1),),
    'os.removexattr': ((0, None),),
    'os.rename': ((0, 2), (1, 3)),
    'os.rmdir': ((0, 1),),
    'os.setxattr': ((0, None),),
    'os.symlink': ((1, 2),),
    'os.truncate': ((0, None),),
    'os.utime': ((0, 3),),
}

_PROCESS = frozenset(
    (
        'os.exec',
        'os.fork',
        'os.forkpty',
        'os.kill',
        'os.killpg',
        'os.posix_spawn',
        'os.spawn',
        'os.system',
        'pty.spawn',
        'signal.pthread_kill',
    )
)

_NAMES = frozenset(
    (
        'socket.getaddrinfo',
        'socket.gethostbyaddr',
        'socket.gethostbyname',
        'socket.getnameinfo',
    )
)

_PACKETS = frozenset(
    (
        'socket.bind',
        'socket.connect',
        'socket.sendmsg',
        'socket.sendto',
    )
)

# What was there before anything could be monkey-patched.
_fspath = os.fspath
_fsdecode = os.fsdecode
_isabs = os.path.isabs
_join = os.path.join
_readlink = os.readlink
_realpath = os.path.realpath
_gaierror = socket.gaierror
_fork_exec = _posixsubprocess.fork_exec
_FALSE = os.fsencode(shutil.which('false') or '/bin/false')


def limit(memory, seconds):
    """Limit this process.

    :param memory: address space in bytes.
    :param seconds: processor time; elapsed time is the caller's business.
    """
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 16 * 1024 * 1024),
    ):
        soft, hard = resource.getrlimit(what)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(what, (most, most))


def enter(folder, denied):
    """From now on, allow no writing outside ``folder``, no network, and no
    other process.

    :param denied: called with a line of text for each action not allowed,
        before it fails.
    """
    folder = _realpath(folder)

    def inside(path, base=None):
        if isinstance(path, int):
            return True  # an open file: opening it was looked at
        path = _fsdecode(_fspath(path))
        if isinstance(base, int) and base >= 0 and not _isabs(path):
            path = _join(_readlink(f'/proc/self/fd/{base}'), path)
        path = _realpath(path)
        return path in _HARMLESS or (path + '/').startswith(folder + '/')

    def deny(text, error):
        denied(text)
        raise error

    def read_only(action, path):
        deny(
            f'{action} {path}',
            OSError(errno.EROFS, os.strerror(errno.EROFS), path),
        )

    def hook(event, arguments):
        if event == 'open':
            path, mode, flags = arguments
            if not (flags or 0) & _WRITING:
                return
            # From os.open (no mode), a relative path may start at an open
            # folder, and the event does not tell.
            somewhere = mode is None and not (
                isinstance(path, int) or _isabs(_fsdecode(path))
            )
            if somewhere or not inside(path):
                read_only('write', path)
        elif event in _PATHS:
            for path, base in _PATHS[event]:
                base = None if base is None else arguments[base]
                if not inside(arguments[path], base):
                    read_only(event.removeprefix('os.'), arguments[path])
        elif event == 'sqlite3.connect':
            if arguments[0] != ':memory:' and not inside(arguments[0]):
                read_only('write', arguments[0])
        elif event == 'subprocess.Popen':
            # Not refused: few callers expect that. It fails by itself.
            denied(f'{event} {arguments[0]}')
        elif event in _PROCESS:
            deny(
                f'{event} {arguments[0] if arguments else ""}'.rstrip(),
                PermissionError(errno.EPERM, os.strerror(errno.EPERM)),
            )
        elif event in _NAMES:
            deny(
                f'{event} {arguments[0]}',
                _gaierror(socket.EAI_AGAIN, 'no network'),
            )
        elif event in _PACKETS:
            deny(
                f'{event} {arguments[1]}',
                OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH)),
            )

    _posixsubprocess.fork_exec = _start_false
    subprocess._fork_exec = _start_false
    sys.addaudithook(hook)


def _start_false(args, programs, *more):
    """Start ``false`` instead of what is asked for."""
    return _fork_exec([b'false'], (_FALSE,), *more)
