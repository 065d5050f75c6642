"""https from the workload: what is asked for, served and announced, and who sees the key."""

import contextlib
import dataclasses
import datetime
import json
import sys
import time
from unittest import mock

import pytest
from ops import pebble, testing
from scenario import mocking

import authority
import coordinated_telemetry
import hostile
import juju
from coordinated_telemetry import cluster_data, worker_tls
from coordinator.serving import GARBAGE
from worker import scene

CA = authority.authority()
BOTH = ['http', 'https']
HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def unit(tmp_path):
    return scene.Worker(tmp_path)


def told(state, schemes=BOTH, certificates=None, **changes):
    """The state after the coordinator published what to serve and what was issued."""
    certificates = {'worker/0': certificates} if isinstance(certificates, str) else certificates
    databag = scene.published(worker_schemes=schemes, worker_certificates=certificates, **changes)
    relation = dataclasses.replace(state.get_relation(21), remote_app_data=databag)
    others = [other for other in state.relations if other.id != 21]
    return dataclasses.replace(state, relations=[relation, *others])


def fresh(unit, schemes=BOTH, certificates=None, **options):
    """The state of a new unit whose coordinator wants this."""
    state = unit.state(scene.coordinator(id=21), scene.peers(id=22), **options)
    return told(state, schemes, certificates)


def own(state):
    """What the unit publishes on `cluster`."""
    return {key: json.loads(text) for key, text in state.get_relation(21).local_unit_data.items()}


def issued(state, **options):
    """A certificate for the unit's request, with its issuer."""
    return CA.issue(own(state)['certificate_signing_request'], **options) + CA.certificate


def files(unit):
    """Certificates and keys in the container: path → content and permissions."""
    found = [path for path in unit.tls.rglob('*') if path.is_file()]
    return {
        str(path.relative_to(unit.tls)): (path.read_text(), path.stat().st_mode & 0o777)
        for path in found
    }


def listens(state):
    """The flags that say where imagined listens."""
    words = scene.service(state)['command'].split()
    flags = dict(word.partition('=')[::2] for word in words)
    return {flag: flags[flag] for flag in ('--plain', '--tls') if flag in flags}


def ports(state):
    return sorted(port.port for port in state.opened_ports)


def key(state):
    """The unit's key, from its only secret."""
    (secret,) = state.secrets
    return secret.latest_content['private-key']


@pytest.fixture
def asking(unit):
    """The state of a unit that has a request and waits for its certificate."""
    return unit.update_status(fresh(unit))


@pytest.fixture
def serving(unit, asking):
    """The state of a unit that serves http and https."""
    return unit.update_status(told(asking, certificates=issued(asking)))


@pytest.fixture
def light(monkeypatch):
    """Nothing that needs cryptography can be imported."""
    monkeypatch.setitem(sys.modules, 'coordinated_telemetry.worker_key', None)
    monkeypatch.delattr(coordinated_telemetry, 'worker_key', raising=False)


# Asking


def test_a_unit_asks_while_it_serves_as_before(unit, asking):
    published = own(asking)
    csr = published['certificate_signing_request']
    assert authority.tls.CertificateSigningRequest.from_string(csr).sans_dns == {
        'worker-0.worker-endpoints.m.svc.cluster.local'
    }
    assert published['ip_addresses'] == ['10.1.0.7', 'fd00::7']
    assert 'schemes' not in published
    assert listens(asking) == {'--plain': '7070'}
    assert asking.unit_status == testing.WaitingStatus(
        '[certificates] waiting for a certificate from coordinator'
    )


def test_a_unit_asks_before_its_container_is_there(unit):
    container = unit.container(can_connect=False)
    after = unit.update_status(fresh(unit, container=container))
    assert own(after)['certificate_signing_request']
    assert own(after)['schemes'] == []


@pytest.mark.usefixtures('light')
def test_without_a_ca_there_is_neither_key_nor_request_nor_anything_heavy(unit, calls):
    after = unit.update_status(fresh(unit, schemes=None))
    assert own(after).keys() == {'address', 'juju_topology'}
    assert after.secrets == frozenset()
    assert listens(after) == {'--plain': '7070'}


def test_the_key_belongs_to_the_unit_and_is_granted_to_nobody(asking):
    (secret,) = asking.secrets
    assert (secret.owner, secret.label, secret.remote_grants) == ('unit', worker_tls.LABEL, {})


@contextlib.contextmanager
def moved():
    """The pod is in another namespace from now on."""
    name = 'worker-0.worker-endpoints.moved.svc.cluster.local'
    address = [(0, 0, 0, '', ('10.9.9.9', 0))]
    with (
        mock.patch('socket.getfqdn', return_value=name),
        mock.patch('socket.getaddrinfo', return_value=address),
    ):
        yield


def test_another_host_is_another_request_for_the_same_key(unit, serving):
    with moved():
        after = unit.update_status(serving)
    csr = own(after)['certificate_signing_request']
    parsed = authority.tls.CertificateSigningRequest.from_string(csr)
    assert parsed.sans_dns == {'worker-0.worker-endpoints.moved.svc.cluster.local'}
    assert parsed.matches_private_key(authority.tls.PrivateKey.from_string(key(serving)))
    assert key(after) == key(serving)
    assert own(after)['ip_addresses'] == ['10.9.9.9']


def test_a_coordinator_that_is_not_ready_withdraws_nothing(unit, serving):
    relation = dataclasses.replace(serving.get_relation(21), remote_app_data={})
    others = [other for other in serving.relations if other.id != 21]
    after = unit.update_status(dataclasses.replace(serving, relations=[relation, *others]))
    assert own(after) == own(serving)
    assert after.secrets == serving.secrets
    assert scene.service(after) == scene.service(serving)


# Serving


def test_a_certificate_is_served_and_then_announced(unit, serving):
    digest = own(serving)['certificate_sha256']
    chain = files(unit)[f'{digest}/chain'][0]
    assert digest == cluster_data.sha256(chain)
    assert own(serving)['schemes'] == BOTH
    assert listens(serving) == {'--plain': '7070', '--tls': '7071'}
    assert f'--with=/etc/imagined-tls/{digest}' in scene.service(serving)['command']
    assert files(unit)[f'{digest}/key'] == (key(serving), 0o600)
    assert ports(serving) == [7070, 7071]
    assert serving.unit_status == testing.ActiveStatus('ready: all')


def test_what_a_workload_does_not_start_with_is_not_announced(unit, asking):
    def fails(self, *arguments, **options):
        raise pebble.ConnectionError('gone')

    with mock.patch.object(mocking._MockPebbleClient, 'replan_services', fails):
        after = unit.update_status(told(asking, certificates=issued(asking)))
    assert own(after) == own(asking)
    assert '[workload] not configured yet' in after.unit_status.message


def test_only_https_is_checked(unit, serving):
    chain = issued(serving)
    after = unit.update_status(told(serving, ['https'], chain))
    assert listens(after) == {'--tls': '7071'}
    (check,) = after.get_container('workload').plan.checks.values()
    assert check.http is None
    assert check.exec == {'command': '/bin/imagined ask https 7071'}
    assert own(after)['schemes'] == ['https']
    assert ports(after) == [7071]


def test_a_new_unit_that_is_to_serve_only_https_serves_nothing_until_it_can(unit):
    asking = unit.update_status(fresh(unit, ['https']))
    assert not juju.services(asking.get_container('workload'))
    assert own(asking)['schemes'] == []
    assert ports(asking) == []
    assert asking.unit_status == testing.WaitingStatus(
        '[certificates] waiting for a certificate from coordinator'
    )
    after = unit.update_status(told(asking, ['https'], issued(asking)))
    assert listens(after) == {'--tls': '7071'}
    assert own(after)['schemes'] == ['https']


def test_a_unit_that_serves_http_goes_on_until_it_can_serve_https(unit, asking):
    after = unit.update_status(told(asking, ['https']))
    assert scene.service(after) == scene.service(asking)
    assert 'schemes' not in own(after)
    assert after.unit_status.message == '[certificates] waiting for a certificate from coordinator'
    after = unit.update_status(told(after, ['https'], issued(after)))
    assert listens(after) == {'--tls': '7071'}


def test_from_http_over_both_to_https_and_back_leaves_nothing(unit):
    plain = unit.update_status(fresh(unit, schemes=None))
    state, seen, chain = plain, [], None
    for schemes in (BOTH, BOTH, ['https'], BOTH, ['http']):
        state = unit.update_status(told(state, schemes, chain))
        seen.append((own(state).get('schemes', ['http']), ports(state)))
        if 'certificate_signing_request' in own(state):
            chain = chain or issued(state)
    assert seen == [
        (['http'], [7070]),
        (BOTH, [7070, 7071]),
        (['https'], [7071]),
        (BOTH, [7070, 7071]),
        (['http'], [7070]),
    ]
    assert scene.outcome(unit, unit.update_status(told(state, None))) == scene.outcome(unit, plain)
    assert files(unit) == {}
    assert [*unit.tls.iterdir()] == []
    assert state.secrets == frozenset()


def test_a_relation_that_is_gone_takes_the_key_along_and_the_workload_goes_on(unit, serving):
    after = unit.ctx.run(unit.ctx.on.relation_broken(serving.get_relation(21)), serving)
    assert after.secrets == frozenset()
    assert listens(after) == listens(serving)


def with_new_pod(unit, state):
    """The state of a unit whose pod came back with nothing but what Juju keeps."""
    for path in sorted(unit.tls.rglob('*'), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (unit.folder / 'config.yaml').unlink()
    return dataclasses.replace(state, containers=[unit.container()], stored_states=[])


def test_a_new_pod_serves_what_the_one_before_it_did(unit, serving):
    before = files(unit)
    after = unit.update_status(with_new_pod(unit, serving))
    assert files(unit) == before
    assert own(after) == own(serving)
    assert scene.service(after) == scene.service(serving)


def test_a_pod_that_is_not_up_yet_takes_nothing_back(unit, serving):
    gone = dataclasses.replace(serving, containers=[unit.container(can_connect=False)])
    after = unit.ctx.run(unit.ctx.on.config_changed(), gone)
    assert own(after) == own(serving)


def test_a_key_that_was_removed_is_made_again_with_a_request_for_it(unit, serving):
    lost = dataclasses.replace(serving, secrets=[])
    after = unit.update_status(with_new_pod(unit, lost))
    assert own(after)['certificate_signing_request'] != own(serving)['certificate_signing_request']
    assert key(after) != key(serving)
    again = unit.update_status(told(after, BOTH, issued(after)))
    assert own(again)['schemes'] == BOTH


# Renewal


def later(days):
    """A context in which time has passed."""
    return mock.patch.object(time, 'time', return_value=time.time() + days * 86400)


def test_a_certificate_is_renewed_in_time_and_only_asked_for_once(unit, serving, calls):
    request = own(serving)['certificate_signing_request']
    with later(0.5):
        assert own(unit.update_status(serving))['certificate_signing_request'] == request
    with later(0.7):
        due = unit.update_status(serving)
        assert own(due)['certificate_signing_request'] != request
        assert own(due)['certificate_sha256'] == own(serving)['certificate_sha256']
        assert key(due) == key(serving)
        calls.clear()
        assert own(unit.update_status(due)) == own(due)
    new = issued(due)
    with later(0.7):
        after = unit.update_status(told(due, BOTH, new))
    digest = cluster_data.sha256(new)
    assert own(after)['certificate_sha256'] == digest
    assert {path.partition('/')[0] for path in files(unit)} == {digest}


def test_a_certificate_that_is_withdrawn_is_served_until_there_is_another(unit, serving):
    after = unit.update_status(told(serving, BOTH, None))
    assert scene.service(after) == scene.service(serving)
    assert own(after) == own(serving)
    assert after.unit_status == testing.ActiveStatus('ready: all')


class Pair:
    """Two units of one application, each of which sees what the other runs."""

    def __init__(self, folder):
        self.units = [scene.Worker(folder / str(number), number=number) for number in (0, 1)]
        self.states = [unit.update_status(fresh(unit)) for unit in self.units]

    def tell(self, schemes, certificates):
        self.states = [told(state, schemes, certificates) for state in self.states]

    def run(self, number):
        """One hook of a unit."""
        other = self.states[1 - number].get_relation(22).local_unit_data
        state = self.states[number]
        peers = dataclasses.replace(state.get_relation(22), peers_data={1 - number: dict(other)})
        others = [relation for relation in state.relations if relation.id != 22]
        state = dataclasses.replace(state, relations=[*others, peers])
        event = self.units[number].ctx.on.relation_changed(peers, remote_unit=1 - number)
        self.states[number] = self.units[number].ctx.run(event, state)

    def issue(self):
        """A new certificate for each."""
        return {f'worker/{number}': issued(state) for number, state in enumerate(self.states)}

    def serve(self):
        """What each unit serves."""
        return [own(state).get('certificate_sha256') for state in self.states]


@pytest.fixture
def pair(tmp_path):
    """Two units that serve https."""
    units = Pair(tmp_path)
    for _ in range(2):
        units.tell(BOTH, units.issue())
        for number in (0, 1):
            units.run(number)
    return units


def test_new_certificates_and_schemes_go_round_the_units_one_by_one(pair):
    before, certificates = pair.serve(), pair.issue()
    new = [cluster_data.sha256(chain) for chain in certificates.values()]
    pair.tell(BOTH, certificates)
    pair.run(1)
    assert pair.serve() == before
    assert 'will restart after worker/0' in pair.states[1].unit_status.message
    pair.run(0)
    assert pair.serve() == [new[0], before[1]]
    pair.run(1)
    assert pair.serve() == new
    pair.tell(['https'], certificates)
    pair.run(1)
    assert own(pair.states[1])['schemes'] == BOTH
    pair.run(0)
    pair.run(1)
    assert [own(state)['schemes'] for state in pair.states] == [['https'], ['https']]


def test_nobody_waits_for_a_unit_that_ignores_its_certificate(pair):
    certificates = pair.issue()
    certificates['worker/0'] = certificates['worker/1']
    before = pair.serve()
    pair.tell(BOTH, certificates)
    pair.run(0)
    pair.run(1)
    assert pair.serve() == [before[0], cluster_data.sha256(certificates['worker/1'])]


def test_a_certificate_for_another_unit_changes_nothing(pair, calls):
    certificates = pair.issue()
    pair.tell(BOTH, certificates)
    for number in (0, 1, 0, 1):  # each first says that it waits for the other
        pair.run(number)
    before = [state.get_relation(22).local_unit_data for state in pair.states]
    calls.clear()
    pair.tell(BOTH, {**certificates, 'worker/2': CA.certificate})
    for number in (0, 1):
        pair.run(number)
    assert [tool for tool in calls.changes() if not tool.startswith('juju-log')] == []
    assert [state.get_relation(22).local_unit_data for state in pair.states] == before


# What others publish


UNREADABLE = {
    name: bad
    for name, bad in GARBAGE.items()
    if name not in ('nothing', 'half a surrogate pair', 'one megabyte')
}


def _hostile(state):
    request = own(state)['certificate_signing_request']
    host = own(state)['address']
    other = authority.request(host.replace('worker-0', 'worker-1'))
    return {
        'of another name': CA.issue(request, names=['other.example']) + CA.certificate,
        'expired': CA.issue(request, -HOUR) + CA.certificate,
        'not valid yet': CA.issue(request, start=HOUR) + CA.certificate,
        'of another key': CA.issue(authority.request(host)) + CA.certificate,
        "another worker's": CA.issue(other, names=[host]) + CA.certificate,
        'without its issuer': CA.issue(request) + authority.authority('other').certificate,
        'a chain of 100 KiB': CA.issue(request) + CA.certificate * 100,
        **UNREADABLE,
    }


CASES = (
    *('of another name', 'expired', 'not valid yet', 'of another key', "another worker's"),
    *('without its issuer', 'a chain of 100 KiB'),
    *UNREADABLE,
)


@pytest.mark.parametrize('case', CASES)
def test_a_wrong_certificate_is_ignored_alone_and_named_and_the_last_good_one_serves(
    unit, serving, calls, case
):
    before = (files(unit), own(serving), scene.service(serving), serving.secrets)
    wrong = _hostile(serving)[case]
    with unit.ctx(
        unit.ctx.on.update_status(), told(serving, BOTH, {'worker/0': wrong})
    ) as manager:
        after = manager.run()
        ignored = [item.name for item in manager.charm.report.ignored]
    assert ignored == ['coordinator worker_certificates']
    assert 'ignored: coordinator worker_certificates (' in after.unit_status.message
    assert isinstance(after.unit_status, testing.ActiveStatus)
    assert len(after.unit_status.message) < 400
    assert (files(unit), own(after), scene.service(after), after.secrets) == before
    again = unit.update_status(after)
    calls.clear()
    last = unit.update_status(again)
    assert calls.changes() == []
    assert last.unit_status == after.unit_status


def test_a_chain_of_a_megabyte_leaves_all_as_it_is(unit, serving):
    wrong = issued(serving) + CA.certificate * 1000
    after = unit.update_status(told(serving, BOTH, wrong))
    assert own(after) == own(serving)
    assert after.secrets == serving.secrets
    assert scene.service(after) == scene.service(serving)
    assert 'ignored: coordinator (' in after.unit_status.message


@pytest.mark.parametrize('case', ['of another name', 'expired', 'not valid yet', 'a text'])
def test_a_wrong_certificate_is_not_served_by_a_unit_that_has_no_other(unit, asking, case):
    after = unit.update_status(told(asking, BOTH, {'worker/0': _hostile(asking)[case]}))
    assert listens(after) == {'--plain': '7070'}
    assert files(unit) == {}
    assert after.unit_status.message.startswith(
        '[certificates] waiting for a certificate from coordinator; ignored: '
        'coordinator worker_certificates ('
    )


def test_a_certificate_that_becomes_valid_is_served(unit, asking):
    chain = issued(asking, start=HOUR)
    early = unit.update_status(told(asking, BOTH, chain))
    assert 'not valid yet' in early.unit_status.message
    real = datetime.datetime

    class Later(real):
        @classmethod
        def now(cls, tz=None):
            return real.now(tz) + 2 * HOUR

    with mock.patch('coordinated_telemetry.worker_key.datetime.datetime', Later):
        after = unit.update_status(early)
    assert own(after)['certificate_sha256'] == cluster_data.sha256(chain)


# Who sees the key, and what it costs


def test_the_key_is_in_the_secret_and_the_file_and_nowhere_else(unit, asking, calls):
    chain = issued(asking)
    state = unit.update_status(told(asking, BOTH, chain))
    state = unit.update_status(told(state, ['https'], chain))
    lines = key(state).splitlines()[1:-1]
    plan = state.get_container('workload').plan
    elsewhere = [
        *(str(relation) for relation in state.relations),
        str(state.stored_states),
        str(plan.to_dict()),
        str(state.unit_status),
        *(str(call) for call in calls if call[0] not in ('secret-add', 'pebble push')),
        *(line.message for line in unit.ctx.juju_log),
        *(path.read_text() for path in unit.folder.rglob('*') if path.is_file()),
        *(text for path, (text, _) in files(unit).items() if not path.endswith('key')),
    ]
    assert not [text for text in elsewhere for line in lines if line in text]
    pushed = [
        arguments
        for tool, arguments in calls
        if tool == 'pebble push' and lines[0] in str(arguments)
    ]
    assert len(pushed) == 1
    assert {mode for path, (_, mode) in files(unit).items() if path.endswith('/key')} == {0o600}
    assert lines[0] not in repr(worker_tls.Certificate(chain, key(state)))


def test_a_unit_that_serves_what_was_issued_needs_nothing_heavy(unit, serving, light, calls):
    state = unit.update_status(serving)
    for event in (
        unit.ctx.on.update_status(),
        unit.ctx.on.config_changed(),
        unit.ctx.on.upgrade_charm(),
        unit.ctx.on.relation_changed(state.get_relation(21)),
        unit.ctx.on.relation_joined(state.get_relation(21)),
        unit.ctx.on.pebble_ready(state.get_container('workload')),
    ):
        calls.clear()
        after = unit.ctx.run(event, state)
        assert calls.changes() == []
        assert [text for level, text in calls.of('juju-log') if level != 'DEBUG'] == []
        assert after.unit_status == state.unit_status
    assert len([tool for tool in calls.hook_tools() if tool != 'juju-log']) <= 15


@pytest.mark.parametrize('case', ['of another name', 'expired', 'not valid yet', 'of another key'])
def test_a_certificate_that_was_refused_needs_nothing_heavy_before_an_update_status(
    unit, serving, request, case
):
    wrong = {'worker/0': _hostile(serving)[case]}
    state = unit.update_status(told(serving, BOTH, wrong))
    request.getfixturevalue('light')
    for event in (
        unit.ctx.on.config_changed(),
        unit.ctx.on.relation_changed(state.get_relation(21)),
        unit.ctx.on.pebble_ready(state.get_container('workload')),
    ):
        after = unit.ctx.run(event, state)
        assert after.unit_status == state.unit_status
        assert own(after) == own(state)
    with pytest.raises(testing.errors.UncaughtCharmError):
        unit.update_status(state)


def test_a_unit_that_waits_for_its_certificate_needs_nothing_heavy(unit, asking, light, calls):
    calls.clear()
    unit.update_status(unit.update_status(asking))
    assert calls.changes() == []


def test_a_unit_keeps_a_certificate_that_was_withdrawn_without_anything_heavy(
    unit, serving, light
):
    after = unit.update_status(told(serving, BOTH, None))
    assert own(after)['schemes'] == BOTH


def test_a_thousand_certificates_of_others_are_not_read(unit, serving, calls):
    digest = own(serving)['certificate_sha256']
    chain = files(unit)[f'{digest}/chain'][0]
    others = {f'worker/{number}': hostile.LONG[:2000] for number in range(1, 100)}
    after = unit.update_status(told(serving, BOTH, {'worker/0': chain, **others}))
    assert after.unit_status == testing.ActiveStatus('ready: all')
    assert own(after) == own(serving)
