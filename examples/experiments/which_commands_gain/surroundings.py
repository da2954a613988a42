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

"""What a command under test waits for: slow services, and a far database.

They run in a process of their own, so that the measuring program does not
slow them down.
"""

import asyncio
import contextlib
import json
import re
import subprocess
import sys

#: Seconds after which a slow service answers: from a tenth to one.
SLOWNESS = (0.1, 1.0)
FOR_EVER = 1e6


class Surroundings:
    """The process; use it as a context manager.

    :param far: database name -> the port where it really is
    :param delay: seconds that each packet takes there, in each direction
    :ivar ports: database name -> the port where it is far away; and, as
        ``services``, that of the services
    """

    def __init__(self, far, delay):
        self._arguments = json.dumps([far, delay])

    def __enter__(self):
        self._process = subprocess.Popen(
            [sys.executable, '-m', __name__, self._arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ports = json.loads(self._process.stdout.readline())
        return self

    def __exit__(self, *exc_info):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def services(self, number, hanging):
        """Return URLs of services; so many of them never answer."""
        slowest = SLOWNESS[1] - SLOWNESS[0]
        base = f'http://127.0.0.1:{self.ports["services"]}'
        return [
            f'{base}/hang/{index}'
            if index < hanging
            else f'{base}/{SLOWNESS[0] + slowest * index / number:.3f}'
            for index in range(number)
        ]

    @property
    def sink(self):
        """The URL of an API that takes every sample at once."""
        return f'http://127.0.0.1:{self.ports["services"]}'


async def _run(far, delay):
    ports = {'services': await _listen(_serve)}
    for name, port in far.items():
        ports[name] = await _listen(_far(port, delay))
    print(json.dumps(ports), flush=True)
    await asyncio.sleep(FOR_EVER)


async def _listen(handle):
    async def handle_and_close(reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await handle(reader, writer)
        writer.close()

    server = await asyncio.start_server(
        handle_and_close, '127.0.0.1', 0, backlog=1024
    )
    return server.sockets[0].getsockname()[1]


async def _serve(reader, writer):
    """Answer GET /SECONDS after so many seconds, and any POST at once."""
    while True:
        head = (await reader.readuntil(b'\r\n\r\n')).decode()
        method, path, _ = head.split(' ', 2)
        if length := re.search(r'(?i)content-length: (\d+)', head):
            await reader.readexactly(int(length[1]))
        if method == 'GET' and path.startswith('/hang'):
            await asyncio.sleep(FOR_EVER)
        if method == 'GET':
            await asyncio.sleep(float(path[1:]))
        status = '201 Created' if method == 'POST' else '200 OK'
        writer.write(
            f'HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n[]'.encode()
        )
        await writer.drain()


def _far(port, delay):
    async def forward(reader, writer):
        there = await asyncio.open_connection('127.0.0.1', port)
        await asyncio.gather(
            _pass_on(reader, there[1], delay),
            _pass_on(there[0], writer, delay),
        )

    return forward


async def _pass_on(reader, writer, delay):
    """Pass packets on, each after the delay, in their order."""
    loop = asyncio.get_running_loop()
    while data := await reader.read(2**16):
        loop.call_later(delay, writer.write, data)
    loop.call_later(delay, writer.close)
    await asyncio.sleep(delay)


if __name__ == '__main__':
    asyncio.run(_run(*json.loads(sys.argv[1])))
