"""Every rule on metrics fires for exactly the unit at fault, with its labels and texts.

Prometheus' own promtool evaluates the rules, rendered as the charm does it for a coordinator and
two worker applications, over the series of a small world: five units of theirs, an application
that is none of theirs, and one of the same name in another model.
"""

import json
import re
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import deployment
from coordinated_telemetry.topology import LABELS, Topology
from coordinator.source import alerts
from localjuju import images, pods

UUID = '12345678-1234-4234-8234-123456789abc'
COORDINATOR = Topology('m', UUID, 'coordinator', '', 'coordinator-k8s')
A, B = (COORDINATOR.for_application(name, 'worker-k8s') for name in 'ab')
STRANGER = COORDINATOR.for_application('stranger', 'worker-k8s')
OTHER_MODEL = replace(A, model='n', model_uuid=UUID.replace('1', '9'))
OTHER_COORDINATOR = replace(COORDINATOR, model='n', model_uuid=UUID.replace('1', '9'))
OTHERS = (STRANGER, OTHER_MODEL, OTHER_COORDINATOR)
UNITS = [
    replace(application, unit=f'{application.application}/{number}')
    for application in (COORDINATOR, A, B, *OTHERS)
    for number in (0, 1)
]
GROUPS = alerts.prometheus_rules(COORDINATOR, [A, B])[0]
STEP = 30  # seconds between two samples
COUNT = 'http_request_duration_seconds_count'
BUCKET = 'http_request_duration_seconds_bucket'
OK = 'method="GET",path="root",status="200"'
FAILED = 'method="GET",path="root",status="500"'
PROBE = 'method="GET",path="healthz",status="200"'
ECHO = 'method="POST",path="api_echo",status="202"'

# Series of a healthy unit, by name and own labels: values as promtool notes them, 30 minutes.
HOST = {('up', ''): '1x60'}
NGINX = {
    ('nginx_up', ''): '1x60',
    ('nginx_connections_accepted', ''): '3+10x60',
    # Some are always accepted and not handled yet.
    ('nginx_connections_handled', ''): '0+10x60',
}
WORKER = {
    ('process_start_time_seconds', ''): '1700000000x60',
    (COUNT, OK): '0+100x60',
    (COUNT, FAILED): '0+1x60',
    (COUNT, PROBE): '0+900x60',
    (BUCKET, f'{OK},le="1"'): '0+100x60',
    (BUCKET, f'{OK},le="2.5"'): '0+100x60',
    (BUCKET, f'{OK},le="+Inf"'): '0+100x60',
    (BUCKET, f'{PROBE},le="1"'): '0+900x60',
    (BUCKET, f'{PROBE},le="2.5"'): '0+900x60',
    (BUCKET, f'{PROBE},le="+Inf"'): '0+900x60',
    # As slow as the backend is.
    (BUCKET, f'{ECHO},le="1"'): '0x60',
    (BUCKET, f'{ECHO},le="2.5"'): '0+100x60',
    (BUCKET, f'{ECHO},le="+Inf"'): '0+100x60',
}


@dataclass(frozen=True)
class Fault:
    """What is wrong with a unit, and when its alert fires.

    Attributes:
        alert: the alert's name.
        series: what the unit's series are instead of a healthy one's.
        silent: seconds at which the alert does not fire yet.
        fires: seconds at which it does.
        value: how its texts show the value.
        aggregated: whether the alert has the five labels only, without those of a scrape.
    """

    alert: str
    series: dict[tuple[str, str], str] = field(hash=False)
    silent: int
    fires: int
    value: str = ''
    aggregated: bool = False


DOWN = Fault('HostDown', {('up', ''): '0x60'}, 270, 300)
OF_NGINX = [
    DOWN,
    Fault('NginxDown', {('nginx_up', ''): '0x60'}, 90, 120),
    Fault(
        'NginxConnectionsDropped',
        {('nginx_connections_accepted', ''): '0+20x60'},
        270,
        900,
        value='100',
    ),
]
OF_WORKERS = [
    DOWN,
    # The probes do not make it less.
    Fault(
        'WorkerErrors',
        {(COUNT, OK): '0+90x60', (COUNT, FAILED): '0+10x60'},
        270,
        600,
        value='10%',
        aggregated=True,
    ),
    Fault(
        'WorkerLatency', {(BUCKET, f'{OK},le="1"'): '0+90x60'}, 570, 900, '2.35s', aggregated=True
    ),
    # A second restart is none too many.
    Fault(
        'WorkerRestarts', {('process_start_time_seconds', ''): '1x4 2x4 3x4 4x60'}, 420, 480, '3'
    ),
]
CASES = [
    *((fault, COORDINATOR) for fault in OF_NGINX),
    *((fault, application) for fault in OF_WORKERS for application in (A, B)),
]
IDS = [f'{fault.alert}-{application.application}' for fault, application in CASES]


@pytest.fixture(scope='module')
def promtool() -> list[str]:
    image = deployment.upstream_sources('tests/stores/prometheus')['prometheus-image']
    try:
        return images.host_command(image, '/usr/bin/promtool')
    except pods.PodError as error:
        # `make unit` does without; in `make test` the setup of lint comes first.
        pytest.skip(f'no promtool, run `make setup`: {error}')


def scraped(unit: Topology) -> dict[str, str]:
    """The labels that a scrape gives to everything of a unit."""
    values = (unit.model, unit.model_uuid, unit.application, unit.unit, unit.charm)
    instance = f'{unit.model}_{unit.model_uuid}_{unit.application}'
    return {**dict(zip(LABELS, values, strict=True)), 'job': 'juju', 'instance': instance}


def series(faults: dict[str, Fault], without: Topology | None = None) -> list[dict[str, str]]:
    """The world's series, with faulty units (`model:unit`), and without an application."""
    found: list[dict[str, str]] = []
    for unit in UNITS:
        if without and replace(unit, unit='') == without:
            continue
        own = {**HOST, **(NGINX if unit.charm == 'coordinator-k8s' else WORKER)}
        fault = faults.get(f'{unit.model}:{unit.unit}')
        if fault:
            own |= fault.series
        labels = ','.join(f'{name}="{value}"' for name, value in scraped(unit).items())
        for (name, more), values in own.items():
            every = f'{labels},{more}' if more else labels
            found.append({'series': f'{name}{{{every}}}', 'values': values})
    return found


def raised(alert: str, labels: dict[str, str], value: str) -> dict[str, object]:
    """The alert as promtool expects it, its texts rendered."""
    [rule] = [
        rule
        for group in GROUPS
        for rule in group['rules']
        if (rule['alert'], rule['labels']['juju_application'])
        == (alert, labels['juju_application'])
    ]

    def rendered(text: str) -> str:
        text = re.sub(r'\{\{ \$labels\.(\w+) \}\}', lambda found: labels[found[1]], text)
        return re.sub(r'\{\{ \$value( \| \w+)? \}\}', value, text)

    texts = {name: rendered(text) for name, text in rule['annotations'].items()}
    severity = {'severity': rule['labels']['severity']}
    return {'exp_labels': {**labels, **severity}, 'exp_annotations': texts}


def check(
    promtool: list[str],
    folder: Path,
    inputs: list[dict[str, str]],
    expected: list[tuple[int, str, list[dict[str, object]]]],
) -> None:
    """Let promtool check which alerts fire: seconds, the alert's name, and all of that name."""
    test = {
        'interval': f'{STEP}s',
        'input_series': inputs,
        'alert_rule_test': [
            {'eval_time': f'{seconds}s', 'alertname': alert, 'exp_alerts': fires}
            for seconds, alert, fires in expected
        ],
    }
    whole = {'rule_files': ['rules'], 'evaluation_interval': f'{STEP}s', 'tests': [test]}
    # JSON is YAML.
    (folder / 'rules').write_text(json.dumps({'groups': GROUPS}))
    (folder / 'test').write_text(json.dumps(whole))
    command = [*promtool, 'test', 'rules', str(folder / 'test')]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


ALERTS = sorted({rule['alert'] for group in GROUPS for rule in group['rules']})


def test_every_rule_is_tested():
    tested = {(fault.alert, application.application) for fault, application in CASES}
    tested |= {('HostMetricsMissing', name) for name in ('coordinator', 'a', 'b')}
    assert tested == {
        (rule['alert'], rule['labels']['juju_application'])
        for group in GROUPS
        for rule in group['rules']
    }


def test_nothing_fires_while_all_is_well(promtool, tmp_path):
    times = range(0, 1801, 300)
    check(promtool, tmp_path, series({}), [(when, name, []) for when in times for name in ALERTS])


@pytest.mark.parametrize(('fault', 'application'), CASES, ids=IDS)
def test_it_fires_for_the_unit_at_fault_alone(promtool, tmp_path, fault, application):
    unit = replace(application, unit=f'{application.application}/1')
    labels = scraped(unit)
    if fault.aggregated:
        labels = {name: labels[name] for name in LABELS}
    expected = [
        (fault.silent, fault.alert, []),
        (fault.fires, fault.alert, [raised(fault.alert, labels, fault.value)]),
        *((fault.fires, other, []) for other in ALERTS if other != fault.alert),
    ]
    check(promtool, tmp_path, series({f'm:{unit.unit}': fault}), expected)


@pytest.mark.parametrize('fault', [*OF_NGINX, *OF_WORKERS[1:]], ids=lambda fault: fault.alert)
def test_it_is_silent_about_other_applications_and_models(promtool, tmp_path, fault):
    faults = {f'{one.model}:{one.application}/{n}': fault for one in OTHERS for n in (0, 1)}
    expected = [(when, name, []) for when in (fault.fires, 1800) for name in ALERTS]
    check(promtool, tmp_path, series(faults), expected)


def test_host_down_resolves(promtool, tmp_path):
    healed = Fault('HostDown', {('up', ''): '0x20 1x40'}, 0, 0)
    alert = raised('HostDown', scraped(replace(A, unit='a/0')), '')
    inputs = series({'m:a/0': healed})
    check(promtool, tmp_path, inputs, [(600, 'HostDown', [alert]), (660, 'HostDown', [])])


@pytest.mark.parametrize('application', [COORDINATOR, A, B], ids=lambda one: one.application)
def test_missing_metrics_are_those_of_a_whole_application(promtool, tmp_path, application):
    alert = raised('HostMetricsMissing', dict(application.labels), '')
    expected = [
        (270, 'HostMetricsMissing', []),
        (300, 'HostMetricsMissing', [alert]),
        *((300, other, []) for other in ALERTS if other != 'HostMetricsMissing'),
    ]
    check(promtool, tmp_path, series({}, without=application), expected)
