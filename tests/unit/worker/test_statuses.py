"""What `juju status` says of the worker: every row of the table in the design."""

import dataclasses

import pytest
from ops import pebble, testing

import juju
from worker import scene


@pytest.fixture
def unit(tmp_path):
    return scene.Worker(tmp_path)


def blocked(message):
    return testing.BlockedStatus(message)


def waiting(message):
    return testing.WaitingStatus(message)


def active(message):
    return testing.ActiveStatus(message)


NO_ROLE = {'role-all': False}
TLS = {'otlp_http': 'https://t:4318', 'otlp_grpc': 't:4317'}
WAITING = "[cluster] waiting for the coordinator's configuration"

STATUSES = {
    'not related': (
        [],
        {},
        blocked(
            '[cluster] not related to a coordinator: juju integrate worker:cluster COORDINATOR'
        ),
    ),
    'no role': (
        [scene.coordinator()],
        NO_ROLE,
        blocked('[roles] no role enabled: juju config worker role-all=true'),
    ),
    'neither': ([], NO_ROLE, blocked('[roles] no role enabled: juju config worker role-all=true')),
    'nothing published yet': ([scene.coordinator({})], {}, waiting(WAITING)),
    'left out': (
        [scene.coordinator({'worker_config': '['})],
        {},
        waiting(
            f'{WAITING}; ignored: coordinator (worker_config: not JSON, EOF while parsing a list '
            'at line 1 column 1)'
        ),
    ),
    'a configuration that is none': (
        [scene.coordinator(scene.published(worker_config='- a'))],
        {},
        waiting(
            f'{WAITING}; ignored: coordinator (worker_config: expected a mapping with text keys)'
        ),
    ),
    'fine': ([scene.coordinator()], {}, active('ready: all')),
    'fine with two roles': (
        [scene.coordinator()],
        {'role-all': False, 'role-vault': True, 'role-gate': True},
        active(f'ready: {", ".join(sorted(("vault", "gate")))}'),
    ),
    'fine, and an endpoint is left out': (
        [scene.coordinator(scene.published(loki_endpoints={'loki/0': 'ftp://x'}))],
        {},
        active(
            'ready: all; ignored: coordinator loki_endpoints loki/0 (expected an http or https '
            'URL, got "ftp://x")'
        ),
    ),
    'traces over TLS': (
        [
            scene.coordinator(
                scene.published(charm_tracing_receivers=TLS, workload_tracing_receivers=TLS)
            )
        ],
        {},
        active(
            'ready: all; charm traces are not sent: no CA certificate for https://t:4318; '
            'workload traces are not sent: no CA certificate for t:4317'
        ),
    ),
    'traces over HTTP alone': (
        [
            scene.coordinator(
                scene.published(workload_tracing_receivers={'otlp_http': 'http://t:4318'})
            )
        ],
        {},
        active('ready: all; workload traces are not sent: no otlp_grpc receiver, only otlp_http'),
    ),
    'one key for all workers': (
        [scene.coordinator(scene.published(server_cert='any'))],
        {},
        active(
            'ready: all; serving HTTP only: coordinator has one key for all its workers, none '
            'for each'
        ),
    ),
    'no role, and an endpoint is left out': (
        [scene.coordinator(scene.published(loki_endpoints={'loki/0': 'ftp://x'}))],
        NO_ROLE,
        blocked(
            '[roles] no role enabled: juju config worker role-all=true; ignored: coordinator '
            'loki_endpoints loki/0 (expected an http or https URL, got "ftp://x")'
        ),
    ),
}


@pytest.mark.parametrize(('relations', 'config', 'expected'), STATUSES.values(), ids=STATUSES)
def test_the_status(unit, relations, config, expected):
    after = unit.update_status(unit.state(*relations, config=config))
    assert after.unit_status == expected


def test_it_waits_for_the_workload(unit):
    state = unit.state(scene.coordinator(), container=unit.container(can_connect=False))
    assert unit.update_status(state).unit_status == waiting(
        '[workload] waiting for imagined to start'
    )


@pytest.mark.parametrize('status', [pebble.ServiceStatus.ERROR, pebble.ServiceStatus.INACTIVE])
def test_it_waits_for_a_workload_that_does_not_run(unit, status, monkeypatch):
    from scenario import mocking

    before = unit.update_status(unit.state(scene.coordinator()))
    container = dataclasses.replace(
        before.get_container('workload'), service_statuses={'imagined': status}
    )
    # Nor does it start.
    monkeypatch.setattr(mocking._MockPebbleClient, 'replan_services', lambda *_, **__: None)
    after = unit.update_status(dataclasses.replace(before, containers=[container]))
    assert after.unit_status == waiting('[workload] waiting for imagined to start')


def test_it_waits_for_a_container_that_cannot_be_configured(unit, monkeypatch):
    from scenario import mocking

    def push(*arguments, **options):
        raise pebble.PathError('generic-file-error', 'no space left on device')

    before = unit.update_status(unit.state(scene.coordinator(id=21)))
    other = scene.coordinator(scene.published(worker_config='a: b\n'), id=21)
    monkeypatch.setattr(mocking._MockPebbleClient, 'push', push)
    with juju.variables(JUJU_REMOTE_UNIT=''):
        event = unit.ctx.on.relation_changed(other)
        after = unit.ctx.run(event, dataclasses.replace(before, relations=[other]))
    assert after.unit_status == waiting('[workload] not configured yet; see juju debug-log')
    monkeypatch.undo()
    assert unit.update_status(after).unit_status == active('ready: all')


@pytest.mark.parametrize('event', ['stop', 'remove'])
def test_the_end_of_a_unit_sets_no_status(unit, event, calls):
    before = unit.update_status(unit.state(scene.coordinator()))
    calls.clear()
    unit.ctx.run(getattr(unit.ctx.on, event)(), before)
    assert calls.of('status-set') == []


def test_a_dying_unit_sets_no_status_and_writes_nothing(unit, calls):
    relation = scene.coordinator(id=21)
    before = unit.update_status(unit.state(relation, scene.peers(id=22)))
    calls.clear()
    with juju.variables(JUJU_DEPARTING_UNIT='worker/0'):
        event = unit.ctx.on.relation_departed(before.get_relation(21), remote_unit=0)
        dying = unit.ctx.run(event, before)
    dying = unit.ctx.run(unit.ctx.on.relation_broken(dying.get_relation(21)), dying)
    assert calls.of('status-set') == []
    assert calls.changes() == []
    assert dying.get_container('workload') == before.get_container('workload')
