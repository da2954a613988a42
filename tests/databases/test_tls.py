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
"""TLS to the database, with the parameters that the page names."""

import contextlib

import databases
import guide
import pytest
import sqlalchemy as sa
from hosts import tls
from telemetry import conf as telemetry_conf
from telemetry import storage
from telemetry.storage import errors

from tests.databases import conftest

PAGE = guide.CHECKOUT / 'doc/source/install/database.rst'
PARAMETERS = {
    'postgresql+psycopg': 'sslmode=verify-full&sslrootcert=',
    'mysql+pymysql': 'ssl_ca=',
    'mysql+mysqldb': 'ssl_mode=VERIFY_IDENTITY&ssl_ca=',
}
FILE = '/etc/telemetry/database-ca.pem'
SETTINGS = {
    'postgresql': lambda certificate, key: {
        'ssl': 'on',
        'ssl_cert_file': certificate,
        'ssl_key_file': key,
    },
    'mariadb': lambda certificate, key: {
        'ssl_cert': certificate,
        'ssl_key': key,
    },
}
CIPHER = {
    'postgresql': 'SELECT cipher FROM pg_stat_ssl '
    'WHERE pid = pg_backend_pid()',
    'mariadb': 'SELECT variable_value FROM information_schema.session_status '
    "WHERE variable_name = 'SSL_CIPHER'",
}


@contextlib.contextmanager
def start(driver, folder, address):
    """Start a server with a certificate for the address."""
    name = conftest.DRIVERS[driver]
    settings = SETTINGS[name](*tls.certificate(folder, address))
    server = databases.find()[name](folder / 'server', **settings)
    server.driver = driver
    with server:
        yield server


@pytest.fixture(params=conftest.DRIVERS, scope='module')
def secure(request, tmp_path_factory):
    """A server with a certificate."""
    folder = tmp_path_factory.mktemp('secure')
    with start(request.param, folder, '127.0.0.1') as server:
        yield server


def url(server, file):
    return f'{server.url}?{PARAMETERS[server.driver]}{file}'


def check(address):
    conf = telemetry_conf.new()
    conf([], default_config_files=[], default_config_dirs=[])
    conf.set_override('connection', address, 'database')
    storage.Storage(conf).upgrade()


def test_the_page_names_the_parameters(secure):
    assert f'{PARAMETERS[secure.driver]}{FILE}' in PAGE.read_text()


def test_the_right_certificate(secure):
    address = url(secure, secure.root.parent / 'certificate.pem')
    check(address)
    engine = sa.create_engine(address)
    with engine.connect() as connection:
        assert connection.exec_driver_sql(CIPHER[secure.name]).scalar()
    engine.dispose()


def test_another_certificate(secure, tmp_path):
    other, _ = tls.certificate(tmp_path, '127.0.0.1')
    with pytest.raises(errors.StorageUnavailable, match=r'(?i)certificate'):
        check(url(secure, other))


@pytest.mark.parametrize('driver', conftest.DRIVERS)
def test_the_certificate_of_another_address(driver, tmp_path):
    with (
        start(driver, tmp_path, '127.0.0.9') as server,
        pytest.raises(
            errors.StorageUnavailable,
            match='certificate',
        ),
    ):
        check(url(server, tmp_path / 'certificate.pem'))


def test_a_server_without_tls(server, tmp_path):
    file, _ = tls.certificate(tmp_path, '127.0.0.1')
    with pytest.raises(errors.StorageUnavailable, match='SSL'):
        check(url(server, file))


def test_a_missing_file(secure, tmp_path):
    # mysqlclient says either, as the library of TLS does.
    with pytest.raises(errors.StorageUnavailable, match='file|certificate'):
        check(url(secure, tmp_path / 'missing.pem'))
