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

"""Which runs there are, and in which order."""

import dataclasses
import itertools
import random

from comparison import ComparisonError, hang_up, stores, styles
from comparison.styles import Style

TELEMETRY = 'telemetry.wsgi:application'
HELLO = 'comparison.hello:application'
LARGE = 'comparison.large:application'
STORAGE_PATHS = 'comparison.storage_paths:application'


#: The experiment whose pools are too small on purpose.
SMALL_POOL = 'small-pool'
#: Requests in a second of an open loop: all styles can do it.
RATE = 40


@dataclasses.dataclass(frozen=True)
class Step:
    """One thing that is done to a running host.

    :ivar mode: ``closed`` or ``open``, or the name of a trouble
    :ivar traffic: the name of what is asked
    :ivar amount: connections of a closed loop, or requests in a second of
        an open one
    :ivar seconds: how long
    """

    mode: str
    traffic: str
    amount: int
    seconds: float


# A process for each request takes its time.
_FEW = (
    Step('closed', 'list', 8, 3),
    Step('closed', 'post-1', 8, 3),
)


@dataclasses.dataclass(frozen=True)
class Block:
    """Steps on one start of a host.

    :ivar experiment: the question that it belongs to
    :ivar store: the name of the store, or None
    :ivar samples: how many samples are stored
    :ivar repeat: which repeat it is, from 0
    """

    experiment: str
    style: Style
    store: str | None
    steps: tuple[Step, ...]
    application: str = TELEMETRY
    samples: int = 10000
    repeat: int = 0

    def id(self, step):
        """What names a run in the data: the same for the same plan."""
        return '/'.join(
            map(
                str,
                (
                    self.experiment,
                    self.style.name,
                    self.store,
                    self.samples,
                    step.mode,
                    step.traffic,
                    step.amount,
                    self.repeat,
                ),
            )
        )


def in_turns(blocks, repeats, seed):
    """Repeat the blocks, in a new random order each time.

    What the machine does to one style over time, it does to all. A
    comparison that is cut off has fewer repeats, of everything.

    :param seed: the same one gives the same order
    """
    rng = random.Random(seed)
    return [
        dataclasses.replace(
            block,
            steps=tuple(rng.sample(block.steps, len(block.steps))),
            repeat=repeat,
        )
        for repeat in range(repeats)
        for block in rng.sample(blocks, len(blocks))
    ]


def quick(seed):
    """A few minutes: the three styles, equal and as they should be."""
    chosen = [
        *styles.EQUAL[:5],
        *(style for style in styles.PROPER if style.host == 'uwsgi'),
    ]
    steps = (
        Step('closed', 'list', 8, 2),
        Step('closed', 'statistics', 8, 2),
        Step('open', 'list', RATE, 3),
    )
    return in_turns(
        [
            *(
                Block('styles', style, store, _within_reach(style, steps))
                for style in chosen
                for store in (stores.SQLITE, 'postgresql')
            ),
            *_ceilings(chosen, 2),
        ],
        repeats=2,
        seed=seed,
    )


def _within_reach(style, steps):
    """The steps that a style can do: with a process for each request it does
    not keep up with the fixed rate."""
    return tuple(
        step for step in steps if step.mode == 'closed' or not style.forks
    )


def full(seed):
    """Every question, in about an hour."""
    return [
        *in_turns([*_equal(), *_configured(), *_troubles()], 3, seed),
        *in_turns(
            [
                *_ceilings((*styles.EQUAL, *styles.PROPER), 1),
                *_bare(),
                *_growth(),
            ],
            3,
            seed,
        ),
        *in_turns(_hang_ups(), 1, seed),
    ]


def _equal():
    """Styles of one size, on every database."""
    steps = (
        *(
            Step('closed', name, 8, 1)
            for name in (
                'health',
                'list',
                'statistics',
                'post-1',
                'post-100',
                'mixed',
            )
        ),
        Step('open', 'list', RATE, 3),
    )
    return [
        *(
            Block('styles', style, store, steps)
            for style in styles.EQUAL
            for store in (stores.SQLITE, 'postgresql', 'mariadb')
            if not style.forks
        ),
        Block('styles', styles.GREEN, stores.COOPERATIVE, steps),
        *(
            Block('styles', styles.FORKING, store, _FEW)
            for store in (stores.SQLITE, 'postgresql')
        ),
    ]


def _configured():
    """Styles as they are found, and as they should be."""
    steps = (
        Step('closed', 'list', 8, 1),
        Step('closed', 'post-1', 8, 1),
        Step('open', 'list', RATE, 3),
    )
    return [
        *(
            Block(
                'styles', style, 'postgresql', _FEW if style.forks else steps
            )
            for style in (*styles.WILD, *styles.PROPER)
        ),
        *(
            Block('styles', styles.EVENTLET_PROPER, store, steps)
            for store in ('postgresql', stores.COOPERATIVE)
        ),
    ]


def _bare():
    """The queries of a request, without host and application."""
    steps = (Step('bare', 'list', 1, 1), Step('bare', 'statistics', 1, 1))
    return [
        Block('bare', styles.BASELINE, store, steps)
        for store in (stores.SQLITE, 'postgresql', 'mariadb')
    ]


def any_application(application, request, seed, concurrency=8):
    """The equal styles with an application of somebody else.

    :param request: the name of the request
    """
    steps = (
        Step('closed', request, concurrency, 3),
        Step('open', request, RATE, 5),
    )
    return in_turns(
        [
            Block(
                'styles',
                style,
                None,
                _within_reach(style, steps),
                application,
            )
            for style in (*styles.EQUAL, *styles.PROPER)
        ],
        repeats=3,
        seed=seed,
    )


def _ceilings(chosen, seconds):
    return [
        Block(
            'ceiling',
            style,
            None,
            (Step('closed', 'hello', 8, seconds),),
            HELLO,
        )
        for style in chosen
    ]


def _room(number):
    """Styles with room for so many requests at a time, in one process."""
    return [
        dataclasses.replace(styles.BASELINE, pool=number),
        dataclasses.replace(styles.GREEN, pool=number),
        *styles.three(1, number, number),
    ]


def _forking(number):
    """The style that forks, with room for so many requests at a time."""
    return dataclasses.replace(
        styles.FORKING, name=f'werkzeug fork {number}', processes=number
    )


def _troubles():
    """Storage on purpose."""
    threads, green, uwsgi, gunicorn, mod_wsgi = rooms = _room(16)
    forking = _forking(16)
    slow = [
        Block(
            'slow-query',
            style,
            store,
            (Step('slow_query', 'list', 8, 3),),
            STORAGE_PATHS,
        )
        for style, store in (
            *((style, 'postgresql') for style in (*rooms, forking)),
            *((style, 'mariadb') for style in (threads, green, uwsgi)),
            (green, stores.COOPERATIVE),
            (threads, stores.MYSQLCLIENT),
            (green, stores.MYSQLCLIENT),
        )
    ]
    small = [
        Block(
            SMALL_POOL,
            dataclasses.replace(
                style, name=f'{style.name}, pool of {pool}', pool=pool
            ),
            store,
            (Step('closed', 'list', 16, 1), Step('open', 'list', RATE, 3)),
        )
        for style, store in (
            *((style, 'postgresql') for style in (threads, green, uwsgi)),
            (green, stores.COOPERATIVE),
        )
        for pool in (1, 16)
    ]
    restart = [
        Block(
            'restart', style, 'postgresql', (Step('restart', 'list', 20, 5),)
        )
        for style in (threads, green, uwsgi, gunicorn, mod_wsgi)
    ]
    writes = [
        Block(
            'writes',
            style,
            stores.SQLITE,
            (Step('closed', 'post-1', 16, 2), Step('open', 'post-1', 25, 3)),
        )
        for style in (threads, green, uwsgi, forking)
    ]
    readers = [
        Block(
            'slow-reader',
            style,
            'postgresql',
            (
                Step('slow_reader', 'whole', 8, 3),
                Step('slow_reader', 'streamed', 8, 3),
            ),
            STORAGE_PATHS,
        )
        for style in (threads, green, uwsgi)
    ]
    return [*slow, *small, *restart, *writes, *readers]


def _hang_ups():
    """Clients that do not take their answers."""
    nginx = next(one for one in styles.PROPER if one.host == 'nginx-uwsgi')
    return [
        Block(
            'hang-up',
            style,
            None,
            (Step('hang_up', name, 50, 1),),
            LARGE,
        )
        # Each on a start of its own: memory may stay with a process.
        for name in hang_up.CLIENTS
        for style in (
            *_room(16),
            _forking(16),
            styles.EVENTLET_WSGI,
            nginx,
            styles.LOUD,
        )
    ]


def _growth():
    """More connections, and more stored samples."""
    chosen = (styles.BASELINE, styles.GREEN, styles.three(1, 8, 8)[0])
    concurrency = [
        Block(
            'concurrency',
            style,
            'postgresql',
            tuple(
                Step('closed', 'list', amount, 1)
                for amount in (1, 4, 16, 64, 256)
            ),
        )
        for style in chosen
    ]
    stored = [
        Block(
            'stored-samples',
            style,
            'postgresql',
            (
                Step('closed', 'list', 8, 1),
                Step('closed', 'statistics', 8, seconds),
            ),
            samples=samples,
        )
        for style in chosen
        for samples, seconds in (
            (10_000, 1),
            (100_000, 1),
            (1_000_000, 1),
            # One answer alone takes about a second.
            (10_000_000, 10),
        )
    ]
    return concurrency + stored


#: The plans by the names that stand in the data.
PLANS = {'quick': quick, 'full': full}


def runs(blocks):
    """Give (block, step) of every run.

    :raises ComparisonError: two runs of the plan have the same name
    """
    found = [(block, step) for block in blocks for step in block.steps]
    ids = sorted(block.id(step) for block, step in found)
    for one, other in itertools.pairwise(ids):
        if one == other:
            raise ComparisonError(f'the plan has the run {one} twice')
    return found
