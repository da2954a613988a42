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

# gunicorn serves the telemetry API over HTTP, with threads.
# Copy to /etc/telemetry/gunicorn.conf.py, beside telemetry.conf. Any value can
# be replaced on the command line: gunicorn --config FILE --bind 10.0.0.5:8777
# Guide: install/gunicorn, "Run it on gunicorn".

# Where to listen. Give a public address only behind a firewall: tokens travel
# in clear text. For TLS put nginx in front, which also takes slow clients.
bind = '127.0.0.1:8777'
# The WSGI application, as module:callable.
wsgi_app = 'telemetry.wsgi:application'
# The path that the application is below: this environment variable of
# gunicorn. For /telemetry say ['SCRIPT_NAME=/telemetry'], or set the variable
# in the unit.
raw_env = []
# Believe nobody who comes over TCP what they say of the client. A proxy that
# comes over a unix socket is believed always.
forwarded_allow_ips = ''
# The one header in which such a proxy says that the client came with HTTPS.
secure_scheme_headers = {'X-FORWARDED-PROTO': 'https'}

# Threads, so that one slow query holds up one request only.
worker_class = 'gthread'
# Start with one process for each CPU: threads of one process share one CPU
# for Python code.
workers = 2
# Threads wait for the database at the same time. Keep this at or below
# [database] max_pool_size (5), so that each thread finds a connection. The
# database sees at most workers x threads connections: 8 here.
threads = 4

# The largest header in bytes. The default of 8190 is too small for some
# tokens: they get 431.
limit_request_field_size = 65536
# The longest request line in bytes: this is the largest limit there is.
limit_request_line = 8190
# How many seconds a connection waits for its next request. A proxy in front
# must give up its connections earlier than this.
keepalive = 5

# Replace a worker that has not been heard of for this many seconds. With
# threads this is no limit for a request: set one in the database.
timeout = 60
# How many seconds requests in flight get on a reload or a stop.
graceful_timeout = 60
# Heartbeats go to memory: on a busy disk a worker would seem dead.
worker_tmp_dir = '/dev/shm'
# No further way in: signals are enough to reload and stop.
control_socket_disable = True

# One line for each request, on standard output.
accesslog = '-'
# Who, what, status, bytes, how long, which request and which worker. The
# application logs the same request id.
access_log_format = (
    '%(h)s %(t)s "%(r)s" %(s)s %(B)s %(M)sms '
    '%({x-openstack-request-id}o)s worker=%(p)s'
)
