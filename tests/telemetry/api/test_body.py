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
"""Bodies are read whole and right, or refused."""

import io
import json

import pytest

SAMPLE = {
    'counter_name': 'load',
    'counter_type': 'gauge',
    'counter_unit': 'process',
    'counter_volume': 1,
    'resource_id': 'node-1',
}


def _post(client, data, **environ):
    return client.post(
        '/v2/meters/load',
        data=data,
        content_type=environ.pop('content_type', 'application/json'),
        environ_overrides=environ,
    )


def _post_chunked(client, samples=(SAMPLE,), **environ):
    body = json.dumps(samples).encode()
    return client.post(
        '/v2/meters/load',
        content_type='application/json',
        input_stream=io.BytesIO(body),
        environ_overrides={
            'CONTENT_LENGTH': '',
            'HTTP_TRANSFER_ENCODING': 'chunked',
            **environ,
        },
    )


def _fault(response):
    return response.json['error_message']['faultstring']


def _stored(client):
    return len(client.get('/v2/samples').json)


def test_chunked_and_decoded_by_the_host(client):
    response = _post_chunked(client, **{'wsgi.input_terminated': True})
    assert response.status_code == 201
    assert _stored(client) == 1


def test_chunked_and_not_decoded_by_the_host(client):
    response = _post_chunked(client)
    assert response.status_code == 411
    assert 'Content-Length' in _fault(response)
    assert _stored(client) == 0


@pytest.mark.parametrize('terminated', [True, False])
def test_chunked_and_with_a_length(client, terminated):
    response = _post_chunked(
        client,
        CONTENT_LENGTH='5',
        **{'wsgi.input_terminated': terminated},
    )
    assert response.status_code == 400
    assert 'both' in _fault(response)
    assert _stored(client) == 0


@pytest.mark.parametrize('length', ['-1', '1,1', 'many', '+5', '\u0663'])
def test_a_length_that_is_not_a_number(client, length):
    response = _post(client, '[]', CONTENT_LENGTH=length)
    assert response.status_code == 400
    assert length in _fault(response)


def test_a_body_that_ends_early(client):
    body = json.dumps([SAMPLE])
    response = _post(client, body, CONTENT_LENGTH=str(len(body) + 1))
    assert response.status_code == 400
    assert 'shorter' in _fault(response)
    assert _stored(client) == 0


def test_no_body(client):
    response = _post(client, b'')
    assert response.status_code == 400
    assert 'not valid JSON' in _fault(response)


@pytest.mark.parametrize('chunked', [True, False])
def test_too_large(client, conf, chunked):
    conf.set_override('max_request_body_size', 1024, 'api')
    samples = [SAMPLE] * 20
    if chunked:
        response = _post_chunked(
            client, samples, **{'wsgi.input_terminated': True}
        )
    else:
        response = _post(client, json.dumps(samples))
    assert response.status_code == 413
    assert '1024 bytes' in _fault(response)
    assert _stored(client) == 0


@pytest.mark.parametrize('chunked', [True, False])
def test_as_large_as_allowed(client, conf, chunked):
    size = len(json.dumps([SAMPLE] * 20))
    conf.set_override('max_request_body_size', size, 'api')
    if chunked:
        response = _post_chunked(
            client, [SAMPLE] * 20, **{'wsgi.input_terminated': True}
        )
    else:
        response = _post(client, json.dumps([SAMPLE] * 20))
    assert response.status_code == 201


@pytest.mark.parametrize(
    ('data', 'why'),
    [
        (b'\xff', 'not UTF-8 (byte 0)'),
        (b'[' * 100000, 'nested too deeply'),
        (b'[-Infinity]', '-Infinity is not a number'),
        (b'[' + b'9' * 5000 + b']', 'digits'),
        (b'[1] x', 'Extra data'),
    ],
)
def test_not_json(client, data, why):
    response = _post(client, data)
    assert response.status_code == 400
    assert why in _fault(response)


@pytest.mark.parametrize(
    'content_type',
    ['', 'text/json', 'application/xml', 'application/json; charset=utf-16'],
)
def test_another_media_type(client, content_type):
    response = _post(client, '[]', content_type=content_type)
    assert response.status_code == 415


def test_a_compressed_body(client):
    response = _post(client, '[]', HTTP_CONTENT_ENCODING='gzip')
    assert response.status_code == 415
    assert 'gzip' in _fault(response)


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('counter_unit', 'x' * 256),
        ('counter_unit', 7),
        ('counter_unit', '\0'),
        ('counter_type', []),
        ('counter_type', {}),
        ('counter_name', ['load']),
        ('counter_volume', True),
        ('counter_volume', 10**400),
        ('counter_volume', 'nan'),
        ('counter_volume', '1e999'),
        ('counter_volume', [1]),
        ('project_id', {'id': 1}),
        ('source', 'x' * 256),
        ('timestamp', 5),
        ('timestamp', '0001-01-01T00:00:00+14:00'),
        ('timestamp', '9999-12-31T23:59:59-14:00'),
        ('timestamp', '0999-12-31T23:59:59'),
        ('resource_id', '\ud800'),
        ('resource_metadata', ['a']),
        ('resource_metadata', {'a': None}),
        ('resource_metadata', {'a': True}),
        ('resource_metadata', {'a': {'b': 'c'}}),
        ('resource_metadata', {'a': '\0'}),
        ('resource_metadata', {'\ud800': 'a'}),
    ],
)
def test_a_bad_value_is_named(client, field, value):
    good = SAMPLE | {'resource_id': 'good'}
    response = _post(client, json.dumps([good, SAMPLE | {field: value}]))
    assert response.status_code == 400
    assert f'field/attribute {field}' in _fault(response)
    assert _stored(client) == 0


@pytest.mark.parametrize('item', [None, 1, 'text', []])
def test_a_sample_that_is_no_object(client, item):
    response = _post(client, json.dumps([SAMPLE, item]))
    assert response.status_code == 400
    assert _stored(client) == 0


@pytest.mark.parametrize('volume', ['8.5', ' +.85e1', '85E-1'])
def test_a_number_written_as_text(client, volume):
    response = _post(client, json.dumps([SAMPLE | {'counter_volume': volume}]))
    assert response.json[0]['counter_volume'] == 8.5
