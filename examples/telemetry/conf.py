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
"""Configuration: every option the telemetry API and its commands read.

Values come from, weakest first: the defaults here, ``telemetry.conf``
(and ``telemetry.conf.d/*.conf``) in ``$OS_TELEMETRY_CONFIG_DIR`` or
``/etc/telemetry``, the environment as ``OS_<GROUP>__<OPTION>``, and the
command line of the commands.
"""

import copy
import errno
import os
import pathlib

from oslo_config import cfg, types
from oslo_db import options as db_options
from oslo_log import log
from oslo_middleware import opts as middleware_options
from oslo_policy import opts as policy_options

CONFIG_DIR_VARIABLE = 'OS_TELEMETRY_CONFIG_DIR'
DEFAULT_CONFIG_DIR = '/etc/telemetry'
# alembic tells about each of its steps; oslo.db logs a traceback of
# errors that we report ourselves.
QUIET_LIBRARIES = ['alembic=WARN', 'oslo_db.sqlalchemy.exc_filters=ERROR']
STORAGE_HEALTHCHECK = 'telemetry_storage'
# Values of [keystone_authtoken] auth_type whose options the guide lists.
KEYSTONE_LOGINS = ('password', 'v3applicationcredential')
DEFAULT_CONNECTION = 'sqlite:////var/lib/telemetry/telemetry.sqlite'

# What telemetry-api also takes from its command line.
SERVER_OPTS = [
    cfg.HostAddressOpt(
        'host',
        default='127.0.0.1',
        help='Address on which telemetry-api, the development server, '
        'listens. The default answers only this machine. A WSGI host such '
        'as uWSGI takes the address from its own configuration and ignores '
        'this option.',
    ),
    cfg.PortOpt(
        'port',
        default=8777,
        help='Port on which telemetry-api, the development server, listens. '
        '0 takes a free port. A WSGI host takes the port from its own '
        'configuration and ignores this option.',
    ),
    cfg.IntOpt(
        'workers',
        default=1,
        min=1,
        max=512,
        help='How many requests telemetry-api, the development server, '
        'answers at the same time in processes of their own. With more than '
        'one, the server forks a process for each request, which is slow: '
        'each process opens a database connection of its own and closes it '
        'again. Then threads must be false or unset. A WSGI host has its '
        'own setting.',
    ),
    cfg.BoolOpt(
        'threads',
        sample_default='true when workers is 1, else false',
        help='Answer each request in a thread of its own, in telemetry-api, '
        'the development server. Cannot be true together with more than one '
        'worker. When unset, it is true if workers is 1 and false '
        'otherwise. A WSGI host has its own setting.',
    ),
    cfg.StrOpt(
        'tls_cert',
        metavar='FILE',
        help='Certificate file, in PEM format, with which telemetry-api, '
        'the development server, answers https instead of http. For trials '
        'on one machine.',
    ),
    cfg.StrOpt(
        'tls_key',
        metavar='FILE',
        help='Private key file of tls_cert, in PEM format and without a '
        'password. When unset, the key is read from tls_cert.',
    ),
    cfg.BoolOpt(
        'allow_public_noauth',
        default=False,
        help='Let telemetry-api listen on an address that is not a loopback '
        'address although auth_strategy is noauth: whoever reaches it may '
        'read and write all samples. A WSGI host ignores this option.',
    ),
]

API_OPTS = [
    *SERVER_OPTS,
    cfg.StrOpt(
        'auth_strategy',
        default='noauth',
        choices=[
            (
                'noauth',
                'nobody needs a token; everybody may read and write',
            ),
            (
                'keystone',
                'all but / and /healthcheck needs a token of Keystone',
            ),
        ],
        help='How the API learns who calls. For Keystone, set the options '
        'in [keystone_authtoken], too. Without it, a client that names a '
        'project in the header X-Project-Id is limited to that.',
    ),
    cfg.IntOpt(
        'default_limit',
        default=100,
        min=1,
        max=1000000,
        help='How many items a list holds at most when the request names '
        'no limit.',
    ),
    cfg.IntOpt(
        'max_limit',
        default=10000,
        min=1,
        max=1000000,
        help='How many items a list holds at most, whatever limit the '
        'request names. A request for more gets this many. It bounds the '
        'memory that one request can take: reckon with 2 kB for each '
        'sample. It also bounds default_limit.',
    ),
    cfg.IntOpt(
        'max_request_body_size',
        default=4 * 1024 * 1024,
        min=1024,
        max=1024 * 1024 * 1024,
        help='Largest request body, in bytes, that the API accepts. A '
        'larger one is refused with status 413 and nothing of it is '
        'stored. One sample takes about 500 bytes. The limit of the WSGI '
        'host or proxy in front should not be lower.',
    ),
    cfg.StrOpt(
        'sample_source',
        default='openstack',
        help='Name of the place where posted samples come from, used when '
        'the sample itself names none. The stored source is PROJECT:SOURCE '
        'when the project of the caller is known.',
    ),
]

EXPIRER_OPTS = [
    cfg.IntOpt(
        'time_to_live',
        default=-1,
        deprecated_name='metering_time_to_live',
        deprecated_group='database',
        help='How many seconds telemetry-expirer keeps samples, counted '
        'from their timestamp. With 0 or less it keeps them for ever.',
    ),
    cfg.IntOpt(
        'batch_size',
        default=1000,
        min=1,
        max=10000,
        help='How many rows telemetry-expirer removes in one transaction. '
        'Other writers get their turn between two of them.',
    ),
]

CHECK_OPTS = [
    cfg.ListOpt(
        'check_urls',
        default=[],
        item_type=types.URI(schemes=['http', 'https'], max_length=255),
        help='URLs of services that telemetry-polling asks in each round '
        'whether they answer, and how fast. The URL is the resource id of '
        'their samples.',
    ),
    cfg.FloatOpt(
        'check_timeout',
        default=5,
        min=0.1,
        help='Seconds to wait for such a service to accept a connection, '
        'and for each part of its answer.',
    ),
    cfg.IntOpt(
        'check_concurrency',
        default=50,
        min=1,
        max=1000,
        help='How many of these services are asked at the same time. A '
        'service that does not answer takes one of these places for '
        'check_timeout seconds.',
    ),
]

POLLING_OPTS = [
    cfg.URIOpt(
        'endpoint',
        schemes=['http', 'https'],
        default='http://127.0.0.1:8777',
        help='URL of the telemetry API that gets the samples, without /v2. '
        'For https with a certificate of your own, name its file in the '
        'environment variable REQUESTS_CA_BUNDLE.',
    ),
    cfg.FloatOpt(
        'interval',
        default=60,
        min=1,
        help='Seconds from the start of one round to the start of the next. '
        'A round that takes longer delays the next one to the next multiple '
        'of the interval.',
    ),
    cfg.FloatOpt(
        'timeout',
        default=10,
        min=0.1,
        help='Seconds to wait for the API to accept a connection, and for '
        'each part of its answer.',
    ),
    cfg.StrOpt(
        'resource_id',
        sample_default='the host name',
        help='Resource id of this machine. A disk or network interface is '
        'this name, a dot and its own name.',
    ),
    cfg.StrOpt(
        'project_id',
        help='Project id that the samples carry. When unset, the API fills '
        'in that of the caller.',
    ),
    cfg.StrOpt(
        'user_id',
        help='User id that the samples carry. When unset, the API fills in '
        'that of the caller.',
    ),
    cfg.StrOpt(
        'auth_token',
        secret=True,
        help='Token that the API gets in the header X-Auth-Token. When '
        'unset, the header is not sent.',
    ),
    *CHECK_OPTS,
]

COLLECTOR_OPTS = [
    cfg.HostAddressOpt(
        'udp_address',
        default='127.0.0.1',
        help='Address on which telemetry-collector listens. The default '
        'takes samples from this machine only. UDP knows no caller: whoever '
        'can reach the address can store samples.',
    ),
    cfg.PortOpt(
        'udp_port',
        default=4952,
        help='UDP port on which telemetry-collector listens. 0 takes a free '
        'port.',
    ),
    cfg.IntOpt(
        'receive_buffer',
        min=4096,
        max=2**30,
        sample_default='as the kernel has it, net.core.rmem_default',
        help='Bytes that the kernel keeps for telemetry-collector while it '
        'is busy (SO_RCVBUF). The kernel gives no more than its setting '
        'net.core.rmem_max, and counts about 800 bytes for a small sample.',
    ),
    cfg.IntOpt(
        'max_datagram_size',
        default=65535,
        min=512,
        max=65535,
        help='Largest datagram, in bytes, that telemetry-collector accepts. '
        'It drops and counts a larger one.',
    ),
    cfg.IntOpt(
        'queue_size',
        default=10000,
        min=1,
        max=10000000,
        help='How many samples of telemetry-collector wait for the '
        'database. When so many wait, it drops and counts what comes. They '
        'take at most this many times max_datagram_size of memory, and '
        'about 1 kB each if they are small.',
    ),
    cfg.IntOpt(
        'batch_size',
        default=500,
        min=1,
        max=10000,
        help='How many samples telemetry-collector stores at most in one '
        'transaction.',
    ),
    cfg.FloatOpt(
        'batch_timeout',
        default=1,
        min=0,
        help='How many seconds a sample waits at most for others to be '
        'stored with.',
    ),
    cfg.IntOpt(
        'writers',
        default=1,
        min=1,
        max=64,
        help='How many batches telemetry-collector stores at the same time. '
        'Each takes one of [database] max_pool_size connections. SQLite '
        'gains nothing from more than one.',
    ),
    cfg.FloatOpt(
        'log_interval',
        default=60,
        min=0.1,
        help='Seconds from one message about dropped samples to the next.',
    ),
    cfg.FloatOpt(
        'shutdown_timeout',
        default=30,
        min=0,
        help='How many seconds telemetry-collector goes on storing after '
        'SIGTERM. What is left then is dropped and counted.',
    ),
]

METRICS_OPTS = [
    cfg.StrOpt(
        'directory',
        metavar='DIR',
        help='Folder in which each process of the API counts its requests, '
        'for telemetry-metrics. It is made where only its last part is '
        'missing. Both must run as the same user. Each process leaves two '
        'small files, which are needed after its end: empty the folder while '
        'the API does not run. When unset, nothing is counted. With workers, '
        'telemetry-api makes a process for each request: leave it unset '
        'there.',
    ),
    cfg.HostAddressOpt(
        'host',
        default='127.0.0.1',
        help='Address on which telemetry-metrics listens. The default '
        'answers only this machine. Whoever reaches it is answered.',
    ),
    cfg.PortOpt(
        'port',
        default=9464,
        help='Port on which telemetry-metrics listens. 0 takes a free port.',
    ),
]


def list_opts():
    """Return [(group, options)] for oslo.config's tools.

    The options of oslo.log and oslo.policy come from namespaces of their
    own. Those of the other libraries are here, with the defaults of this
    service.
    """
    database = copy.deepcopy(db_options.database_opts)
    # The first request opens the database. It shall say at once that the
    # database is down, not wait for it while the client waits.
    # Without overflow, max_pool_size alone says how many connections a
    # process may open.
    cfg.set_defaults(
        database,
        connection=DEFAULT_CONNECTION,
        max_retries=0,
        max_overflow=0,
    )
    healthcheck = middleware_options.list_opts_healthcheck()
    for _, opts in healthcheck:
        cfg.set_defaults(opts, backends=[STORAGE_HEALTHCHECK])
    return [
        ('database', database),
        ('api', API_OPTS),
        ('expirer', EXPIRER_OPTS),
        ('polling', POLLING_OPTS),
        ('collector', COLLECTOR_OPTS),
        ('metrics', METRICS_OPTS),
        *middleware_options.list_opts_http_proxy_to_wsgi(),
        *healthcheck,
    ]


def list_keystone_opts():
    """Return [(group, options)] of what checks tokens of Keystone.

    These are registered only when ``[api] auth_strategy`` asks for it: to
    import them takes longer than all the rest. The options for logging in
    are those of the ways in ``KEYSTONE_LOGINS``.
    """
    from keystoneauth1 import loading
    from keystonemiddleware import opts as keystone_options

    login = {
        opt.dest: opt
        for name in KEYSTONE_LOGINS
        for opt in loading.get_auth_plugin_conf_options(name)
    }
    # The service itself answers who has no token.
    return [
        (
            group,
            [opt for opt in opts if opt.name != 'delay_auth_decision']
            + list(login.values()),
        )
        for group, opts in keystone_options.list_auth_token_opts()
    ]


def new():
    """Return a fresh ConfigOpts with every option, not yet called."""
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    conf.set_default(
        'default_log_levels',
        [*log.get_default_log_levels(), *QUIET_LIBRARIES],
    )
    for group, opts in list_opts() + policy_options.list_opts():
        conf.register_opts(opts, group=group)
    # By itself oslo.policy looks for them in home folders, too.
    beside = directory()
    conf.set_default('policy_file', str(beside / 'policy.yaml'), 'oslo_policy')
    conf.set_default('policy_dirs', [str(beside / 'policy.d')], 'oslo_policy')
    return conf


def directory():
    """Return the folder of the configuration, a Path."""
    return pathlib.Path(
        os.environ.get(CONFIG_DIR_VARIABLE, DEFAULT_CONFIG_DIR)
    )


def metrics_directory(conf):
    """Return the folder of ``[metrics] directory``, made if it is missing.

    :raises oslo_config.cfg.Error: this process cannot write into it
    """
    folder = pathlib.Path(conf.metrics.directory)
    try:
        folder.mkdir(mode=0o750, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise cfg.ConfigFileValueError(
            'Value for option directory in group [metrics] is not valid: '
            f'{folder}: {error.strerror}'
        ) from error
    return folder


def load(argv=None, prog=None, cli_opts=(), description=None):
    """Return the configuration, read and checked.

    :param argv: command line arguments; none by default, since an
        application inside a WSGI host has no command line of its own
    :param prog: name of the command in its usage message
    :param cli_opts: options of this command only
    :param description: what the command does, for its usage message
    :raises oslo_config.cfg.Error: a value is not valid or a file cannot be
        read; the message names the option or file
    :raises SystemExit: argv is not valid, or asks for --help
    """
    conf = new()
    conf.register_cli_opts(cli_opts)
    file = directory() / 'telemetry.conf'
    parts = directory() / 'telemetry.conf.d'
    conf(
        argv or [],
        project='telemetry',
        prog=prog or 'telemetry',
        description=description,
        default_config_files=[str(file)] if file.exists() else [],
        default_config_dirs=[str(parts)] if parts.is_dir() else [],
    )
    _read_all(conf)
    return conf


def _read_all(conf):
    """Read each value once: oslo.config checks a value when it is read."""
    for name in conf:
        value = conf[name]
        if isinstance(value, cfg.ConfigOpts.GroupAttr):
            for option in value:
                value[option]
