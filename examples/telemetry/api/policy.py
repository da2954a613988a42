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
"""Who may do what: rules of oslo.policy, with their defaults in code.

An operator changes a rule in ``policy.yaml`` beside ``telemetry.conf``. The
names of the rules are those that deployers of this service know.
"""

from oslo_config import cfg
from oslo_policy import policy

from telemetry import conf as telemetry_conf

SEGREGATION = 'segregation'


def _operation(name, description, *operations):
    return policy.DocumentedRuleDefault(
        f'telemetry:{name}',
        '',
        description,
        [{'method': method, 'path': path} for method, path in operations],
    )


RULES = (
    policy.RuleDefault(
        'context_is_admin', 'role:admin', 'Who administers the service.'
    ),
    policy.RuleDefault(
        SEGREGATION,
        'rule:context_is_admin',
        'Who sees, and may post, the samples of all projects. Everybody '
        'else is limited to the project of their token.',
    ),
    _operation(
        'get_capabilities',
        'Show what the API can do.',
        ('GET', '/v2/capabilities'),
    ),
    _operation('get_meters', 'List meters.', ('GET', '/v2/meters')),
    _operation(
        'get_samples',
        'List samples.',
        ('GET', '/v2/samples'),
        ('GET', '/v2/meters/{meter_name}'),
    ),
    _operation(
        'get_sample', 'Show one sample.', ('GET', '/v2/samples/{sample_id}')
    ),
    _operation(
        'query_sample',
        'List the samples that a complex query finds.',
        ('POST', '/v2/query/samples'),
    ),
    _operation(
        'create_samples', 'Post samples.', ('POST', '/v2/meters/{meter_name}')
    ),
    _operation(
        'compute_statistics',
        'Compute statistics of samples.',
        ('GET', '/v2/meters/{meter_name}/statistics'),
    ),
    _operation('get_resources', 'List resources.', ('GET', '/v2/resources')),
    _operation(
        'get_resource',
        'Show one resource.',
        ('GET', '/v2/resources/{resource_id}'),
    ),
)


def list_rules():
    """Return the rules, for the tools of oslo.policy."""
    return RULES


def get_enforcer():
    """Return the Enforcer of this machine, for the tools of oslo.policy."""
    return enforcer(telemetry_conf.load())


def enforcer(conf):
    """Return an Enforcer with the rules of code and policy file.

    It reads the file again when that has changed.

    :raises oslo_config.cfg.Error: the policy file cannot be read, or the
        configuration names one that is not there
    """
    file = conf.oslo_policy.policy_file
    place = conf.get_location('policy_file', 'oslo_policy')
    # oslo.policy takes the defaults where a file is missing.
    if place.location.is_user_controlled and not conf.find_file(file):
        raise cfg.ConfigFilesNotFoundError([file])
    found = policy.Enforcer(conf)
    found.register_defaults(RULES)
    try:
        found.load_rules()
    except (OSError, ValueError, AttributeError) as error:
        raise cfg.ConfigFileParseError(file, str(error)) from error
    return found
