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

"""A client that records every answer, and knows what must be stored."""

import collections
import dataclasses
import datetime
import itertools
import threading
import time
import uuid

import requests

#: The meter of all samples of this client.
METER = 'move.witness'
#: A resource has so many samples, so that one answer holds all of them.
SAMPLES_PER_RESOURCE = 1000
#: Seconds that a request may take, and that :meth:`Witness.wait` waits.
PATIENCE = 120


@dataclasses.dataclass(frozen=True)
class Report:
    """What came of all requests."""

    #: How many requests were answered as they should.
    answers: int
    #: What was wrong with the others, one text each.
    failures: tuple
    #: How many samples the API said that it has stored.
    stored: int
    #: Those of them that it does not have, as (resource id, number).
    lost: tuple
    #: Those that it has more than once.
    doubled: tuple

    @property
    def is_good(self):
        """Whether nothing failed, and each sample is there once."""
        return not (self.failures or self.lost or self.doubled)

    def __str__(self):
        return '\n'.join(
            [
                f'{self.answers} answers, {len(self.failures)} failures',
                (
                    f'{self.stored} samples: {len(self.lost)} lost, '
                    f'{len(self.doubled)} doubled'
                ),
                *self.failures[:10],
            ]
        )


class Witness:
    """Clients that ask all the time while the context lasts.

    Each client stores a sample, then asks for its newest one, which must be
    that sample, whichever server answers. It never asks twice: a request
    that fails has failed.

    :param url: the URL of the API, without /v2. It may be replaced at any
        time; the next request of each client goes there.
    :param clients: how many ask at the same time
    :param verify: as in requests: True, or a file of certificates
    """

    def __init__(self, url, clients=4, verify=True):
        self.url = url
        self.verify = verify
        self.run = uuid.uuid4().hex
        self._answers = [0] * clients
        self._failures = []
        self._stored = [[] for _ in range(clients)]
        self._finished = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(client,))
            for client in range(clients)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info):
        self.stop()

    def stop(self):
        """Let each client finish its request, and stop."""
        self._finished.set()
        for thread in self._threads:
            thread.join()

    def wait(self, answers):
        """Wait until each client has got so many more answers.

        :raises AssertionError: a request failed, or it takes too long
        """
        wanted = [count + answers for count in self._answers]
        limit = time.monotonic() + PATIENCE
        while any(
            count < want
            for count, want in zip(self._answers, wanted, strict=True)
        ):
            if self._failures or time.monotonic() > limit:
                raise AssertionError(
                    '\n'.join(['waited in vain', *self._failures])
                )
            time.sleep(0.02)

    def report(self):
        """Ask for all that was stored, and return a :class:`Report`.

        :raises requests.RequestException: the API does not answer that
        """
        stored = [pair for each in self._stored for pair in each]
        found = collections.Counter()
        with self._session() as session:
            for resource in dict.fromkeys(name for name, _ in stored):
                samples = self._get(session, resource, 10000)
                found.update((resource, volume) for volume in samples)
        return Report(
            answers=sum(self._answers),
            failures=tuple(self._failures),
            stored=len(stored),
            lost=tuple(pair for pair in stored if not found[pair]),
            doubled=tuple(pair for pair in found if found[pair] > 1),
        )

    def _session(self):
        session = requests.Session()
        session.trust_env = False
        return session

    def _ask(self, client):
        # Times of its own: the newest sample is the last one, whatever the
        # clocks of two servers say.
        began = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
        with self._session() as session:
            for number in itertools.count():
                resource = (
                    f'{self.run}-{client}-{number // SAMPLES_PER_RESOURCE}'
                )
                moment = began + datetime.timedelta(milliseconds=number)
                for ask in (self._store, self._look):
                    if self._finished.is_set():
                        return
                    try:
                        ask(session, client, resource, number, moment)
                    except (requests.RequestException, ValueError) as error:
                        now = datetime.datetime.now(datetime.UTC)
                        name = ask.__name__.strip('_')
                        self._failures.append(
                            f'{now:%H:%M:%S} {name} at {self.url}: {error}'
                        )
                        break  # the next sample may do better
                    self._answers[client] += 1

    def _store(self, session, client, resource, number, moment):
        sample = {
            'counter_name': METER,
            'counter_type': 'gauge',
            'counter_unit': 'request',
            'counter_volume': number,
            'resource_id': resource,
            'resource_metadata': {},
            'timestamp': moment.isoformat(),
        }
        answer = session.post(
            f'{self.url}/v2/meters/{METER}',
            json=[sample],
            timeout=PATIENCE,
            verify=self.verify,
        )
        if answer.status_code != 201:
            raise ValueError(f'{answer.status_code} {answer.text[:200]}')
        self._stored[client].append((resource, number))

    def _look(self, session, client, resource, number, moment):
        found = self._get(session, resource, 1)
        if found != [number]:
            raise ValueError(f'the newest sample is {found}, not {number}')

    def _get(self, session, resource, limit):
        """Give the volumes of the newest samples of a resource."""
        answer = session.get(
            f'{self.url}/v2/meters/{METER}',
            params={
                'q.field': 'resource_id',
                'q.op': 'eq',
                'q.value': resource,
                'limit': limit,
            },
            timeout=PATIENCE,
            verify=self.verify,
        )
        answer.raise_for_status()
        return [sample['counter_volume'] for sample in answer.json()]
