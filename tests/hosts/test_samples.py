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

"""What the samples of single hosts promise beyond what all hosts do."""

import re
import shutil
import socket
import subprocess

import hosts
import pytest
from hosts import driver, tls

UNITS = sorted(hosts.FOLDER.glob('*/*.service'))
SAMPLES = sorted(
    {one for each in hosts.find().values() for one in each.samples}
)
PAGES = hosts.FOLDER.parent.parent / 'doc' / 'source'
GUIDE = re.compile(r'^# Guide: (\S+), "(.+)"\.$', re.M)
APACHE_SITES = {
    'apache_mod_wsgi': ['wsgi'],
    'apache_uwsgi': ['proxy_uwsgi', 'headers'],
}


def test_each_file_for_readers_belongs_to_a_host():
    files = {
        str(file.relative_to(hosts.FOLDER))
        for file in hosts.FOLDER.glob('*/*')
        if file.is_file()
        and file.name != '__init__.py'
        and file.suffix != '.pyc'
    }
    assert files == set(SAMPLES)


@pytest.mark.parametrize('sample', SAMPLES)
def test_a_sample_and_its_page_name_each_other(sample):
    name, title = GUIDE.search((hosts.FOLDER / sample).read_text()).groups()
    page = (PAGES / f'{name}.rst').read_text()
    assert page.splitlines()[1] == title
    assert f'literalinclude:: /../../examples/hosts/{sample}\n' in page
    assert '``tests/hosts``' in page


def verify(unit, root, *drop_ins):
    """Check a unit as systemd does, on a machine set up as it says."""
    folder = root / 'etc' / 'systemd' / 'system'
    (folder / f'{unit.name}.d').mkdir(parents=True)
    shutil.copy(unit, folder)
    for drop_in in drop_ins:
        shutil.copy(drop_in, folder / f'{unit.name}.d')
    for file in (unit, *drop_ins):
        for path in re.findall(r'^Exec\w+=(/\S+)', file.read_text(), re.M):
            program = root / path.lstrip('/')
            program.parent.mkdir(parents=True, exist_ok=True)
            program.touch(0o755)
    shutil.copytree(
        '/usr/lib/systemd/system',
        root / 'usr' / 'lib' / 'systemd' / 'system',
        symlinks=True,
    )
    (root / 'lib').symlink_to('usr/lib')
    return subprocess.run(
        ['systemd-analyze', 'verify', f'--root={root}', unit.name],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize('unit', UNITS, ids=lambda unit: unit.parent.name)
def test_systemd_accepts_the_unit(unit, tmp_path):
    done = verify(unit, tmp_path)
    assert (done.returncode, done.stderr) == (0, '')


def test_systemd_refuses_a_wrong_unit(tmp_path):
    wrong = tmp_path / 'telemetry-api.service'
    wrong.write_text(UNITS[0].read_text().replace('KillMode', 'KillMood'))
    assert 'KillMood' in verify(wrong, tmp_path / 'root').stderr


@pytest.mark.parametrize(
    'drop_in',
    sorted(hosts.FOLDER.glob('*/behind-a-proxy.conf')),
    ids=lambda file: file.parent.name,
)
def test_systemd_accepts_the_unit_behind_a_proxy(drop_in, tmp_path):
    done = verify(
        drop_in.with_name('telemetry-api.service'), tmp_path, drop_in
    )
    assert (done.returncode, done.stderr) == (0, '')


@pytest.fixture
def apache(tmp_path):
    """A copy of the distribution's configuration."""
    return shutil.copytree('/etc/apache2', tmp_path / 'apache2', symlinks=True)


@pytest.mark.parametrize(('folder', 'modules'), APACHE_SITES.items())
def test_apache_accepts_the_site_in_its_place(folder, modules, apache):
    enable(apache, folder, modules)


def test_apache_accepts_the_site_with_the_module_from_pypi(apache):
    done = subprocess.run(
        [
            driver.executable('mod_wsgi-express', 'mod_wsgi from PyPI'),
            'module-config',
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'LoadModule wsgi_module' in done.stdout
    (apache / 'mods-available' / 'wsgi.load').write_text(done.stdout)
    enable(apache, 'apache_mod_wsgi', ['wsgi'])


def enable(etc, folder, modules):
    """Do what the page says, and let Apache check it."""
    shutil.copy(
        hosts.FOLDER / folder / 'telemetry-api.conf', etc / 'sites-available'
    )
    environ = {
        'PATH': '/usr/sbin:/usr/bin:/sbin:/bin',
        'APACHE_CONFDIR': str(etc),
        'APACHE_STATE_DIRECTORY': str(etc.parent / 'state'),
        'APACHE_RUN_USER': 'nobody',
        'APACHE_RUN_GROUP': 'nogroup',
        'APACHE_RUN_DIR': str(etc.parent),
        'APACHE_LOG_DIR': str(etc.parent),
        'APACHE_PID_FILE': str(etc.parent / 'apache2.pid'),
    }
    for command in (
        ['a2enmod', *modules],
        ['a2ensite', 'telemetry-api'],
        # The user that the page makes is not on this machine.
        [
            *('apache2', '-t', '-d', etc),
            *('-C', 'Define TELEMETRY_USER nobody'),
            *('-C', 'Define TELEMETRY_GROUP nogroup'),
        ],
    ):
        done = subprocess.run(
            command, env=environ, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert 'Syntax OK' in done.stderr


@pytest.mark.parametrize(
    'backend',
    sorted(hosts.FOLDER.glob('*/telemetry-api.backend')),
    ids=lambda file: file.parent.name,
)
def test_nginx_accepts_the_site_in_its_place(backend, tmp_path):
    common = hosts.FOLDER / 'nginx'
    etc = tmp_path / 'etc' / 'nginx'
    shutil.copytree('/etc/nginx', etc, symlinks=True)
    # The distribution's own site needs the privilege for port 80.
    shutil.rmtree(etc / 'sites-enabled')
    shutil.copy(common / 'telemetry-api.conf', etc / 'conf.d')
    shutil.copy(common / 'telemetry-api.local', etc)
    shutil.copy(backend, etc)
    for private in ('etc/ssl/certs', 'etc/ssl/private', 'var/log/nginx'):
        (tmp_path / private).mkdir(parents=True)
    (tmp_path / 'run').mkdir()
    (tmp_path / 'var' / 'lib' / 'nginx').mkdir(parents=True)
    certificate, key = tls.certificate(tmp_path, '127.0.0.1')
    certificate.rename(tmp_path / 'etc/ssl/certs/telemetry-api.pem')
    key.rename(tmp_path / 'etc/ssl/private/telemetry-api.key')
    # The same files on a machine that begins at the temporary folder; port
    # 443 needs a privilege, too.
    for file in (etc / 'nginx.conf', etc / 'telemetry-api.local'):
        text = re.sub(
            r'(?<=[ :])/(?=etc|run|var)', f'{tmp_path}/', file.read_text()
        )
        file.write_text(text.replace('443 ssl', '8443 ssl'))
    done = subprocess.run(
        [
            driver.executable('nginx', 'nginx-light'),
            *('-t', '-e', 'stderr', '-c', etc / 'nginx.conf'),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert 'emerg' not in done.stderr


@pytest.mark.parametrize('name', ['apache-mod-wsgi', 'apache-uwsgi'])
def test_the_site_runs_in_the_layout_of_rhel(name, tmp_path):
    server = hosts.find()[name]('wsgiref.simple_server:demo_app', tmp_path)
    prepare = server.prepare

    def prepare_as_on_rhel():
        prepare()
        del server.environ['APACHE_LOG_DIR'], server.environ['APACHE_RUN_DIR']
        (tmp_path / 'logs').symlink_to('log')
        (tmp_path / 'conf.d').mkdir()
        for sample in server.samples:
            if sample.startswith('apache') and sample.endswith('.conf'):
                shutil.copy(hosts.FOLDER / sample, tmp_path / 'conf.d')
        main = tmp_path / 'apache2.conf'
        text, include, _ = main.read_text().rpartition('Include ')
        main.write_text(f'{text}{include}conf.d/*.conf\n')

    server.prepare = prepare_as_on_rhel
    with server:
        assert server.get('/').status_code == 200
    assert 'GET / ' in (tmp_path / 'log/telemetry-api-access.log').read_text()


@pytest.mark.parametrize('name', ['gunicorn', 'uwsgi', 'uwsgi-debian'])
def test_tells_systemd_when_it_has_started(name, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(60)
        systemd.bind(str(tmp_path / 'notify'))
        server = hosts.find()[name](
            'wsgiref.simple_server:demo_app',
            tmp_path,
            environ={'NOTIFY_SOCKET': str(tmp_path / 'notify')},
        )
        with server:
            messages = systemd.recv(1000)
            while b'READY=1' not in messages.split():
                messages = systemd.recv(1000)
