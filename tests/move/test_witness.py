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

"""The witness of the move sees what goes wrong: planted faults."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from hosts import driver
from move import witness
from telemetry import storage

from tests.requests import serving


def wait_for(condition):
    limit = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < limit, 'waited in vain'
        time.sleep(0.02)


class Faulty:
    """The telemetry API, with a fault in each fifth request to store."""

    def __init__(self, application, fault):
        self.application = application
        self.fault = fault
        self.posts = 0

    def __call__(self, environ, start_response):
        if environ['REQUEST_METHOD'] == 'POST':
            self.posts += 1
            if self.posts % 5 == 0:
                body = environ['wsgi.input'].read(
                    int(environ['CONTENT_LENGTH'])
                )
                status, body = self.fault(body)
                if status:
                    start_response(status, [])
                    return [b'[]']
                environ['CONTENT_LENGTH'] = str(len(body))
                environ['wsgi.input'] = io.BytesIO(body)
        return self.application(environ, start_response)


def nothing(body):
    return None, body


def lose(body):
    """Say that it is stored, and forget it."""
    return '201 Created', None


def double(body):
    """Store it twice, as with a proxy that asks again."""
    return None, json.dumps(json.loads(body) * 2).encode()


def fail(body):
    return '502 Bad Gateway', None


@pytest.fixture
def serve(conf, application):
    """A function that serves the API with a fault."""
    storage.Storage(conf).upgrade()
    return lambda fault: Faulty(application, fault)


def report_on(faulty):
    with serving.serve(faulty) as url:
        with witness.Witness(url, clients=2) as asking:
            wait_for(lambda: faulty.posts > 12)
        return asking.report()


def test_nothing_is_wrong(serve):
    report = report_on(serve(nothing))
    assert report.is_good
    assert report.stored >= 11
    assert report.answers > report.stored


def test_a_lost_sample_is_seen(serve):
    report = report_on(serve(lose))
    assert not report.is_good
    assert len(report.lost) >= 2
    assert not report.doubled
    assert 'the newest sample is' in report.failures[0]


def test_a_doubled_sample_is_seen(serve):
    report = report_on(serve(double))
    assert not report.is_good
    assert (report.failures, report.lost) == ((), ())
    assert len(report.doubled) >= 2


def test_a_failed_request_is_seen(serve):
    report = report_on(serve(fail))
    assert not report.is_good
    assert (report.lost, report.doubled) == ((), ())
    assert '502' in report.failures[0]


def test_waiting_ends_with_a_failure(serve):
    with (
        serving.serve(serve(fail)) as url,
        witness.Witness(url) as asking,
        pytest.raises(AssertionError, match='502'),
    ):
        asking.wait(1000)


@pytest.mark.parametrize(
    ('fault', 'status', 'last'),
    [
        (nothing, 0, r'\d+ samples: 0 lost, 0 doubled'),
        (lose, 1, r'.* look at http://.*: the newest sample is .*'),
    ],
)
def test_the_command(serve, fault, status, last):
    faulty = serve(fault)
    with serving.serve(faulty) as url:
        command = subprocess.Popen(
            [sys.executable, '-m', 'move', url, '--clients=1'],
            env={**os.environ, 'PYTHONPATH': str(driver.EXAMPLES)},
            stdout=subprocess.PIPE,
            text=True,
        )
        with command:
            wait_for(lambda: faulty.posts > 6)
            command.send_signal(signal.SIGTERM)
            printed = command.stdout.read().splitlines()
    assert command.returncode == status
    assert re.fullmatch(r'\d+ answers, \d+ failures', printed[0])
    assert re.fullmatch(last, printed[-1])
