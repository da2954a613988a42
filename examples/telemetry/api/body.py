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
"""Reading a request body without losing or misreading any of it."""

import json
import math

from werkzeug import exceptions


def check_framing(environ):
    """Refuse a request whose body might be lost.

    A host that decodes a chunked body says so with
    ``wsgi.input_terminated``. Other hosts hand over the request with an
    empty input, so the body would be lost without a word (uWSGI does, see
    the note on chunked input in its documentation).

    :raises werkzeug.exceptions.BadRequest: the length is said twice, or is
        not a number (RFC 9112, section 6)
    :raises werkzeug.exceptions.LengthRequired: the body is chunked and the
        host has not decoded it
    """
    length = environ.get('CONTENT_LENGTH') or None
    chunked = environ.get('HTTP_TRANSFER_ENCODING') or None
    if length is not None and not (length.isascii() and length.isdigit()):
        raise exceptions.BadRequest(
            f"The Content-Length header is not a number: '{length}'."
        )
    if chunked and length is not None:
        raise exceptions.BadRequest(
            'The request has both a Content-Length and a Transfer-Encoding '
            'header.'
        )
    if chunked and not environ.get('wsgi.input_terminated'):
        raise exceptions.LengthRequired(
            'The server does not read chunked request bodies. Send a '
            'Content-Length header instead of Transfer-Encoding.'
        )


def read_json(request):
    """Return the JSON document in the body.

    :raises werkzeug.exceptions.UnsupportedMediaType: it is said to be
        something else than JSON in UTF-8
    :raises werkzeug.exceptions.RequestEntityTooLarge: it is too large
    :raises werkzeug.exceptions.BadRequest: it is not JSON
    """
    if request.mimetype != 'application/json':
        raise exceptions.UnsupportedMediaType(
            f"Unsupported Content-Type: '{request.content_type or ''}'. "
            'The body must be application/json.'
        )
    charset = request.mimetype_params.get('charset', 'utf-8').lower()
    if charset not in ('utf-8', 'utf8', 'us-ascii'):
        raise exceptions.UnsupportedMediaType(
            f"Unsupported charset: '{charset}'. The body must be UTF-8."
        )
    if request.headers.get('Content-Encoding', 'identity') != 'identity':
        raise exceptions.UnsupportedMediaType(
            'Unsupported Content-Encoding: '
            f"'{request.headers['Content-Encoding']}'."
        )
    content = request.get_data(cache=False)
    if len(content) > request.max_body_size:
        raise exceptions.RequestEntityTooLarge()
    return parse_json(content, 'The body')


def parse_json(document, name):
    """Return the value of a JSON document, read strictly (RFC 8259).

    :param document: bytes in UTF-8, or text
    :param name: what to call it in the refusal
    :raises werkzeug.exceptions.BadRequest: it is not JSON, or has a key
        twice, a number that is not finite, or too deep a nesting
    """
    try:
        if isinstance(document, bytes):
            document = document.decode()
        return json.loads(
            document,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
        )
    except UnicodeDecodeError as error:
        why = f'it is not UTF-8 (byte {error.start})'
    except RecursionError:
        why = 'it is nested too deeply'
    except ValueError as error:
        why = str(error)
    raise exceptions.BadRequest(f'{name} is not valid JSON: {why}')


def _object(pairs):
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f'the key "{twice}" is there twice')
    return result


def _constant(name):
    raise ValueError(f'{name} is not a number')


def _float(digits):
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f'the number {digits} is too large')
    return value
