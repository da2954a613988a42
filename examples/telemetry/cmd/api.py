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


"""``telemetry-api``: the development server, Werkzeug without eventlet."""

import contextlib
import dataclasses
import functools
import ipaddress
import os
import pathlib
import pkgutil
import signal
import socket
import ssl
import sys
import threading
import time
import weakref

from oslo_config import cfg
from oslo_log import log
from werkzeug import serving
from werkzeug.wsgi import ClosingIterator

from telemetry import conf as telemetry_conf
from telemetry.cmd import shell

LOG = log.getLogger(__name__)

OWN_APPLICATION = 'telemetry.wsgi:application'

CLI_OPTS = [
    cfg.StrOpt(
        'application',
        default=OWN_APPLICATION,
        metavar='MODULE:CALLABLE',
        help='The WSGI application to serve. Modules in the working '
        f'directory are found, too. The default is {OWN_APPLICATION}.',
    ),
    cfg.BoolOpt(
        'reload',
        default=False,
        help='Start again when the source file of a loaded module changes. '
        'Requests in flight are finished first, and those that come '
        'meanwhile wait.',
    ),
]

# Hands the listening socket to the process that takes over on a reload.
LISTENING_FD = 'TELEMETRY_API_LISTENING_FD'

#: what ends the server
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclasses.dataclass(frozen=True)
class Style:
    """How a command that serves introduces itself."""

    prog: str
    description: str
    #: the kind of server
    server: str
    #: what a request is answered in, where threads are on
    threads: str
    #: what to use instead, and where the guide tells about it
    instead: str


DEVELOPMENT = Style(
    prog='telemetry-api',
    description='Serve the telemetry API for development, with Werkzeug.',
    server='development server',
    threads='threads',
    instead='for production see "Choose a host" in the guide '
    '(install/choose-a-host)',
)


def main(argv=None, style=DEVELOPMENT):
    """Run the command and return its exit status."""
    return shell.run(
        style.prog,
        lambda conf: serve(_application(conf), conf, style),
        argv,
        cli_opts=CLI_OPTS,
        settings=('api', telemetry_conf.SERVER_OPTS),
        description=style.description,
    )


def _application(conf):
    if conf.application == OWN_APPLICATION:
        # Not for the applications of others, which start sooner without it.
        from telemetry import storage
        from telemetry.api import deploy

        _check_not_public(conf.api)
        with contextlib.closing(storage.Storage(conf)) as store:
            store.check()
        # The same application, with the configuration of this command line.
        return deploy.load(conf)
    # A console script does not find the modules in its working directory.
    sys.path.insert(0, str(pathlib.Path.cwd()))
    try:
        return pkgutil.resolve_name(conf.application)
    except (ImportError, AttributeError, ValueError) as error:
        raise shell.CommandError(
            f'cannot load the application {conf.application!r}: {error}'
        ) from error


def _check_not_public(options):
    """Refuse an address that others reach, if nobody asks who they are."""
    if options.auth_strategy != 'noauth' or options.allow_public_noauth:
        return
    try:
        found = socket.getaddrinfo(options.host, options.port)
    except OSError:
        return  # to listen there fails, too, with a better message
    addresses = {info[4][0] for info in found}
    if not all(ipaddress.ip_address(each).is_loopback for each in addresses):
        raise shell.CommandError(
            f'[api] host = {options.host} lets others in, and with [api] '
            'auth_strategy = noauth they may read and write everything: set '
            'auth_strategy = keystone, or allow_public_noauth = true'
        )


def serve(application, conf, style):
    """Serve any WSGI application until SIGTERM or SIGINT.

    The first signal closes the port and waits for the requests in flight; a
    second one does not wait. The address, the threads or processes and TLS
    are those of ``[api]``, and ``conf.reload`` asks for a new start when
    source files change.

    :raises telemetry.cmd.shell.CommandError: the options contradict each
        other, or the address or the TLS files cannot be used.
    """
    workers = conf.api.workers
    threads = workers == 1 if conf.api.threads is None else conf.api.threads
    if threads and workers > 1:
        raise shell.CommandError(
            f'[api] workers = {workers} and threads = true: the development '
            'server takes several processes or threads, not both; unset one '
            'of them'
        )
    if threads:
        make, mode = _ThreadingServer, style.threads
    elif workers > 1:
        make = functools.partial(_ForkingServer, processes=workers)
        mode = f'up to {workers} processes'
    else:
        make, mode = _Server, 'one request at a time'
    tls = _tls(conf.api.tls_cert, conf.api.tls_key)
    with _listen(conf.api.host, conf.api.port) as listener:
        server = make(
            conf.api.host,
            listener.getsockname()[1],
            application,
            handler=_Handler,
            fd=listener.fileno(),
        )
    if tls:
        server.use(tls)
    if conf.application == OWN_APPLICATION:
        from telemetry.api import deploy

        # Not before: a command that fails says that in one line.
        deploy.warn(conf)
    if conf.reload:
        server.watch = _Watch()
    for number in SIGNALS:
        signal.signal(number, server.on_signal)
    host = f'[{server.host}]' if ':' in server.host else server.host
    print(
        f'{style.prog}: {style.server} on {"https" if tls else "http"}'
        f'://{host}:{server.port} ({mode}); {style.instead}',
        flush=True,
    )
    server.serve_forever(poll_interval=0.1)
    if server.successor_fd is not None:
        os.environ[LISTENING_FD] = str(server.successor_fd)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def _tls(cert, key):
    """Return the TLS context of the two files, or None without a file."""
    if not cert:
        if key:
            raise shell.CommandError('[api] tls_key needs tls_cert')
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # With a password here, a key that has one fails instead of asking.
        context.load_cert_chain(cert, key, password='')
    except OSError as error:
        raise shell.CommandError(
            f'cannot use [api] tls_cert = {cert}'
            f'{f" with tls_key = {key}" if key else ""}: '
            f'{error.strerror or error}'
        ) from error
    return context


def _listen(host, port):
    """Return a listening socket.

    Werkzeug could open it, but it prints several lines when it cannot.
    """
    if LISTENING_FD in os.environ:
        return socket.socket(fileno=int(os.environ.pop(LISTENING_FD)))
    family = serving.select_address_family(host, port)
    try:
        return socket.create_server(
            (host, port),
            family=family,
            backlog=serving.LISTEN_QUEUE,
            dualstack_ipv6=host == '::' and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        reason = error.strerror.partition(' (while')[0]
        raise shell.CommandError(
            f'cannot listen on [api] host = {host}, port = {port}: {reason}'
        ) from error


class _Handler(serving.WSGIRequestHandler):
    """Answers one request: Werkzeug closes the connection after it."""

    def setup(self):
        super().setup()
        self.server.waiting.add(self.connection)
        if self.server.stopping:  # the request is on its way, or never comes
            self.connection.settimeout(1)

    def handle_expect_100(self):
        return True  # Werkzeug sends 100 Continue by itself, too

    def run_wsgi(self):
        self.server.waiting.discard(self.connection)
        self.connection.settimeout(None)
        super().run_wsgi()

    def finish(self):
        self.server.waiting.discard(self.connection)
        super().finish()

    def log_request(self, code='-', size='-'):
        # What a client sends must not steer the terminal.
        request = self.requestline.encode('unicode_escape').decode()
        LOG.info('%s "%s" %s', self.address_string(), request, code)


class _Server(serving.BaseWSGIServer):
    """A Werkzeug server that stops without cutting requests."""

    #: why this server ends, once it shall
    stopping = ''
    watch = None
    successor_fd = None

    def __init__(self, *args, **kwargs):
        #: connections whose request has not come yet, or is answered
        self.waiting = set()
        super().__init__(*args, **kwargs)
        self.app = self._noticing_answers(self.app)

    def _noticing_answers(self, application):
        """After the answer, Werkzeug reads on until the client hangs up: a
        stop need not wait for that."""

        def notice(answer, connection):
            yield from answer
            self.waiting.add(connection)
            if self.stopping:
                self._stop_reading(connection)

        def noticing(environ, start_response):
            answer = application(environ, start_response)
            return ClosingIterator(
                notice(answer, environ['werkzeug.socket']),
                getattr(answer, 'close', None),
            )

        return noticing

    def use(self, tls):
        """Speak TLS; the handshake is left to the thread or process of the
        connection, so that a silent client holds up nobody."""
        self.ssl_context = tls
        self.socket = tls.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def on_signal(self, number, frame):
        if self.stopping:
            self.block_on_close = False  # server_close() does not wait
            sys.exit(128 + number)
        self.stop(f'{signal.Signals(number).name}: stopping')

    def stop(self, reason):
        """End serve_forever(), once the requests in flight are answered.

        A signal may call this within a write to the log, so the log waits
        until the loop comes round.
        """
        self.stopping = reason
        self.dismiss()

    def dismiss(self):
        """Wait no longer for connections that have no request to answer."""
        for connection in self.waiting.copy():
            self._stop_reading(connection)

    @staticmethod
    def _stop_reading(connection):
        # Only for reading, and below TLS, which would not let the other
        # thread read what is already there.
        with (
            contextlib.suppress(OSError),
            socket.fromfd(
                connection.fileno(), connection.family, connection.type
            ) as below,
        ):
            below.shutdown(socket.SHUT_RD)

    def service_actions(self):
        super().service_actions()
        if self.watch and not self.stopping and (file := self.watch.changed()):
            self.successor_fd = os.dup(self.fileno())
            os.set_inheritable(self.successor_fd, True)
            self.stop(f'{file} changed: reloading')
        if self.stopping:
            LOG.info(self.stopping)
            # What Werkzeug ends its loop for. shutdown() would need another
            # thread, and a process that is forked while one holds a lock, as
            # that of the log, waits for it for ever.
            raise KeyboardInterrupt


class _ThreadingServer(_Server, serving.ThreadedWSGIServer):
    def __init__(self, *args, **kwargs):
        self.threads = weakref.WeakSet()
        super().__init__(*args, **kwargs)

    def process_request(self, request, client_address):
        # Daemon threads: a second signal must be able to leave them behind.
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            daemon=True,
        )
        self.threads.add(thread)
        thread.start()

    def server_close(self):
        super().server_close()
        if self.block_on_close:
            for thread in list(self.threads):
                thread.join()


class _ForkingServer(_Server, serving.ForkingWSGIServer):
    def process_request(self, request, client_address):
        # A signal waits until the parent knows the child, and until the child
        # has a handler of its own.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            super().process_request(request, client_address)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def finish_request(self, request, client_address):
        # In the child. The parent's port must close when the parent says so,
        # and Ctrl-C reaches the child, too.
        self.socket.close()
        self.active_children = None
        for number in SIGNALS:
            signal.signal(number, lambda *_: self.stop('with the parent'))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        super().finish_request(request, client_address)

    def dismiss(self):
        super().dismiss()
        for child in self.active_children or ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)


class _Watch:
    """Notices when the source of a loaded module changes."""

    def __init__(self):
        self.times = {}
        self.due = 0
        self.changed()

    def changed(self):
        """Return a file that changed, or None; look once in a second."""
        now = time.monotonic()
        if now < self.due:
            return None
        self.due = now + 1
        files = {
            getattr(module, '__file__', None)
            for module in list(sys.modules.values())
        }
        changed = [file for file in files if file and self._changed(file)]
        return changed[0] if changed else None

    def _changed(self, file):
        path = pathlib.Path(file)
        try:
            modified = path.stat().st_mtime_ns
            if self.times.setdefault(file, modified) == modified:
                return False
            self.times[file] = modified
            if path.suffix == '.py':
                compile(path.read_bytes(), file, 'exec')
        except OSError:  # being saved at this moment
            return False
        except SyntaxError as error:
            LOG.error('%s: not reloading: %s', file, error)
            return False
        return True
