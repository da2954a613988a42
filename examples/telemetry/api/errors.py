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
"""What the API says when a request cannot be answered.

Each error is an exception of Werkzeug whose description is the
``faultstring`` of the answer. The texts keep the form that clients of the
version 2 API know.
"""

from werkzeug import exceptions


def invalid_input(name, value, why):
    """400: the value of a field or argument is not acceptable."""
    return exceptions.BadRequest(
        f"Invalid input for field/attribute {name}. Value: '{value}'. {why}"
    )


def missing(name):
    """400: a mandatory field is not there."""
    return invalid_input(name, None, 'Mandatory field missing.')


def unknown_argument(name, why=None):
    """400: an argument, or a field of a query, has no meaning here."""
    return exceptions.BadRequest(
        f'Unknown argument: "{name}"' + (f': {why}' if why else '')
    )


def unknown_attribute(name):
    """400: an attribute in the body has no meaning here."""
    return exceptions.BadRequest(f'Unknown attribute: {name}')


def entity_not_found(entity, key):
    """404: no resource or sample has this id."""
    return exceptions.NotFound(f'{entity} {key} Not Found')


def not_authenticated(token):
    """401: there is no token, or not a valid one."""
    return exceptions.Unauthorized(
        'The token in the header X-Auth-Token is not valid, or has expired.'
        if token
        else 'This needs a token of Keystone in the header X-Auth-Token.'
    )


def no_project():
    """401: the token says nothing about a project."""
    return exceptions.Unauthorized(
        'The token is of no project: ask Keystone for one of a project.'
    )


def not_authorized(project_id):
    """401: the caller may not see this project."""
    return exceptions.Unauthorized(
        f'Not Authorized to access project {project_id}'
    )


def forbidden(rule):
    """403: a rule of the policy does not allow this to the caller."""
    return exceptions.Forbidden(f'The policy {rule} does not allow this.')
