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
"""The API on hosts with several processes, and what Prometheus gets of it."""

import pathlib
import re
import subprocess
import sys
import time

import hosts
import pytest
import requests
from prometheus_client import parser
from telemetry import conf as telemetry_conf
from telemetry import storage


def wait_for(condition, seconds=60):
    limit = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < limit, 'waited in vain'
        time.sleep(0.05)
    return answer


class Service:
    """A host with the API, and telemetry-metrics beside it."""

    def __init__(self, server, database, url):
        self.server = server
        self.database = database
        self.url = url

    def samples(self):
        """What Prometheus would store now."""
        answer = requests.get(self.url, timeout=60)
        answer.raise_for_status()
        return [
            sample
            for family in parser.text_string_to_metric_families(answer.text)
            for sample in family.samples
        ]

    def value(self, name, **labels):
        """The sum of the samples with a name and these labels."""
        return sum(
            sample.value
            for sample in self.samples()
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def answered_by(self, path):
        """The processes that have logged an answer for a path."""
        line = rf' (\d+) INFO telemetry\.api\.watch .*"GET {path}" '
        return set(re.findall(line, self.server.log_text()))


@pytest.fixture(scope='session', params=['gunicorn', 'uwsgi'])
def service(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    folder.chmod(0o777)  # the host runs as nobody
    database = folder / 'telemetry.sqlite'
    environ = {
        'OS_TELEMETRY_CONFIG_DIR': str(folder / 'etc'),
        'OS_DATABASE__CONNECTION': f'sqlite:///{database}',
        'OS_METRICS__DIRECTORY': str(folder / 'metrics'),
    }
    conf = telemetry_conf.new()
    conf([], default_config_files=[], default_config_dirs=[])
    conf.set_override(
        'connection', environ['OS_DATABASE__CONNECTION'], 'database'
    )
    storage.Storage(conf).upgrade()
    host = hosts.find()[request.param]
    with (
        host(
            'telemetry.wsgi:application', folder / 'host', environ=environ
        ) as server,
        subprocess.Popen(
            [
                pathlib.Path(sys.executable).with_name('telemetry-metrics'),
                *('--port', '0'),
            ],
            env=environ,
            stdout=subprocess.PIPE,
            text=True,
        ) as metrics,
    ):
        try:
            *_, url = metrics.stdout.readline().split()
            yield Service(server, database, url)
        finally:
            metrics.terminate()
