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

import databases
import guide
import pytest
import sqlalchemy as sa
from hosts import tls
from telemetry import conf as telemetry_conf
from telemetry import storage
from telemetry.storage import errors

PAGE = guide.CHECKOUT / 'doc/source/install/database.rst'
PARAMETERS = {
    'postgresql': 'sslmode=verify-full&sslrootcert=',
    'mariadb': 'ssl_ca=',
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


@pytest.fixture(params=databases.find(), scope='module')
def secure(request, tmp_path_factory):
    """A server with a certificate."""
    folder = tmp_path_factory.mktemp('secure')
    files = tls.certificate(folder, '127.0.0.1')
    settings = SETTINGS[request.param](*files)
    make = databases.find()[request.param]
    with make(folder / 'server', **settings) as server:
        yield server


def url(server, file):
    return f'{server.url}?{PARAMETERS[server.name]}{file}'


def check(address):
    conf = telemetry_conf.new()
    conf([], default_config_files=[], default_config_dirs=[])
    conf.set_override('connection', address, 'database')
    storage.Storage(conf).upgrade()


def test_the_page_names_the_parameters(secure):
    assert f'{PARAMETERS[secure.name]}{FILE}' in PAGE.read_text()


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


def test_the_certificate_of_another_address(secure):
    address = url(secure, secure.root.parent / 'certificate.pem')
    with pytest.raises(errors.StorageUnavailable, match='localhost'):
        check(address.replace('127.0.0.1', 'localhost'))


def test_a_server_without_tls(server, tmp_path):
    file, _ = tls.certificate(tmp_path, '127.0.0.1')
    with pytest.raises(errors.StorageUnavailable, match='SSL'):
        check(url(server, file))


def test_a_missing_file(secure, tmp_path):
    with pytest.raises(errors.StorageUnavailable, match='file'):
        check(url(secure, tmp_path / 'missing.pem'))
