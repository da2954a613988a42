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
"""The files for Prometheus and Grafana, held against what is exported."""

import json
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml
from telemetry import conf as telemetry_conf

from tests.hosts.test_samples import verify

FILES = pathlib.Path(__file__).parents[2] / 'examples' / 'monitor'
ALERTS = yaml.safe_load((FILES / 'telemetry-api-alerts.yaml').read_text())
RULES = {
    rule['alert']: rule['expr']
    for group in ALERTS['groups']
    for rule in group['rules']
}
DASHBOARD = json.loads((FILES / 'telemetry-api-dashboard.json').read_text())
PANELS = {
    f'{panel["title"]} {target["refId"]}': target['expr']
    for panel in DASHBOARD['panels']
    for target in panel['targets']
}
# Those that Prometheus adds to what it gets.
ADDED = {'instance', 'job'}


def promtool(*arguments):
    program = shutil.which('promtool')
    assert program, "install Debian's package prometheus"
    return subprocess.run(
        [program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def used(expression):
    """The metrics in an expression, and the labels it speaks of."""
    metrics = set(re.findall(r'\btelemetry_\w+', expression))
    labels = set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', expression))
    for group in re.findall(r'\b(?:by|on)\s*\(([^)]*)\)', expression):
        labels.update(re.findall(r'\w+', group))
    return metrics, labels


@pytest.mark.parametrize(
    'expression', [*RULES.values(), *PANELS.values()], ids=[*RULES, *PANELS]
)
def test_what_is_asked_for_is_exported(service, expression):
    service.server.get('/v2/meters')
    exported = {}
    for sample in service.samples():
        exported.setdefault(sample.name, set()).update(sample.labels)
    metrics, labels = used(expression)
    assert metrics <= exported.keys()
    known = set().union(ADDED, *(exported[name] for name in metrics))
    assert labels <= known


def test_what_is_exported_is_shown(service):
    """The dashboard has each metric."""
    shown = set().union(*(used(each)[0] for each in PANELS.values()))
    names = {
        re.sub('_(bucket|sum|count)$', '', sample.name)
        for sample in service.samples()
    }
    assert names == {
        re.sub('_(bucket|sum|count)$', '', each) for each in shown
    }


def test_prometheus_takes_its_files():
    done = promtool('check', 'config', FILES / 'prometheus.yaml')
    assert done.returncode == 0, done.stderr
    assert f'SUCCESS: {len(RULES)} rules found' in done.stdout


def test_prometheus_takes_the_expressions_of_the_dashboard(tmp_path):
    rules = [
        {
            'record': f'panel:{number}',
            'expr': expression.replace('$instance', '.*').replace(
                '$__rate_interval', '5m'
            ),
        }
        for number, expression in enumerate(PANELS.values())
    ]
    file = tmp_path / 'panels.yaml'
    content = {'groups': [{'name': 'panels', 'rules': rules}]}
    file.write_text(yaml.safe_dump(content))
    done = promtool('check', 'rules', file)
    assert done.returncode == 0, done.stderr
    content['groups'][0]['rules'][0]['expr'] += ')'
    file.write_text(yaml.safe_dump(content))
    assert promtool('check', 'rules', file).returncode != 0


def requests_total(status):
    return (
        'telemetry_http_requests_total{instance="a", method="GET", '
        f'route="/v2/meters", status="{status}"}}'
    )


def duration_bucket(le):
    return (
        'telemetry_http_request_duration_seconds_bucket{instance="a", '
        f'method="GET", route="/v2/meters", le="{le}"}}'
    )


UP = 'up{instance="a", job="telemetry-api"}'
IN_USE = 'telemetry_database_connections_in_use{instance="a"}'
POOL_SIZE = 'telemetry_database_pool_size{instance="a"}'
# Half an hour of a service that is well: a value for each minute.
WELL = {
    UP: '1x30',
    requests_total(200): '0+1000x30',
    requests_total(404): '0+300x30',
    requests_total(500): '0+5x30',
    duration_bucket('0.5'): '0+996x30',
    duration_bucket('5'): '0+1000x30',
    duration_bucket('+Inf'): '0+1000x30',
    IN_USE: '8x30',
    POOL_SIZE: '10x30',
}
# One 503, three minutes before it is looked for.
ONCE = {requests_total(503): '0x21 1x8'}
# What is different, the labels of the alert, and what its text says.
ILL = {
    'TelemetryMetricsMissing': (
        {UP: '0x30'},
        {'job': 'telemetry-api'},
        {},
    ),
    'TelemetryApiGetsNoRequests': (
        dict.fromkeys(map(requests_total, (200, 404, 500)), '9x30'),
        {},
        {},
    ),
    'TelemetryApiUnavailable': ({requests_total(503): '0+1x30'}, {}, {}),
    'TelemetryApiErrors': (
        {requests_total(200): '0+668x30', requests_total(500): '0+32x30'},
        {},
        {'$value | humanizePercentage': '3.2%'},
    ),
    'TelemetryApiSlow': (
        {duration_bucket('0.5'): '0+900x30'},
        {'route': '/v2/meters'},
        {
            '$labels.route': '/v2/meters',
            '$value | humanizeDuration': '4.55s',
        },
    ),
    'TelemetryDatabaseConnectionsExhausted': (
        {IN_USE: '10x30'},
        {},
        {'$value | humanizePercentage': '100%'},
    ),
}


def expected(name, labels, texts):
    """An alert as promtool wants to see it."""
    (rule,) = [
        rule
        for group in ALERTS['groups']
        for rule in group['rules']
        if rule['alert'] == name
    ]
    annotations = dict(rule['annotations'])
    for key, text in annotations.items():
        for old, new in texts.items():
            text = text.replace(f'{{{{ {old} }}}}', new)
        annotations[key] = text
    return {
        'exp_labels': {'instance': 'a', **rule['labels'], **labels},
        'exp_annotations': annotations,
    }


def trial(series, alerts):
    """A half hour, and the alerts that fire at its end."""
    return {
        'interval': '1m',
        'input_series': [
            {'series': name, 'values': values}
            for name, values in series.items()
        ],
        'alert_rule_test': [
            {'eval_time': '25m', 'alertname': name, 'exp_alerts': alerts[name]}
            for name in alerts
        ],
    }


def test_each_alert_fires_when_it_should_and_only_then(tmp_path):
    assert ILL.keys() == RULES.keys()
    file = tmp_path / 'test.yaml'
    content = {
        'rule_files': [str(FILES / 'telemetry-api-alerts.yaml')],
        'tests': [
            trial(WELL, dict.fromkeys(RULES, [])),
            trial({**WELL, **ONCE}, dict.fromkeys(RULES, [])),
            *(
                trial(
                    {**WELL, **series}, {name: [expected(name, labels, texts)]}
                )
                for name, (series, labels, texts) in ILL.items()
            ),
        ],
    }
    file.write_text(yaml.safe_dump(content))
    done = promtool('test', 'rules', file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_grafana_finds_its_places():
    """No two panels have one id, or one place."""
    panels = DASHBOARD['panels']
    assert len({panel['id'] for panel in panels}) == len(panels)
    squares = [
        (x, y)
        for place in (panel['gridPos'] for panel in panels)
        for x in range(place['x'], place['x'] + place['w'])
        for y in range(place['y'], place['y'] + place['h'])
    ]
    assert len(set(squares)) == len(squares)
    assert max(x for x, _ in squares) < 24
    variables = {each['name'] for each in DASHBOARD['templating']['list']}
    assert variables == {'datasource', 'instance'}


def test_systemd_takes_the_unit(tmp_path):
    unit = FILES / 'telemetry-metrics.service'
    done = verify(unit, tmp_path)
    assert (done.returncode, done.stderr) == (0, '')
    # What is closed to the API is closed to this.
    api = (FILES.parent / 'hosts/gunicorn/telemetry-api.service').read_text()
    closed = api.partition('UMask')[2].partition('[Install]')[0]
    lines = [line for line in closed.splitlines() if '=' in line]
    assert len(lines) > 15
    assert set(lines[1:]) <= set(unit.read_text().splitlines())


def test_the_api_and_the_command_take_the_options(tmp_path, monkeypatch):
    parts = tmp_path / 'telemetry.conf.d'
    parts.mkdir()
    text = (FILES / 'monitor.conf').read_text()
    here = text.replace('/var/lib/telemetry', str(tmp_path))
    (parts / 'monitor.conf').write_text(here)
    monkeypatch.setenv('OS_TELEMETRY_CONFIG_DIR', str(tmp_path))
    conf = telemetry_conf.load()
    assert telemetry_conf.metrics_directory(conf) == tmp_path / 'metrics'
    assert (tmp_path / 'metrics').stat().st_mode & 0o777 == 0o750
    assert conf.healthcheck.backends == [
        'telemetry_storage',
        'disable_by_file',
    ]
    assert conf.healthcheck.disable_by_file_path == str(tmp_path / 'drain')
