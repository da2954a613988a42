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

"""What clients get: an answer that they did not expect, or none."""

from troubleshooting import collect

PROBLEMS, problem = collect()

TOKEN = 'X-Auth-Token: ' + 'x' * 16000


@problem(
    title='Apache refuses a large token',
    seen_in='the answer, with status 400',
    symptom='Size of a request header field exceeds server limit.',
    cause='Apache takes 8190 bytes for a header. A token with a long catalog '
    'or many roles is larger.',
    action='Raise :ref:`LimitRequestFieldSize '
    '<apache-mod-wsgi-conf-limitrequestfieldsize>`, as the samples do. A '
    'virtual host that is not the first one on its address needs the line in '
    'the first one, too.',
    look_at='The same request is answered:',
    confirmation='HTTP/1.1 200 OK',
    sources={
        'Apache, LimitRequestFieldSize': 'https://httpd.apache.org/docs/2.4/'
        'mod/core.html#limitrequestfieldsize'
    },
)
def large_token_apache(trial):
    return trial.with_and_without(
        'apache-mod-wsgi',
        {
            'apache_mod_wsgi/telemetry-api.conf': {
                'LimitRequestFieldSize 65536\n': '\n'
            }
        },
        lambda server: trial.look(server, '/', '-H', TOKEN),
    )


@problem(
    title='nginx refuses a large token',
    seen_in='the answer, with status 400',
    symptom='Request Header Or Cookie Too Large',
    cause='nginx takes 8 kB for a header.',
    action='Raise :ref:`large_client_header_buffers '
    '<nginx-conf-large-client-header-buffers>`, as the sample does, and the '
    'limit of the server behind nginx.',
    look_at='The same request is answered:',
    confirmation='HTTP/1.1 200 OK',
    sources={
        'nginx, large_client_header_buffers': 'https://nginx.org/en/docs/http/'
        'ngx_http_core_module.html#large_client_header_buffers'
    },
)
def large_token_nginx(trial):
    return trial.with_and_without(
        'nginx-uwsgi',
        {
            'nginx/telemetry-api.conf': {
                'large_client_header_buffers 4 64k;': ''
            }
        },
        lambda server: trial.look(server, '/', '-H', TOKEN),
    )


@problem(
    title='gunicorn refuses a large token',
    seen_in='the answer',
    symptom='HTTP/1.1 431 Request Header Fields Too Large',
    cause='gunicorn takes 8190 bytes for a header.',
    action='Raise :ref:`limit_request_field_size '
    '<gunicorn-py-limit-request-field-size>`, as the sample does.',
    look_at='The same request is answered:',
    confirmation='HTTP/1.1 200 OK',
    sources={
        'gunicorn, limit_request_field_size': 'https://docs.gunicorn.org/en/'
        'stable/settings.html#limit-request-field-size'
    },
)
def large_token_gunicorn(trial):
    return trial.with_and_without(
        'gunicorn',
        {
            'gunicorn/gunicorn.conf.py': {
                'limit_request_field_size = 65536\n': ''
            }
        },
        # gunicorn closes the connection without reading the rest of the
        # request, and the reset may overtake the answer.
        lambda server: trial.wait_for(
            lambda: trial.curl(server, '/', '-H', TOKEN)
        ),
    )


@problem(
    title='An id with a slash is not found',
    seen_in='the answer, with status 404',
    symptom='The requested URL was not found on this server.',
    cause='Clients send the slash of an id as ``%2F``. By default Apache '
    'answers 404 to it, and the application never hears of the request.',
    action='Say :ref:`AllowEncodedSlashes On '
    '<apache-mod-wsgi-conf-allowencodedslashes>` in the virtual host, as the '
    'samples do.',
    look_at='The application answers. The page of the test gives the id back:',
    confirmation='Item node/1',
    sources={
        'Apache, AllowEncodedSlashes': 'https://httpd.apache.org/docs/2.4/'
        'mod/core.html#allowencodedslashes'
    },
)
def encoded_slash(trial):
    return trial.with_and_without(
        'apache-mod-wsgi',
        {
            'apache_mod_wsgi/telemetry-api.conf': {
                'AllowEncodedSlashes On': 'AllowEncodedSlashes Off'
            }
        },
        lambda server: trial.look(server, '/item/node%2F1'),
    )


@problem(
    title='Apache before uWSGI wants a length',
    seen_in='the answer, with status 411',
    symptom='requires a valid Content-length.',
    cause='The client sends the body in chunks, without a length, as programs '
    'do that stream. The uwsgi protocol has no chunks, so Apache refuses '
    'them.',
    action='Put nginx in front instead: it collects the chunks and tells the '
    'length. Or let the client send a length.',
    look_at='Behind nginx the body arrives. The page of the test counts it:',
    confirmation='The body has 5 bytes',
    sources={
        'uWSGI, issue 1540': 'https://github.com/unbit/uwsgi/issues/1540'
    },
)
def chunks_apache_uwsgi(trial):
    for name in ('apache-uwsgi', 'nginx-uwsgi'):
        yield trial.look(trial.good(name), '/length', *CHUNKS)


CHUNKS = ('-H', 'Transfer-Encoding: chunked', '--data', 'hello')


@problem(
    title='A stop of uWSGI cuts requests off',
    seen_in='what curl prints, when uWSGI is stopped',
    symptom='curl: (52) Empty reply from server',
    cause='``die-on-term`` makes SIGTERM a stop, but not a graceful one: '
    'requests in flight are cut. Without a stop it is something else, which '
    'the log of uWSGI tells: a :ref:`token that is too large '
    '<trouble-small-buffer>`, or a worker that died.',
    action='Say :ref:`hook-master-start <uwsgi-ini-hook-master-start>`, as '
    'the sample does.',
    look_at='A request that is in flight at a stop is answered. The page of '
    'the test is in it for a second:',
    confirmation='Awake',
    sources={
        'uWSGI, issue 2656': 'https://github.com/unbit/uwsgi/issues/2656'
    },
)
def cut_by_stop(trial):
    hook = 'hook-master-start = unix_signal:15 gracefully_kill_them_all\n'
    for changes in ({'uwsgi/telemetry-api.ini': {hook: ''}}, None):
        with trial.faulty(
            'uwsgi', changes, until='worker 2' if changes else None
        ) as server:
            yield trial.stop_meanwhile(server)


@problem(
    title='The right password is refused under mod_wsgi',
    seen_in='the answer',
    symptom='HTTP/1.1 401 Unauthorized',
    cause='mod_wsgi keeps the Authorization header from the application: it '
    'might be for Apache. Tokens in X-Auth-Token are passed.',
    action='Where the application looks at Authorization itself, say '
    ':ref:`WSGIPassAuthorization On '
    '<apache-mod-wsgi-conf-wsgipassauthorization>`, as the sample does.',
    look_at='The same password opens the door. The page of the test says:',
    confirmation='Welcome',
    sources={
        'mod_wsgi, WSGIPassAuthorization': 'https://modwsgi.readthedocs.io/en/'
        'master/configuration-directives/WSGIPassAuthorization.html'
    },
)
def no_authorization(trial):
    return trial.with_and_without(
        'apache-mod-wsgi',
        {
            'apache_mod_wsgi/telemetry-api.conf': {
                'WSGIPassAuthorization On\n': '\n'
            }
        },
        lambda server: trial.look(server, '/private', '-u', 'reader:secret'),
    )


@problem(
    title='Links of an HTTPS service begin with http',
    seen_in='the answer of the application',
    symptom='This is http://',
    cause='The proxy ends TLS, and does not tell the server behind it that '
    'the client came with HTTPS.',
    action='Let the proxy set :ref:`X-Forwarded-Proto '
    '<nginx-gunicorn-backend-proxy-set-header-x-forwarded-proto>`, as the '
    'samples do, and let the server believe the proxy in this, and only the '
    'proxy. An application behind a server that does not look at it needs '
    '``[oslo_middleware] enable_proxy_headers_parsing``.',
    look_at='Ask for a page with links. That of the test says:',
    confirmation='This is https://',
    sources={
        'gunicorn, secure_scheme_headers': 'https://docs.gunicorn.org/en/'
        'stable/settings.html#secure-scheme-headers'
    },
)
def links_with_http(trial):
    return trial.with_and_without(
        'nginx-gunicorn',
        {
            'nginx_gunicorn/telemetry-api.backend': {
                'proxy_set_header X-Forwarded-Proto $scheme;': ''
            }
        },
        trial.look,
    )
