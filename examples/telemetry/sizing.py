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
"""How many processes and threads an API needs, and what they take.

For λ requests a second, each of which has c seconds of CPU and waits w
seconds for the storage:

* Threads of one process run Python code one at a time, so a process is one
  core at most. U = 0.7 of it is planned: λ c / U processes.
* On a core that is used so far, the CPU part of a request takes c / (1 - U):
  the mean of an M/G/1 queue with processor sharing, whatever the requests
  are like (L. Kleinrock, Queueing Systems, volume II, 1976, chapter 4).
  That is 3.3 times as long as alone at 0.7, and 10 times at 0.9. So a
  request takes W = w + c / (1 - U).
* On average L = λ W requests are in progress (J. D. C. Little, A proof for
  the queuing formula: L = λW, Operations Research 9(3), 1961, 383-387).
* Arrivals are random, and so the number in progress varies, by √L. There are
  threads for L + 2 √L (the square-root rule: S. Halfin and W. Whitt,
  Heavy-traffic limits for queues with many exponential servers, Operations
  Research 29(3), 1981, 567-588).
* A thread has one connection at a time, so that a pool of as many is enough.
"""

import dataclasses
import math

#: The share of a core that is planned to be used.
UTILISATION = 0.7
#: How many standard deviations of the requests in progress have room.
MARGIN = 2
#: One process answers while another one is replaced.
FEWEST_PROCESSES = 2
#: While a host replaces its processes, old and new ones may be there at once.
GENERATIONS = 2


class SizingError(Exception):
    """What is asked for cannot be reckoned; the message tells why."""


class TooMuchError(SizingError):
    """One machine cannot meet the rate; the message tells what it can.

    :ivar highest: the rate that it can meet, in requests a second; 0 if none
    """

    def __init__(self, message, highest):
        super().__init__(message)
        self.highest = highest


@dataclasses.dataclass(frozen=True)
class Task:
    """What is asked of a machine.

    :ivar rate: requests a second, at the busiest time
    :ivar cpu_ms: milliseconds of CPU that one request takes on the host
    :ivar wait_ms: milliseconds that one request waits for the storage
    :ivar cores: how many the API may use
    :ivar memory_mb: megabytes that the API may use
    :ivar worker_mb: megabytes of one process under load
    :ivar connections: how many the database allows; None is any number
    :raises SizingError: a value makes no sense; the message names it
    """

    rate: float
    cpu_ms: float
    wait_ms: float
    cores: int
    memory_mb: float
    worker_mb: float
    connections: int | None = None

    def __post_init__(self):
        for name, value in vars(self).items():
            if value is None and name == 'connections':
                continue
            if not math.isfinite(value) or value < 0:
                raise SizingError(f'{name}: {value:g} is not a number above 0')
            if value == 0 and name != 'wait_ms':
                raise SizingError(f'{name}: must be above 0')


@dataclasses.dataclass(frozen=True)
class Size:
    """What a task needs.

    :ivar in_progress: how many requests are in progress on average
    :ivar processes: how many processes
    :ivar threads: how many threads each process has
    :ivar memory_mb: megabytes of all processes
    """

    in_progress: float
    processes: int
    threads: int
    memory_mb: float

    @property
    def pool(self):
        """``[database] max_pool_size`` of each process."""
        return self.threads

    @property
    def connections(self):
        """How many connections all processes have at most."""
        return self.processes * self.pool


def size(task):
    """Return the Size that a Task needs.

    :raises TooMuchError: one machine cannot meet the rate
    """
    found = _needed(task)
    if lacking := _lacking(task, found):
        raise TooMuchError(*_too_much(task, lacking))
    return found


def in_progress(rate, cpu_ms, wait_ms):
    """Return how many requests are in progress on average: L = λ W."""
    cpu, wait = _seconds(cpu_ms), _seconds(wait_ms)
    return rate * (wait + cpu / (1 - UTILISATION))


def highest_rate(task):
    """Return how many requests a second the machine can meet; 0 if none.

    It is a multiple of a tenth. ``task.rate`` is of no account.
    """
    highest = UTILISATION * task.cores / _seconds(task.cpu_ms)
    # In tenths. The lower one always fits, and the upper one does not.
    low, high = 0, math.floor(highest * 10) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if _fits(task, middle / 10):
            low = middle
        else:
            high = middle
    return low / 10


def _fits(task, rate):
    task = dataclasses.replace(task, rate=rate)
    return not _lacking(task, _needed(task))


def _cores(task):
    """Return how many cores the rate takes, each used as far as planned."""
    return task.rate * _seconds(task.cpu_ms) / UTILISATION


def _needed(task):
    # More processes than cores gain nothing.
    processes = max(FEWEST_PROCESSES, min(task.cores, math.ceil(_cores(task))))
    mean = in_progress(task.rate, task.cpu_ms, task.wait_ms)
    threads = math.ceil((mean + MARGIN * math.sqrt(mean)) / processes)
    return Size(mean, processes, threads, processes * task.worker_mb)


def _lacking(task, found):
    """Return {what is not enough: a text that tells how much it takes}."""
    cores = _cores(task)
    memory = GENERATIONS * found.memory_mb
    connections = GENERATIONS * found.connections
    lacking = {}
    # So little more comes from the arithmetic alone.
    if cores > task.cores * (1 + 1e-9):
        lacking['cores'] = (
            f'{math.ceil(cores)} cores, each used to {UTILISATION:.0%}, and '
            f'there are {task.cores}'
        )
    if memory > task.memory_mb:
        lacking['memory'] = (
            f'{memory:.0f} MB while processes are replaced, and there are '
            f'{task.memory_mb:.0f}'
        )
    if task.connections is not None and connections > task.connections:
        lacking['connections'] = (
            f'{connections} connections while processes are replaced, and '
            f'the database allows {task.connections}'
        )
    return lacking


def _too_much(task, lacking):
    """Return what TooMuchError takes."""
    highest = highest_rate(task)
    message = (
        f'rate: {task.rate:g} requests a second need '
        f'{"; ".join(lacking.values())}. '
    )
    if not highest:
        return f'{message}This machine can answer none.', highest
    message += f'This machine can answer {highest:g} a second.'
    # All machines share the connections.
    if 'connections' not in lacking:
        machines = math.ceil(task.rate / highest)
        message += f' {machines} such machines can do it together.'
    return message, highest


def _seconds(milliseconds):
    return milliseconds / 1000
