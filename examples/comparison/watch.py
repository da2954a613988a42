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

"""What the machine, the host and the database did during a run."""

import contextlib
import pathlib
import threading
import time

import psutil

_TCP = pathlib.Path('/proc/net/tcp')
_ESTABLISHED = '01'
#: How many seconds lie between two looks.
PAUSE = 0.25


class Watch:
    """Looks at a run from its beginning to its end, as a context manager.

    :param server: the running :class:`hosts.Host`
    :param store: the :class:`comparison.stores.Store`, or None
    :param probe: a function that sends one request and returns why its
        answer is wrong, or None; or None, where nothing is to be sent

    When it is left, these hold:

    :ivar seconds: how long it took
    :ivar cpu_host: seconds of CPU that all processes of the host used
    :ivar cpu_store: those of the database server
    :ivar cpu_machine: those of everything on the machine
    :ivar steal: seconds of CPU that the machine did not get
    :ivar connections: the most connections of the host to the database
        server that were seen
    :ivar memory: bytes of each worker at the end; memory that processes
        share is split between them
    :ivar wrong: what was wrong with answers, a list
    :ivar probes: how many answers were looked at
    """

    def __init__(self, server, store, probe):
        self._server = server
        self._store = store
        self._probe = probe
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.connections = 0
        self.wrong = []
        self.probes = 0

    def __enter__(self):
        self._before = self._read()
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._end.set()
        after = self._read()
        self._thread.join()
        names = ('seconds', 'cpu_host', 'cpu_store', 'cpu_machine', 'steal')
        for name, old, new in zip(names, self._before, after, strict=True):
            setattr(self, name, round(new - old, 3))
        self.memory = memory(self._server.workers())

    def _read(self):
        """Now, CPU of host, store and machine, and steal, in seconds."""
        times = psutil.cpu_times()
        busy = sum(times[:8]) - times.idle - times.iowait - times.steal
        return (
            time.monotonic(),
            cpu_seconds(self._server.processes()),
            cpu_seconds(self._store.processes() if self._store else ()),
            busy,
            times.steal,
        )

    def _look(self):
        while not self._end.wait(PAUSE):
            if self._store is not None and self._store.server is not None:
                self.connections = max(
                    self.connections,
                    connections(
                        self._server.processes(), self._store.server.port
                    ),
                )
            # Not at each look: this is load, too.
            seconds = time.monotonic() - self._before[0]
            if self._probe and self.probes * 4 * PAUSE <= seconds:
                self.probes += 1
                if why := self._probe():
                    self.wrong.append(why)


def wait_until_quiet(patience):
    """Wait until nearly nothing uses the machine, or for so many seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if psutil.cpu_percent(0.3) < 10:
            return


def cpu_seconds(processes):
    """The CPU that processes used, with that of children they waited for."""
    total = 0
    for process in processes:
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


def connections(processes, port):
    """How many TCP connections processes have to a local port."""
    inodes = set()
    for line in _TCP.read_text().splitlines()[1:]:
        _, _, remote, state, *rest = line.split()
        if state == _ESTABLISHED and int(remote[-4:], 16) == port:
            inodes.add(f'socket:[{rest[5]}]')
    return sum(
        link in inodes for process in processes for link in _links(process.pid)
    )


def _links(pid):
    """What the descriptors of a process are, as far as it is still there."""
    found = []
    with contextlib.suppress(OSError):
        for descriptor in pathlib.Path(f'/proc/{pid}/fd').iterdir():
            with contextlib.suppress(OSError):
                found.append(str(descriptor.readlink()))
    return found


def memory(pids):
    """The memory of processes in bytes, in the order of their ids.

    Memory that processes share is split between them.
    """
    found = []
    for pid in sorted(pids):
        try:
            found.append(psutil.Process(pid).memory_full_info().pss)
        except psutil.NoSuchProcess:
            continue
    return found
