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

"""Servers of the move: old, old behind nginx, new, and nginx itself."""

import pathlib
import signal

import pytest
from hosts import driver, nginx, nginx_uwsgi, uwsgi, werkzeug_eventlet
from move import witness
from telemetry import conf as telemetry_conf
from telemetry import storage

MOVE = driver.EXAMPLES / 'move'
APPLICATION = 'telemetry.wsgi:application'


class New(uwsgi.BehindProxy):
    """uWSGI behind nginx, which may be started more than once."""

    folder = pathlib.Path(uwsgi.__file__).parent

    def prepare(self):
        # It is ready when its log says so, and not that of an earlier start.
        for log in self.logs:
            log.unlink()


class Site(nginx.Nginx):
    """nginx alone; what it passes requests to starts and stops elsewhere.

    :param old: the eventlet server behind it
    :param new: the WSGI host behind it
    """

    name = 'nginx'
    behind = uwsgi.BehindProxy
    folder = pathlib.Path(nginx_uwsgi.__file__).parent

    def __init__(self, root, old, new):
        super().__init__(APPLICATION, root)
        self.old = old
        self.backend = new
        self.trial_port = driver.free_port(self.address)

    def prepare(self):
        super().prepare()
        link = self.root / 'telemetry-api.backend'
        link.rename(self.root / 'telemetry-api-new.backend')
        self.place(
            'telemetry-api-eventlet.backend',
            {'127.0.0.1:8778': self.old.host_and_port},
        )
        self.choose('eventlet')
        self.place(
            'telemetry-api-trial.conf',
            {
                '127.0.0.1:8779': f'{self.address}:{self.trial_port}',
                '/run/telemetry-api/socket': self.backend.socket,
            },
        )
        with (self.root / 'telemetry-api.local').open('a') as local:
            local.write('keepalive_timeout 0;\n')

    def place(self, name, values):
        """Put a sample into its place, with values of this run."""
        text = (MOVE / name).read_text()
        for value, here in values.items():
            assert value in text
            text = text.replace(value, str(here))
        (self.root / name).write_text(text)

    def choose(self, side):
        sample = self.root / f'telemetry-api-{side}.backend'
        (self.root / 'telemetry-api.backend').write_text(sample.read_text())

    def switch(self, side):
        """Let other servers have what comes; wait for what is in flight."""
        self.choose(side)
        self.reload()

    def open_trial(self):
        main = self.root / 'nginx.conf'
        text = main.read_text()
        assert text.count('include ') == 1
        trial = self.root / 'telemetry-api-trial.conf'
        main.write_text(text.replace('include ', f'include {trial}; include '))
        self.reload()

    def request_reload(self):
        self.process.send_signal(signal.SIGHUP)

    # Of this server alone, not of one behind it.
    workers = driver.Host.workers
    is_ready = driver.Host.is_ready
    start = driver.Host.start
    stop = driver.Host.stop


@pytest.fixture(scope='session')
def database(database_server):
    """The URL of a PostgreSQL with the tables in it."""
    url = database_server('postgresql').url
    conf = telemetry_conf.new()
    conf([], default_config_files=[], default_config_dirs=[])
    conf.set_override('connection', url, 'database')
    storage.Storage(conf).upgrade()
    return url


@pytest.fixture
def environ(database, tmp_path):
    tmp_path.chmod(0o777)
    (tmp_path / 'etc').mkdir()
    return {
        'OS_DATABASE__CONNECTION': database,
        'OS_TELEMETRY_CONFIG_DIR': str(tmp_path / 'etc'),
    }


@pytest.fixture
def make(environ, tmp_path):
    """A function that makes a server of a class, to be stopped at the end."""
    made = []

    def make(kind, name, **more):
        host = kind(APPLICATION, tmp_path / name, environ=environ | more)
        made.append(host)
        return host

    yield make
    for host in made:
        if host.process:
            host.stop()


@pytest.fixture
def old(make):
    """The eventlet server that clients know."""
    return make(werkzeug_eventlet.WerkzeugEventlet, 'old')


@pytest.fixture
def proxied(make):
    """The one for nginx, as telemetry-api-eventlet-proxied.service has it."""
    variable = 'OS_OSLO_MIDDLEWARE__ENABLE_PROXY_HEADERS_PARSING'
    unit = (MOVE / 'telemetry-api-eventlet-proxied.service').read_text()
    assert f'\nEnvironment={variable}=true\n' in unit
    return make(
        werkzeug_eventlet.WerkzeugEventlet, 'proxied', **{variable: 'true'}
    )


@pytest.fixture
def new(make):
    return make(New, 'new')


@pytest.fixture
def site(tmp_path, proxied, new):
    site = Site(tmp_path / 'nginx', proxied, new)
    yield site
    if site.process:
        site.stop()


@pytest.fixture
def asking(old):
    """The witness, which asks the old server."""
    with old, witness.Witness(old.base_url) as asking:
        yield asking
