"""What `juju status` says of the coordinator: every row of the table in the design."""

import dataclasses

import pytest
from ops import pebble, testing
from scenario import mocking

from coordinator import scene


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


def blocked(message):
    return testing.BlockedStatus(message)


def waiting(message):
    return testing.WaitingStatus(message)


def active(message):
    return testing.ActiveStatus(message)


GATE = scene.workers('gate', 'gate', [0, 1])
VAULT = scene.workers('vault', 'vault')
BAD = {'address': '"a;b"', 'juju_topology': '{}'}
TLS = [scene.receiver('otlp_http', 'https://tempo:4318')]

STATUSES = {
    'no worker': (
        [],
        blocked('[cluster] no worker related: juju integrate coordinator:cluster WORKER'),
    ),
    'a role is missing': ([GATE], blocked('[cluster] missing roles: vault')),
    'all roles are missing': (
        [scene.workers('gate', 'gate', [])],
        blocked('[cluster] missing roles: gate, vault'),
    ),
    'a unit has not published': (
        [GATE, scene.workers('vault', 'vault', [], databags={0: {}})],
        waiting('[cluster] waiting for data from vault/0'),
    ),
    'an application has not published': (
        [GATE, scene.workers('vault', None)],
        waiting('[cluster] waiting for data from vault'),
    ),
    'nobody has published': (
        [scene.workers('w', None, [], databags={number: {} for number in range(9)})],
        waiting('[cluster] waiting for data from w, w/0, w/1'),
    ),
    'roles are missing and a unit is left out': (
        [GATE, scene.workers('vault', 'vault', [], databags={0: BAD})],
        blocked(
            '[cluster] missing roles: vault; ignored: vault/0 (address: expected a hostname '
            'or an IP address, got "a;b")'
        ),
    ),
    'an unknown role': (
        [GATE, scene.workers('vault', 'vaulted')],
        blocked(
            '[cluster] missing roles: vault; ignored: vault (unknown role "vaulted", known '
            'are gate, vault, all)'
        ),
    ),
    'fine': ([GATE, VAULT], active('3 workers (gate 2, vault 1)')),
    'one worker with all roles': (
        [scene.workers('both')],
        active('1 worker (gate 1, vault 1)'),
    ),
    'fine, and one has not published': (
        [GATE, scene.workers('vault', 'vault', [0], databags={1: {}})],
        active('3 workers (gate 2, vault 1)'),
    ),
    'fine, and one is left out': (
        [GATE, scene.workers('vault', 'vault', [0], databags={1: BAD})],
        active(
            '3 workers (gate 2, vault 1); ignored: vault/1 (address: expected a hostname '
            'or an IP address, got "a;b")'
        ),
    ),
    'fine, and many are left out': (
        [
            GATE,
            scene.workers('both', databags={n: {'address': '['} for n in range(1, 11)}),
        ],
        active(
            '3 workers (gate 3, vault 1); ignored: '
            'both/1 (address: not JSON, EOF while parsing a list at line 1 column 1), '
            'both/10 (address: not JSON, EOF while parsing a list at line 1 column 1), '
            'both/2, both/3, both/4, both/5, both/6, both/7 and 2 more'
        ),
    ),
    'related twice': (
        [scene.workers('both', id=11), scene.workers('both', id=12)],
        active(
            '1 worker (gate 1, vault 1); ignored: both (related more than once: the first '
            'relation counts)'
        ),
    ),
    'across models': (
        [scene.workers('both'), scene.workers('remote-0123456789abcdef0123456789abcdef')],
        active(
            '1 worker (gate 1, vault 1); ignored: remote-0123456789abcdef0123456789abcdef '
            '(in another model, but "cluster" cannot cross models)'
        ),
    ),
    'somebody else': (
        [
            scene.workers(
                'both',
                units=[0],
                databags={1: scene.worker_unit('other/0'), 2: scene.worker_unit('both/0')},
            )
        ],
        active(
            '1 worker (gate 1, vault 1); ignored: both/1 (claims to be other/0 of other), '
            'both/2 (claims to be both/0 of both)'
        ),
    ),
    'no certificate yet': (
        [scene.workers('both'), scene.certificates()],
        waiting('[certificates] serving plain HTTP until ca issues a certificate'),
    ),
    'a certificate that makes no sense': (
        [scene.workers('both'), scene.certificates({'certificates': '1'})],
        waiting(
            '[certificates] serving plain HTTP until ca issues a certificate; ignored: ca '
            '(certificates: Input should be a valid list)'
        ),
    ),
    'traces over TLS': (
        [scene.workers('both'), scene.tempo('charm-tracing', TLS)],
        active(
            '1 worker (gate 1, vault 1); charm traces are not sent: no CA certificate for '
            'https://tempo:4318'
        ),
    ),
    'no worker, and a store is left out': (
        [scene.loki(databags={1: {'endpoint': '{}'}})],
        blocked(
            '[cluster] no worker related: juju integrate coordinator:cluster WORKER; '
            'ignored: loki/1 (endpoint.url: Field required)'
        ),
    ),
    'one has not published, and one is left out': (
        [scene.workers('both', units=[], databags={0: BAD, 1: {}})],
        waiting(
            '[cluster] waiting for data from both/1; ignored: both/0 (address: expected a '
            'hostname or an IP address, got "a;b")'
        ),
    ),
    'no worker, and traces over TLS': (
        [scene.tempo('charm-tracing', TLS)],
        blocked(
            '[cluster] no worker related: juju integrate coordinator:cluster WORKER; '
            'charm traces are not sent: no CA certificate for https://tempo:4318'
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize(('relations', 'expected'), STATUSES.values(), ids=STATUSES)
def test_the_status(unit, relations, expected):
    assert unit.update_status(unit.state(*relations)).unit_status == expected


def test_it_waits_for_the_container_of_nginx(unit):
    state = unit.state(GATE, VAULT, containers=[unit.nginx(can_connect=False)])
    after = unit.update_status(state)
    assert after.unit_status == waiting('[nginx] waiting for the container')


@pytest.mark.parametrize('name', ['nginx', 'nginx-prometheus-exporter'])
def test_it_waits_for_a_container_that_cannot_be_configured(unit, monkeypatch, name):
    original = mocking._MockPebbleClient.replan_services

    def replan(self, *arguments, **options):
        if f'/{name}/' in str(self.socket_path):
            raise pebble.ConnectionError('gone')
        return original(self, *arguments, **options)

    monkeypatch.setattr(mocking._MockPebbleClient, 'replan_services', replan)
    after = unit.update_status(unit.state(GATE, VAULT))
    assert after.unit_status == waiting(f'[{name}] not configured yet; see juju debug-log')
    monkeypatch.undo()
    assert isinstance(unit.update_status(after).unit_status, testing.ActiveStatus)


def test_it_waits_for_nginx_that_does_not_run(unit):
    before = unit.update_status(unit.state(GATE, VAULT))
    container = dataclasses.replace(
        before.get_container('nginx'), service_statuses={'nginx': pebble.ServiceStatus.ERROR}
    )
    others = [other for other in before.containers if other.name != 'nginx']
    state = dataclasses.replace(before, containers=[container, *others])
    assert unit.update_status(state).unit_status == waiting('[nginx] waiting for nginx to start')


def test_what_an_operator_must_do_comes_before_what_passes(unit):
    state = unit.state(GATE, containers=[unit.nginx(can_connect=False)])
    assert unit.update_status(state).unit_status == blocked('[cluster] missing roles: vault')


def test_a_bad_option_is_named_and_the_rest_goes_on_with_the_default(unit):
    after = unit.update_status(unit.state(GATE, VAULT, config={'log-level': 'chatty'}))
    assert after.unit_status == blocked(
        "[config] log-level: Input should be 'debug', 'info', 'warning' or 'error': "
        'juju config coordinator …'
    )
    assert 'error_log /dev/stderr notice;' in unit.config
    assert scene.host('gate/1') in unit.config


@pytest.mark.parametrize('level', ['', 'INFO', 'x' * 10**5, '"};', '\0', 'é\n'])
def test_whatever_an_option_is_the_status_is_short(unit, level):
    after = unit.update_status(unit.state(GATE, VAULT, config={'log-level': level}))
    assert isinstance(after.unit_status, testing.BlockedStatus)
    assert len(after.unit_status.message) < 200


def test_the_status_follows_what_is_mended(unit):
    state = unit.update_status(unit.state(GATE, scene.workers('w', 'vaulted', id=11)))
    assert isinstance(state.unit_status, testing.BlockedStatus)
    now = scene.replaced(state, scene.workers('w', 'vault', id=11))
    event = unit.ctx.on.config_changed()
    assert unit.ctx.run(event, now).unit_status == active('3 workers (gate 2, vault 1)')


@pytest.mark.parametrize('event', ['stop', 'remove'])
def test_the_end_of_a_unit_sets_no_status(unit, event, calls):
    before = unit.update_status(unit.state(GATE, VAULT))
    calls.clear()
    unit.ctx.run(getattr(unit.ctx.on, event)(), before)
    assert calls.of('status-set') == []
