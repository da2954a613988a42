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

"""Clients that hang up early, reset, stall, or send half a request.

Each of them asks a host for a large answer, and all come again and again. A
slow reader takes its answer beside them. What the host logs, what memory its
workers keep and whether it still answers others is written down.
"""

import contextlib
import pathlib
import re
import socket
import ssl
import struct
import sysconfig
import threading
import time

from comparison import watch
from comparison.requests import Request

SIZE = 20_000_000
#: Seconds that a good client waits. One process needs some of them to make
#: large answers for all the others.
PATIENCE = 5
#: How often all clients come.
ROUNDS = 3
SMALL = Request('small', 'GET', '/?10')
#: Name of a client to the path that it asks for, and what it is called.
CLIENTS = {
    'close': ('/whole', 'closes after 64 kB of a body built whole'),
    'close-streamed': ('/streamed', 'closes after 64 kB of a streamed body'),
    'reset': ('/whole', 'resets the connection after 64 kB'),
    'stall': ('/whole', 'reads nothing at all'),
    'half-request': ('/whole', 'sends half a request'),
}
#: Lines that are written for each request anyway, or by a start.
_ACCESS = re.compile(
    r'"(GET|POST) /\S* HTTP|\] (GET|POST) /|spawned uWSGI|WSGI app 0|^\s*$'
    r"|accepted \('"
)
# The folders that Python and packages are in, the deeper ones first.
_FOLDERS = [
    f'{folder}/'
    for folder in sorted(
        {
            *(sysconfig.get_path(name) for name in ('purelib', 'stdlib')),
            str(pathlib.Path(__file__).parents[1]),
        },
        key=len,
        reverse=True,
    )
]
#: What differs from line to line.
_NUMBERS = re.compile(r'\b\d[\d.:]*\b')


def hang_up(server, store, step, folder):
    """Let clients misbehave, and look at the host meanwhile and afterwards.

    :returns: no load, and what was found: ``log``, the lines that are not
        there for good requests either, each with how often it came, and with
        the ``traceback`` that it is the end of, if it is; bytes of
        all processes as ``memory_before``, ``memory_peak`` and
        ``memory_after``; ``others_ms``, how long a small request of a good
        client took in the first round, None for not within
        :data:`PATIENCE`; ``reader_bytes`` of the slow reader, and
        ``reader_error``, the name of what ended it, or None;
        ``same_workers``; ``afterwards``, the status that a good client
        gets when all is over
    """
    path, _ = CLIENTS[step.traffic]
    SMALL.send(server)
    workers = server.workers()
    before = peak = _memory(server)
    sizes = {log: log.stat().st_size for log in server.logs}
    with SlowReader(server, path) as reader:
        for turn in range(ROUNDS):
            clients = [_connect(server) for _ in range(step.amount)]
            for client in clients:
                client.sendall(_request(path, step.traffic != 'half-request'))
            if turn == 0:
                others = _others(server)
            end = time.monotonic() + PATIENCE
            for client in clients:
                if step.traffic in ('close', 'close-streamed', 'reset'):
                    _take(client, end)
                peak = max(peak, _memory(server))
                _end(client, step.traffic)
    time.sleep(step.seconds)
    return None, {
        'log': _summary(_new_lines(server, sizes)),
        'memory_before': before,
        'memory_peak': peak,
        'memory_after': _memory(server),
        'others_ms': others,
        'reader_bytes': reader.bytes,
        'reader_error': reader.error,
        'same_workers': server.workers() == workers,
        'afterwards': SMALL.send(server).status_code,
    }


def _request(path, whole=True):
    head = (
        f'GET {path}?{SIZE} HTTP/1.1\r\nHost: localhost\r\n'
        'Connection: close\r\n'
    )
    return (head + '\r\n' * whole).encode()


class SlowReader:
    """A client that takes its answer in small bites, as a context manager.

    :ivar bytes: how much it has got
    :ivar error: what ended it before it was told to, or None
    """

    def __init__(self, server, path):
        self.bytes = 0
        self.error = None
        self._client = _connect(server)
        self._client.sendall(_request(path))
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def _read(self):
        while not self._end.wait(0.1):
            try:
                piece = self._client.recv(16384)
            except OSError as error:
                self.error = type(error).__name__
                return
            if not piece:
                self.error = 'end of file'
                return
            self.bytes += len(piece)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._end.set()
        self._thread.join()
        self._client.close()


def _memory(server):
    """The memory of all processes of the host, in bytes."""
    return sum(watch.memory(one.pid for one in server.processes()))


def _new_lines(server, sizes):
    """What was added to the log files since they had these sizes."""
    lines = []
    for log in server.logs:
        new = log.read_bytes()[sizes.get(log, 0) :].decode(errors='replace')
        for folder in (f'{server.root}/', *_FOLDERS):
            new = new.replace(folder, '.../')
        lines += new.splitlines()
    return lines


def _connect(server):
    client = socket.create_connection((server.address, server.port), 10)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    if server.scheme == 'https':
        context = ssl.create_default_context(cafile=server.certificate)
        client = context.wrap_socket(client, server_hostname=server.address)
    return client


def _take(client, end):
    """Read 64 kB of the answer, or what comes of it until a time."""
    left = 65536
    with contextlib.suppress(OSError):
        while left > 0:
            # What is there already is taken at any time.
            client.settimeout(max(end - time.monotonic(), 0.01))
            piece = client.recv(left)
            if not piece:
                return
            left -= len(piece)


def _end(client, how):
    if how == 'reset':
        client.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)
        )
    client.close()


def _others(server):
    """How many milliseconds a good client waits meanwhile, if it is served."""
    began = time.monotonic()
    with server.session() as session:
        try:
            session.get(server.base_url + SMALL.path, timeout=PATIENCE)
        except OSError:
            return None
    return round((time.monotonic() - began) * 1000, 1)


def _summary(lines):
    """Each kind of line with its number, in the order of the first ones.

    A traceback is one line, its last.
    """
    kinds = {}
    traceback = []
    for line in lines:
        if line.startswith('Traceback ') or (
            traceback and line.startswith(' ')
        ):
            traceback.append(line)
            continue
        if not _ACCESS.search(line):
            kind = {'line': line, 'times': 0}
            if traceback:
                kind['traceback'] = [*traceback, line]
            kind = kinds.setdefault(_NUMBERS.sub('N', line), kind)
            kind['times'] += 1
        traceback = []
    return list(kinds.values())
