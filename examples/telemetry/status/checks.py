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
"""The checks of ``telemetry-status upgrade check``."""

import ipaddress
import os
import pathlib

import psutil
from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from telemetry import storage
from telemetry.status import host_files, rules
from telemetry.storage import capacity, errors

EVENTLET_SERVER = 'telemetry-api-eventlet'
DEVELOPMENT_SERVER = 'telemetry-api'
UNITS = ('/etc/systemd/system', '/usr/lib/systemd/system')

#: Options of oslo.service that only its eventlet servers read: what says the
#: same to a WSGI host. https://docs.openstack.org/oslo.service/latest/
EVENTLET_OPTIONS = {
    'backdoor_port': 'nothing: it is a shell for eventlet alone',
    'backdoor_socket': 'nothing: it is a shell for eventlet alone',
    'client_socket_timeout': 'the socket timeout of the host',
    'max_header_line': 'the size of headers of the host',
    'tcp_keepidle': 'the keep-alive of the host',
    'wsgi_default_pool_size': 'processes and threads of the host',
    'wsgi_keep_alive': 'the keep-alive of the host',
    'wsgi_log_format': 'the log format of the host',
    'wsgi_server_debug': 'nothing: the application logs its errors',
}

HOST_CONFIG = cfg.MultiStrOpt(
    'host-config',
    metavar='FILE',
    help='Configuration file of the WSGI host: of Apache, gunicorn, nginx or '
    'uWSGI, and of any service. May be repeated. Without it, those are read '
    'that the installation pages of the guide name.',
)
#: Where the installation pages put the files.
HOST_CONFIGS = (
    '/etc/telemetry/telemetry-api.ini',
    '/etc/telemetry/gunicorn.conf.py',
    '/etc/apache2/sites-enabled/telemetry-api.conf',
    '/etc/httpd/conf.d/telemetry-api.conf',
    '/etc/nginx/conf.d/telemetry-api.conf',
)


class Checks(upgradecheck.UpgradeCommands):
    """What to look at before and after an upgrade."""

    #: The configuration, to be set before :meth:`check`.
    conf = None

    def eventlet_server(self):
        """Is the API still served with eventlet?"""
        found = [
            f'{EVENTLET_SERVER} runs as process {pid}.'
            for pid in _processes(EVENTLET_SERVER)
        ]
        found += [
            f'{unit} starts {EVENTLET_SERVER}.'
            for unit in _units(EVENTLET_SERVER)
        ]
        return _warning(
            found, 'Move to a WSGI host: admin/leave-eventlet shows how.'
        )

    def eventlet_options(self):
        """Are there options that nothing reads without eventlet?"""
        found = []
        for path in self.conf.config_file:
            sections = {}
            cfg.ConfigParser(path, sections).parse()
            found += [
                f'{path}: [{group}] {name} is for eventlet servers only. '
                f'Instead: {EVENTLET_OPTIONS[name]}.'
                for group, options in sections.items()
                for name in options
                if name in EVENTLET_OPTIONS
            ]
        return _warning(
            found, 'All old and new names are in admin/option-names.'
        )

    def tables(self):
        """Are the tables those of this version?"""
        try:
            storage.Storage(self.conf).check()
        except (errors.SchemaMissing, errors.StorageUnavailable) as error:
            return _failure(f'{error}. See install/database.')
        return _success()

    def connections(self):
        """Does the database allow the connections of all processes?"""
        options = self.conf.database
        try:
            allowed = storage.Storage(self.conf).connection_limit()
            processes = sum(file.processes or 0 for file in self._host_files())
        except (errors.StorageUnavailable, host_files.HostFileError) as error:
            return _failure(f'{error}.')
        if allowed is None:
            return _success()
        own = capacity.own_connections(options)
        if own is None:
            return _failure(
                'A process opens connections without end: set [database] '
                'max_pool_size above 0 and max_overflow to 0 or more. See '
                'install/database.'
            )
        wanted = max(processes, 1) * own
        if wanted > allowed:
            return _failure(
                f'{max(processes, 1)} processes with {own} connections each '
                f'([database] max_pool_size + max_overflow) may open '
                f'{wanted}, and the database allows {allowed}. See '
                'install/database.'
            )
        return _success()

    def development_server(self):
        """Is the development server open to others?"""
        host = self.conf.api.host
        try:
            is_loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            is_loopback = host == 'localhost'
        if is_loopback:
            return _success()
        text = (
            f'[api] host is {host}, where {DEVELOPMENT_SERVER}, the '
            'development server, answers others than this machine. See '
            'contributor/development-server.'
        )
        if running := _processes(DEVELOPMENT_SERVER):
            return _failure(f'It runs as process {running[0]}: {text}')
        return _warning([text])

    def hosts(self):
        """Has the WSGI host's configuration what the guide calls necessary?"""
        try:
            files = self._host_files()
        except host_files.HostFileError as error:
            return _failure(f'{error}.')
        if not files:
            return _warning(
                ['There is no file of a WSGI host in its usual place.'],
                'Name it with --host-config.',
            )
        return _warning(
            [each for file in files for each in rules.findings(file)]
        )

    def _host_files(self):
        paths = self.conf.host_config or filter(os.path.exists, HOST_CONFIGS)
        return [host_files.read(path) for path in paths]

    _upgrade_checks = (
        ('Eventlet server', eventlet_server),
        ('Options of eventlet servers', eventlet_options),
        ('Tables of the database', tables),
        ('Connections to the database', connections),
        ('Development server', development_server),
        ('Configuration of the WSGI host', hosts),
    )


def _success():
    return upgradecheck.Result(upgradecheck.Code.SUCCESS)


def _failure(text):
    return upgradecheck.Result(upgradecheck.Code.FAILURE, text)


def _warning(found, advice=''):
    """Return a warning with what was found; success if that is nothing."""
    if not found:
        return _success()
    return upgradecheck.Result(
        upgradecheck.Code.WARNING, ' '.join([*found, advice]).strip()
    )


def _processes(name):
    """Return the ids of the processes that run a command of this name."""
    return [
        process.pid
        for process in psutil.process_iter(['cmdline'])
        # A script comes after its interpreter.
        if name
        in (
            pathlib.Path(argument).name
            for argument in (process.info['cmdline'] or ())[:2]
        )
    ]


def _units(name):
    """Return the paths of the systemd units that start this command."""
    found = []
    for folder in UNITS:
        for unit in sorted(pathlib.Path(folder).glob('*.service')):
            lines = unit.read_text('utf-8', 'replace').splitlines()
            starts = [line for line in lines if line.startswith('ExecStart')]
            if any(
                name == pathlib.Path(word).name
                for line in starts
                for word in line.replace('=', ' ').split()
            ):
                found.append(unit)
    return found
