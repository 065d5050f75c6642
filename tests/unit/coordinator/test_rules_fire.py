"""Every rule on metrics fires for exactly the unit at fault, with its labels and texts.

Prometheus' own promtool evaluates the rules, rendered as the charm does it for a coordinator and
two worker applications, over the series of a small world: two units of each, two of each of a
deployment beside it, and of one with the same names in another model. Their labels are those that
the scraper makes of what the coordinators publish.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import deployment
import programs
import relabelling
from coordinated_telemetry import metrics
from coordinated_telemetry.topology import LABELS, Topology
from coordinator import scene
from coordinator.source import alerts
from prometheus.src import scrape

UUID = '12345678-1234-4234-8234-123456789abc'
COORDINATOR = Topology('m', UUID, 'coordinator', '', 'coordinator-k8s')
A, B = (COORDINATOR.for_application(name, 'worker-k8s') for name in 'ab')
OTHER, C = replace(COORDINATOR, application='other'), replace(A, application='c')
COORDINATOR_OF_N, A_OF_N = (
    replace(one, model='n', model_uuid=UUID.replace('1', '9')) for one in (COORDINATOR, A)
)
OTHERS = (OTHER, C, COORDINATOR_OF_N, A_OF_N)

GROUPS = alerts.prometheus_rules([COORDINATOR], [A, B], alerts.generic_groups())[0]
RULES = {
    (rule['alert'], rule['labels']['juju_application']): rule
    for group in GROUPS
    for rule in group['rules']
}
ALERTS = sorted({alert for alert, _ in RULES})
CRITICAL = {'HostDown', 'NginxDown'}  # all others are warnings

STEP = 30  # seconds between two scrapes, and between two evaluations
END = 60 * STEP
COUNT = 'http_request_duration_seconds_count'
BUCKET = 'http_request_duration_seconds_bucket'
OK = 'method="GET",path="root",status="200"'
FAILED = 'method="GET",path="status",status="500"'
PROBE = 'method="GET",path="readyz",status="200"'
PROBE_FAILED = 'method="GET",path="readyz",status="503"'
ECHO = 'method="POST",path="echo",status="200"'

Values = Mapping[tuple[str, str], str]
"""Name and own labels of a series → its values, as promtool notes them: `0+10x60` is 0, 10, …"""

UP: Values = {('up', ''): '1x60'}
NGINX: Values = {
    ('nginx_up', ''): '1x60',
    # Some are always accepted and not handled yet.
    ('nginx_connections_accepted', ''): '3+10x60',
    ('nginx_connections_handled', ''): '0+10x60',
}
WORKER: Values = {
    ('process_start_time_seconds', ''): '1700000000x60',
    (COUNT, OK): '0+96x60',
    (COUNT, FAILED): '0+4x60',
    (COUNT, PROBE): '0+900x60',
    (BUCKET, f'{OK},le="1"'): '0+991x60',
    (BUCKET, f'{OK},le="2.5"'): '0+1000x60',
    (BUCKET, f'{OK},le="+Inf"'): '0+1000x60',
    (BUCKET, f'{PROBE},le="1"'): '0+9000x60',
    (BUCKET, f'{PROBE},le="2.5"'): '0+9000x60',
    (BUCKET, f'{PROBE},le="+Inf"'): '0+9000x60',
    # As slow as the vault is.
    (BUCKET, f'{ECHO},le="1"'): '0x60',
    (BUCKET, f'{ECHO},le="2.5"'): '0+100x60',
    (BUCKET, f'{ECHO},le="+Inf"'): '0+100x60',
}


@dataclass(frozen=True)
class Fault:
    """What is wrong with a unit, and when its alert fires.

    Attributes:
        alert: the alert's name.
        series: what of the unit's series is not as a healthy one's.
        fires: seconds after which the alert fires for the first time.
        value: how its texts show the value.
        labels: which the alert has from its series; None for all that a scrape gives.
    """

    alert: str
    series: Values = field(hash=False)
    fires: int
    value: str = ''
    labels: tuple[str, ...] | None = None


HOST_DOWN = Fault('HostDown', {('up', ''): '0x60'}, 300)
OF_NGINX = [
    HOST_DOWN,
    Fault('NginxDown', {('nginx_up', ''): '0x60'}, 120),
    Fault('NginxConnectionsDropped', {('nginx_connections_accepted', ''): '0+20x60'}, 360, '100'),
]
OF_WORKERS = [
    HOST_DOWN,
    Fault('WorkerErrors', {(COUNT, OK): '0+54x60', (COUNT, FAILED): '0+6x60'}, 330, '10%', LABELS),
    Fault('WorkerLatency', {(BUCKET, f'{OK},le="1"'): '0+900x60'}, 630, '2.35s', LABELS),
    Fault('WorkerRestarts', {('process_start_time_seconds', ''): '1x4 2x4 3x4 4x60'}, 450, '3'),
]
CASES = [
    *((fault, COORDINATOR) for fault in OF_NGINX),
    *((fault, application) for fault in OF_WORKERS for application in (A, B)),
]

HARMLESS: dict[str, tuple[Topology, Values]] = {
    'nginx drops a few connections': (
        COORDINATOR,
        {('nginx_connections_accepted', ''): '3+10x20 221+10x39'},
    ),
    'nginx restarts and counts anew': (
        COORDINATOR,
        {
            ('nginx_connections_accepted', ''): '900+10x20 0+10x40',
            ('nginx_connections_handled', ''): '800+10x20 0+10x40',
        },
    ),
    'a worker has not been asked yet': (
        A,
        {series: '_x60' for series in WORKER if OK in series[1] or FAILED in series[1]},
    ),
    'a worker is not asked any more': (
        A,
        {series: '100x60' for series in WORKER if OK in series[1] or FAILED in series[1]},
    ),
    'a worker is not ready': (A, {(COUNT, PROBE_FAILED): '0+900x60'}),
    'a worker misses two scrapes': (A, {('up', ''): '1x20 0x1 1x40'}),
    'a worker restarts twice': (A, {('process_start_time_seconds', ''): '1x4 2x4 3x60'}),
}

Expected = tuple[int, str, list[dict[str, Any]]]
"""Seconds, the name of an alert, and all alerts of that name that fire then."""
Check = Callable[[Mapping[Topology, Values], Iterable[Expected]], None]


def units(application: Topology) -> list[Topology]:
    return [replace(application, unit=f'{application.application}/{n}') for n in (0, 1)]


def scraped(coordinator: Topology, *workers: Topology) -> dict[Topology, dict[str, str]]:
    """The labels that a scraper adds to the series of each unit of a deployment."""
    own = {scene.host(unit.unit): unit for unit in units(coordinator)}
    theirs = {scene.host(unit.unit): unit for worker in workers for unit in units(worker)}
    exporters = [metrics.Target(unit, host, 9113) for host, unit in own.items()]
    workloads = [metrics.Target(unit, host, 7070) for host, unit in theirs.items()]
    metadata = {key: getattr(coordinator, key) for key in ('model', 'model_uuid', 'application')}
    provider = scrape.Provider(
        relation='metrics-endpoint_1',
        application=coordinator.application,
        scrape_metadata=json.dumps({**metadata, 'charm_name': coordinator.charm}),
        scrape_jobs=json.dumps(metrics.scrape_jobs([*exporters, *workloads])),
        units=tuple(scrape.Unit(unit.unit, address=host) for host, unit in own.items()),
    )
    return {
        {**own, **theirs}[target.rpartition(':')[0]]: labels
        for target, labels in relabelling.by_target(scrape.wanted([provider]).jobs).items()
    }


WORLD = scraped(COORDINATOR, A, B) | scraped(OTHER, C) | scraped(COORDINATOR_OF_N, A_OF_N)


def world(different: Mapping[Topology, Values]) -> list[dict[str, str]]:
    """The series of all units, some of them different from a healthy one's."""
    found: list[dict[str, str]] = []
    for unit, common in WORLD.items():
        healthy = NGINX if unit.charm == 'coordinator-k8s' else WORKER
        for (name, own), values in {**UP, **healthy, **different.get(unit, {})}.items():
            labels = [f'{label}="{value}"' for label, value in common.items()]
            series = f'{name}{{{",".join([*labels, own] if own else labels)}}}'
            found.append({'series': series, 'values': values})
    return found


@pytest.fixture(scope='module')
def promtool() -> list[str]:
    image = deployment.upstream_sources('tests/stores/prometheus')['prometheus-image']
    return programs.command(image, '/usr/bin/promtool')


@pytest.fixture
def check(promtool: list[str], tmp_path: Path) -> Check:
    """Let promtool check what fires in a world with different units."""

    def check(different: Mapping[Topology, Values], expected: Iterable[Expected]) -> None:
        test = {
            'interval': f'{STEP}s',
            'input_series': world(different),
            'alert_rule_test': [
                {'eval_time': f'{seconds}s', 'alertname': alert, 'exp_alerts': fires}
                for seconds, alert, fires in expected
            ],
        }
        whole = {'rule_files': ['rules'], 'evaluation_interval': f'{STEP}s', 'tests': [test]}
        # JSON is YAML.
        (tmp_path / 'rules').write_text(json.dumps({'groups': GROUPS}))
        (tmp_path / 'test').write_text(json.dumps(whole))
        command = [*promtool, 'test', 'rules', str(tmp_path / 'test')]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    return check


def nothing_but(*fire: Expected) -> list[Expected]:
    """These alerts, and of no other alert anything at the same times."""
    times = {seconds for seconds, _, _ in fire}
    expected = {(seconds, alert) for seconds, alert, _ in fire}
    return [
        *fire,
        *((at, alert, []) for at in times for alert in ALERTS if (at, alert) not in expected),
    ]


def nothing() -> list[Expected]:
    return [(at, alert, []) for at in range(0, END + 1, 5 * STEP) for alert in ALERTS]


def alert(fault: Fault, unit: Topology) -> dict[str, Any]:
    """The alert of a unit as promtool expects it, its texts rendered."""
    names = fault.labels or WORLD[unit]
    labels = {name: WORLD[unit][name] for name in names}
    return rendered(fault.alert, unit.application, labels, fault.value)


def rendered(name: str, application: str, labels: dict[str, str], value: str) -> dict[str, Any]:
    rule = RULES[name, application]

    def text(template: str) -> str:
        text = re.sub(r'\{\{ \$labels\.(\w+) \}\}', lambda found: labels[found[1]], template)
        return re.sub(r'\{\{ \$value( \| \w+)? \}\}', value, text)

    return {
        'exp_labels': {**labels, 'severity': 'critical' if name in CRITICAL else 'warning'},
        'exp_annotations': {name: text(own) for name, own in rule['annotations'].items()},
    }


def test_every_rule_of_every_application_is_among_the_cases() -> None:
    tested = {(fault.alert, application.application) for fault, application in CASES}
    missing = {('HostMetricsMissing', one.application) for one in (COORDINATOR, A, B)}
    assert tested | missing == RULES.keys()


def test_nothing_fires_while_all_is_well(check: Check) -> None:
    check({}, nothing())


@pytest.mark.parametrize(
    ('fault', 'application'),
    CASES,
    ids=[f'{fault.alert}-{application.application}' for fault, application in CASES],
)
def test_an_alert_fires_when_it_is_time_for_the_unit_at_fault_alone(
    check: Check, fault: Fault, application: Topology
) -> None:
    unit = units(application)[1]
    fires = (fault.fires, fault.alert, [alert(fault, unit)])
    check({unit: fault.series}, [(fault.fires - STEP, fault.alert, []), *nothing_but(fires)])


@pytest.mark.parametrize('fault', [*OF_NGINX, *OF_WORKERS[1:]], ids=lambda fault: fault.alert)
def test_an_alert_is_silent_about_other_applications_and_models(
    check: Check, fault: Fault
) -> None:
    check({unit: fault.series for other in OTHERS for unit in units(other)}, nothing())


@pytest.mark.parametrize(('application', 'series'), HARMLESS.values(), ids=HARMLESS)
def test_nothing_fires_when(check: Check, application: Topology, series: Values) -> None:
    check({units(application)[1]: series}, nothing())


def test_host_down_resolves(check: Check) -> None:
    unit = units(A)[0]
    fires = (END // 2, 'HostDown', [alert(HOST_DOWN, unit)])
    heals = (END // 2 + STEP, 'HostDown', [])
    check({unit: {('up', ''): '0x30 1x30'}}, nothing_but(fires, heals))


@pytest.mark.parametrize('application', [COORDINATOR, A, B], ids=lambda one: one.application)
def test_metrics_are_missing_when_no_unit_of_an_application_is_scraped(
    check: Check, application: Topology
) -> None:
    healthy = NGINX if application is COORDINATOR else WORKER
    gone = dict.fromkeys([*UP, *healthy], '_x60')
    missing = rendered('HostMetricsMissing', application.application, application.labels, '')
    check(
        dict.fromkeys(units(application), gone),
        [(270, 'HostMetricsMissing', []), *nothing_but((300, 'HostMetricsMissing', [missing]))],
    )


def test_metrics_are_not_missing_while_one_unit_is_scraped(check: Check) -> None:
    check({units(A)[0]: dict.fromkeys([*UP, *WORKER], '_x60')}, nothing())
