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

"""Tables are upgraded while the old and the next version run, under load."""

import os
import shutil
import subprocess
import sys

import databases
import pytest
import sqlalchemy as sa
from hosts import driver, uwsgi
from move import witness

UPGRADE = driver.EXAMPLES / 'upgrade'
ENOUGH = 8
DBSYNC = (
    'import sys; from telemetry.cmd import dbsync; sys.exit(dbsync.main())'
)


@pytest.fixture
def database(tmp_path):
    """The URL of a PostgreSQL of its own, with tables of this version."""
    with databases.find()['postgresql'](tmp_path / 'database') as server:
        yield server.url


@pytest.fixture
def environ(database, tmp_path):
    tmp_path.chmod(0o777)
    (tmp_path / 'etc').mkdir()
    return {
        'OS_DATABASE__CONNECTION': database,
        'OS_TELEMETRY_CONFIG_DIR': str(tmp_path / 'etc'),
    }


@pytest.fixture
def next_version(tmp_path):
    """The folder of the next version: this one with the change of the page."""
    folder = tmp_path / 'next'
    shutil.copytree(
        driver.EXAMPLES / 'telemetry',
        folder / 'telemetry',
        ignore=shutil.ignore_patterns('__pycache__'),
    )
    subprocess.run(
        ['git', 'apply', UPGRADE / 'next-version.patch'],
        cwd=folder,
        check=True,
    )
    for migration in UPGRADE.glob('*.py'):
        shutil.copy(
            migration, folder / 'telemetry/storage/migrations/versions'
        )
    return folder


@pytest.fixture
def dbsync(environ):
    """A function that runs telemetry-dbsync of the version in a folder."""

    def dbsync(folder, *arguments, status=0, **variables):
        done = subprocess.run(
            [sys.executable, '-c', DBSYNC, *arguments],
            env={
                **os.environ,
                **environ,
                **variables,
                'PYTHONPATH': str(folder),
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    return dbsync


@pytest.fixture
def start(environ, tmp_path):
    """A function that starts uWSGI with the version in a folder."""
    started = []

    def start(folder, name):
        host = uwsgi.UWSGI(
            'telemetry.wsgi:application',
            tmp_path / name,
            environ=environ,
            python_path=[folder],
        )
        started.append(host)
        return host.start()

    yield start
    for host in started:
        host.stop()


def samples(server, run):
    """All samples of a run that a server gives, by their ids."""
    found = {}
    for client in range(2):
        answer = server.get(
            '/v2/samples?q.field=resource_id&q.op=eq&limit=10000'
            f'&q.value={run}-{client}-0'
        )
        assert answer.status_code == 200
        found |= {each['id']: each for each in answer.json()}
    return found


def test_old_and_next_version_run_together(start, dbsync, next_version):
    this = driver.EXAMPLES
    assert 'version 001.' in dbsync(this)
    old = start(this, 'old')
    with witness.Witness(old.base_url, clients=2) as by_old:
        by_old.wait(ENOUGH)

        said = dbsync(next_version, '--expand')
        assert said == 'Upgraded the tables from version 001 to 001.2.\n'
        by_old.wait(ENOUGH)
        # New processes of the old version work, too.
        old.reload()
        by_old.wait(ENOUGH)
        assert 'does not know' in dbsync(this, status=1)

        new = start(next_version, 'new')
        with witness.Witness(new.base_url, clients=2) as by_new:
            by_new.wait(ENOUGH)
            by_old.wait(ENOUGH)
            for run in (by_old.run, by_new.run):
                seen = samples(old, run)
                assert len(seen) >= ENOUGH
                assert seen.items() <= samples(new, run).items()

            # The last request to the old version is answered: contract.
            by_old.stop()
            assert by_old.report().is_good, str(by_old.report())
            said = dbsync(next_version)
            assert said == 'Upgraded the tables from version 001.2 to 002.\n'
            by_new.wait(ENOUGH)
        report = by_new.report()
        assert report.is_good, str(report)

    # What the two steps are for: the old version cannot do without.
    assert old.get('/v2/samples').status_code >= 500
    by_old.url = new.base_url
    assert by_old.report().is_good, str(by_old.report())


def test_gives_up_where_others_use_the_table(database, dbsync, next_version):
    dbsync(driver.EXAMPLES)
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        connection.execute(sa.text('SELECT count(*) FROM sample'))
        said = dbsync(
            next_version,
            '--expand',
            status=1,
            PGOPTIONS='-c lock_timeout=100ms',
        )
    engine.dispose()
    assert 'lock timeout' in said
    assert len(said.splitlines()) == 1
    said = dbsync(next_version, '--expand')
    assert said == 'Upgraded the tables from version 001 to 001.2.\n'
