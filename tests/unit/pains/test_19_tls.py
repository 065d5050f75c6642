"""Pain 19: TLS falls back to plain HTTP whenever a worker is added, until the CA re-issues; the
key is world-readable; TLS 1.0 is on.
"""

import dataclasses
import datetime
import hashlib
import json
import re
import time

import pytest
from charmlibs.interfaces import tls_certificates as tls
from ops import testing

import authority
import hostile
import juju
import nginxconf
from coordinator import scene as coordinators
from coordinator.source import charm, nginx, nginx_config
from worker import scene as workers

CA = authority.authority()
HOST = coordinators.host('coordinator/0')
SERVICE = 'coordinator.m.svc.cluster.local'


@pytest.fixture
def unit(tmp_path):
    """A unit of the coordinator."""
    return coordinators.Coordinator(tmp_path / 'coordinator')


@pytest.fixture
def plain(unit):
    """The state of one that has asked for a certificate and got none."""
    return unit.update_status(
        unit.state(
            coordinators.workers('w', id=11),
            coordinators.scraper(id=14),
            coordinators.peers([1], id=19),
            coordinators.certificates(id=20),
        )
    )


@pytest.fixture
def served(unit, plain):
    """The state of one that serves TLS."""
    return coordinators.answered(unit, plain)


@pytest.fixture
def worker(tmp_path):
    """A unit of a worker."""
    return workers.Worker(tmp_path / 'worker')


def request(state):
    """The one request that the unit has at its CA."""
    (found,) = authority.requests(state.get_relation(20).local_unit_data)
    return found


def server(unit):
    """What nginx is told of the server that clients reach, without the locations."""
    (http,) = [d for d in nginxconf.parse(unit.config) if d.words == ('http',)]
    (first, *_) = [d for d in http.block or () if d.words == ('server',)]
    return [' '.join(d.words) for d in first.block or () if d.words[0] != 'location']


def files(unit):
    """The files with certificates and key: name → content."""
    return {path.name: path.read_text() for path in unit.folder.glob('tls-*')}


def outcome(unit, state):
    """All that TLS is made of."""
    published = state.get_relation(11).local_app_data.get('ca_cert')
    kept = state.get_relation(19).local_unit_data.get('certificate')
    return server(unit), files(unit), published, kept


def is_tls(unit):
    """Whether nginx serves TLS with a file that is there."""
    (name,) = files(unit)
    return f'ssl_certificate /etc/nginx/{name}' in server(unit)


def expired(unit, state):
    """The state after Juju said that the time of the certificate is nearly over."""
    (secret,) = [s for s in state.secrets if '-certificate-' in (s.label or '')]
    return unit.ctx.run(unit.ctx.on.secret_expired(secret, revision=1), state)


def with_fresh_pod(unit, state):
    """The state of a unit whose pod came back with nothing but what Juju keeps."""
    for path in unit.folder.iterdir():
        path.unlink()
    fresh = [unit.nginx(), testing.Container('nginx-prometheus-exporter', can_connect=True)]
    return dataclasses.replace(state, containers=fresh, stored_states=[])


def commands(unit):
    """What was run in nginx's container."""
    return [' '.join(execution.command[:2]) for execution in unit.ctx.exec_history['nginx']]


# Serving


def test_pain_19_it_serves_plain_http_until_there_is_a_certificate(unit, plain):
    assert not any('ssl' in line for line in server(unit))
    assert files(unit) == {}
    assert 'ca_cert' not in plain.get_relation(11).local_app_data
    assert plain.unit_status == testing.WaitingStatus(
        '[certificates] serving plain HTTP until ca issues a certificate'
    )


def test_pain_19_a_unit_that_is_added_gets_no_requests_before_its_certificate(unit, plain):
    """If the image has a check of that name, which fails until the charm replaces it."""
    assert not plain.get_container('nginx').plan.checks
    served = coordinators.answered(unit, plain)
    assert list(served.get_container('nginx').plan.checks) == ['nginx-ready']
    after = expired(unit, served)
    assert list(after.get_container('nginx').plan.checks) == ['nginx-ready']


def test_pain_19_a_certificate_is_asked_for_by_names_that_no_worker_has_a_part_in(plain):
    csr = tls.CertificateSigningRequest.from_string(request(plain))
    assert csr.sans_dns == {HOST, SERVICE}
    assert (csr.sans_ip, csr.common_name) == (set(), HOST)


def test_pain_19_names_that_are_too_long_for_a_common_name_are_asked_for_all_the_same(tmp_path):
    unit = coordinators.Coordinator(tmp_path)
    state = dataclasses.replace(
        unit.state(coordinators.certificates(id=20)),
        model=dataclasses.replace(juju.MODEL, name='m' * 60),
    )
    csr = tls.CertificateSigningRequest.from_string(request(unit.update_status(state)))
    assert len(csr.sans_dns) == 2
    assert csr.common_name == ''


def test_pain_19_tls_1_2_and_newer_on_the_same_port_and_plain_http_is_sent_there(unit, served):
    ((name, content),) = files(unit).items()
    assert [line for line in server(unit) if '[::]' not in line] == [
        'listen 8080 ssl',
        f'ssl_certificate /etc/nginx/{name}',
        f'ssl_certificate_key /etc/nginx/{name}',
        'ssl_protocols TLSv1.2 TLSv1.3',
        'error_page 497 =308 https://$host:8080$request_uri',
    ]
    assert re.findall('BEGIN ([A-Z ]+)-', content) == [
        'CERTIFICATE',
        'CERTIFICATE',
        'RSA PRIVATE KEY',
    ]
    assert isinstance(served.unit_status, testing.ActiveStatus)
    assert nginx_config.PORT == 8080


def test_pain_19_nobody_else_reads_the_key_and_nothing_else_has_it(unit, plain, calls):
    after = coordinators.answered(unit, plain)
    ((name, content),) = files(unit).items()
    assert (unit.folder / name).stat().st_mode & 0o777 == 0o600
    key = content.partition('-----BEGIN RSA PRIVATE KEY-----')[2][:60]
    databags = [{**r.local_unit_data, **r.local_app_data} for r in after.relations]
    assert key
    assert key not in str(databags)
    assert key not in str(calls.of('juju-log'))
    assert [path for path, text in calls.of('pebble push') if key in text] == [
        f'/etc/nginx/{name}'
    ]


@pytest.mark.parametrize('mode', [0o644, 0o640, 0o400])
def test_pain_19_a_key_that_others_may_read_is_hidden_again(unit, served, mode):
    before = files(unit)
    (unit.folder / min(before)).chmod(mode)
    unit.update_status(served)
    assert files(unit) == before
    assert (unit.folder / min(before)).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize('order', [[0, 1, 2], [2, 1, 0], [1, 2], [], [0, 0, 1, 1]])
def test_pain_19_the_chain_is_in_nginxs_order_whatever_the_cas_is(unit, plain, order):
    middle = tls.PrivateKey.generate()
    attributes = tls.CertificateRequestAttributes(common_name='middle', is_ca=True)
    intermediate = CA.issue(str(attributes.generate_csr(middle)), is_ca=True)
    own = authority.Authority(key=middle, own=intermediate).issue(request(plain))
    chain = [[own, intermediate, CA.certificate][number] for number in order]
    ca = CA.certificate if order else intermediate
    entry = CA.entry(request(plain), certificate=own, chain=chain, ca=ca)
    coordinators.answered(unit, plain, coordinators.encoded(certificates=[entry]))
    (content,) = files(unit).values()
    expected = own + intermediate + (CA.certificate if order else '')
    assert content.startswith(expected + '-----BEGIN RSA')


def test_pain_19_workers_are_told_of_the_ca_by_a_leader_that_serves_tls(unit, served, tmp_path):
    assert json.loads(served.get_relation(11).local_app_data['ca_cert']) == CA.certificate
    follower = coordinators.Coordinator(tmp_path / 'follower')
    relations = [coordinators.workers('w', id=11), coordinators.certificates(id=20)]
    state = follower.update_status(follower.state(*relations, leader=False))
    after = coordinators.answered(follower, state)
    assert is_tls(follower)
    assert after.get_relation(11).local_app_data == {}


# A worker is added


def test_pain_19_a_worker_that_is_added_touches_neither_tls_nor_the_request(unit, served, calls):
    before, asked = outcome(unit, served), request(served)
    calls.clear()
    grown = coordinators.workers('w', units=[0, 1], id=11)
    state = coordinators.replaced(
        served, dataclasses.replace(grown, local_app_data=served.get_relation(11).local_app_data)
    )
    for kind in ('joined', 'changed'):
        event = getattr(unit.ctx.on, f'relation_{kind}')(state.get_relation(11), remote_unit=1)
        with unit.ctx(event, state) as manager:
            state = manager.run()
            assert '_requirer' not in vars(manager.charm)  # nobody was even asked
        assert outcome(unit, state) == before
    assert coordinators.host('w/1') in unit.config
    assert request(state) == asked
    assert [tool for tool, _ in calls if tool.startswith('secret-')] == []
    assert [path for path, _ in calls.of('pebble push') if 'tls-' in path] == []


def test_pain_19_nor_does_one_that_is_added_while_a_new_certificate_is_awaited(unit, served):
    before = outcome(unit, served)
    renewing = expired(unit, served)
    grown = coordinators.workers('w', units=[0, 1], id=11)
    state = coordinators.replaced(
        renewing,
        dataclasses.replace(grown, local_app_data=renewing.get_relation(11).local_app_data),
    )
    event = unit.ctx.on.relation_joined(state.get_relation(11), remote_unit=1)
    after = unit.ctx.run(event, state)
    assert outcome(unit, after) == before
    assert request(after) == request(renewing)
    assert coordinators.host('w/1') in unit.config


# Another certificate


def test_pain_19_the_old_certificate_serves_until_the_new_one_is_there(unit, served):
    before = outcome(unit, served)
    renewing = expired(unit, served)
    assert request(renewing) != request(served)
    assert outcome(unit, renewing) == before
    assert renewing.unit_status == testing.ActiveStatus(
        '1 worker (backend 1, frontend 1); '
        'serving the previous certificate until ca issues a new one'
    )
    unit.ctx.exec_history.clear()
    after = coordinators.answered(unit, renewing)
    assert is_tls(unit)
    assert files(unit).keys().isdisjoint(before[1])
    assert commands(unit) == ['nginx -t', 'nginx -s']
    assert after.unit_status == testing.ActiveStatus('1 worker (backend 1, frontend 1)')


@pytest.mark.parametrize('databag', [{}, {'certificates': '[]'}], ids=['empty', 'no certificate'])
def test_pain_19_a_ca_that_has_nothing_for_a_moment_takes_nothing_away(unit, served, databag):
    before, asked = outcome(unit, served), request(served)
    after = coordinators.answered(unit, served, databag)
    assert outcome(unit, after) == before
    assert request(after) == asked


def test_pain_19_a_new_pod_in_the_middle_of_a_renewal_serves_what_the_old_one_did(unit, served):
    before = outcome(unit, served)
    state = with_fresh_pod(unit, expired(unit, served))
    down = [dataclasses.replace(container, can_connect=False) for container in state.containers]
    up = state.containers
    state = dataclasses.replace(state, containers=down)
    for event in (unit.ctx.on.upgrade_charm(), unit.ctx.on.config_changed(), unit.ctx.on.start()):
        state = unit.ctx.run(event, state)
    state = dataclasses.replace(state, containers=up)
    event = unit.ctx.on.pebble_ready(state.get_container('nginx'))
    assert outcome(unit, unit.ctx.run(event, state)) == before


def test_pain_19_a_new_pod_has_the_certificate_again_without_the_ca(unit, served):
    before = outcome(unit, served)
    state = with_fresh_pod(unit, coordinators.answered(unit, served, {}))
    assert outcome(unit, unit.update_status(state)) == before


def test_pain_19_nginx_decides_and_what_it_refuses_takes_nothing_away(unit, served, monkeypatch):
    """Not even the workers that change meanwhile."""
    before = outcome(unit, served)
    ensure_running = nginx.ensure_running

    def refusing(container, wanted, *, ready):
        if not any(name in wanted for name in before[1]):
            raise nginx.ConfigError('ee key too small')
        return ensure_running(container, wanted, ready=ready)

    renewing = expired(unit, served)
    monkeypatch.setattr(charm.nginx, 'ensure_running', refusing)
    grown = coordinators.workers('w', units=[0, 1], id=11)
    state = coordinators.replaced(
        renewing,
        dataclasses.replace(grown, local_app_data=renewing.get_relation(11).local_app_data),
    )
    after = coordinators.answered(unit, state)
    assert outcome(unit, after) == before
    assert coordinators.host('w/1') in unit.config
    assert 'ignored: ca (cannot serve with its certificate: ee key too small)' in (
        after.unit_status.message
    )
    assert 'ignored: ca (cannot serve with its certificate: ee key too small)' in (
        juju.warnings(unit.ctx)
    )


# The CA goes


def test_pain_19_without_the_ca_it_is_plain_http_and_nothing_is_left(unit, served):
    after = unit.ctx.run(unit.ctx.on.relation_broken(served.get_relation(20)), served)
    assert outcome(unit, after) == (server(unit), {}, None, None)
    assert not any('ssl' in line for line in server(unit))
    # ops.testing has no secret-ids, by which the library finds the certificate's.
    assert not any('private-key' in (secret.label or '') for secret in after.secrets)
    assert isinstance(after.unit_status, testing.ActiveStatus)


def test_pain_19_the_first_certificate_after_that_is_one_of_another_key(unit, served):
    (before,) = files(unit).values()
    broken = unit.ctx.run(unit.ctx.on.relation_broken(served.get_relation(20)), served)
    relations = {relation for relation in broken.relations if relation.id != 20}
    state = dataclasses.replace(broken, relations=[*relations, coordinators.certificates(id=20)])
    state = unit.ctx.run(unit.ctx.on.relation_created(state.get_relation(20)), state)
    coordinators.answered(unit, state)
    (after,) = files(unit).values()
    assert before.partition('RSA')[2] != after.partition('RSA')[2]
    assert is_tls(unit)


# Hostile databags


def not_for_it(text):
    """A certificate for the same names and another key."""
    csr = tls.CertificateSigningRequest.from_string(text)
    attributes = tls.CertificateRequestAttributes.from_csr(csr, is_ca=False)
    return CA.issue(str(attributes.generate_csr(tls.PrivateKey.generate())))


def for_others(text):
    """A certificate for the same key and other names."""
    return CA.issue(text, names=['a.example'])


GARBAGE = {
    'empty': '',
    'a text': 'text',
    'null byte': 'a\0',
    'half a surrogate pair': '\ud800',
    'one megabyte': hostile.LONG,
    'no base64': '-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n',
    'no X.509': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    'a key': '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
    'half of it': CA.certificate[:-60],
    'breaks out': CA.certificate + 'ssl_protocols TLSv1;\n',
    'many': CA.certificate * 100,
    'a number': 1,
    'nothing': None,
    'a list': [CA.certificate],
}
ANSWERS = {
    **{
        f'{key}: {case}': lambda text, key=key, value=value: CA.entry(text, **{key: value})
        for key in ('certificate', 'ca', 'certificate_signing_request')
        for case, value in GARBAGE.items()
        if key != 'certificate' or value
    },
    **{
        f'chain: {case}': lambda text, value=value: CA.entry(text, chain=[value])
        for case, value in GARBAGE.items()
    },
    'a chain without end': lambda text: CA.entry(text, chain=[CA.certificate] * 40),
    'revoked': lambda text: CA.entry(text, revoked=True),
    'revoked: a text': lambda text: CA.entry(text, revoked='no'),
    'expired': lambda text: CA.entry(
        text, certificate=CA.issue(text, datetime.timedelta(seconds=-5))
    ),
    'of another key': lambda text: CA.entry(text, certificate=not_for_it(text)),
    'for other names': lambda text: CA.entry(text, certificate=for_others(text)),
    'by another CA': lambda text: CA.entry(
        text, ca=authority.authority('other').certificate
    ),
    'the CA itself': lambda text: CA.entry(text, certificate=CA.certificate),
    'no entry': lambda text: None,
    'an entry of lists': lambda text: [[]],
}  # fmt: skip
DATABAGS = {
    **{f'certificates: {case}': {'certificates': raw} for case, raw in hostile.RAW.items()},
    **{
        f'{key}: {case}': {'certificates': '[]', key: raw}
        for key in ('request_errors', 'capabilities')
        for case, raw in hostile.RAW.items()
    },
    'foreign': {'certificates': '[]', 'foreign': hostile.LONG},
}
READY = {
    *(f'{key}: null' for key in ('certificates', 'request_errors', 'capabilities')),
    *(f'{key}: empty list' for key in ('certificates', 'request_errors')),
    *(f'capabilities: {case}' for case in hostile.RAW if case.split()[-1] == 'mapping'),
    *(f'capabilities: mapping of {what}' for what in ('null', 'lists')),
}  # fmt: skip


def ignored(unit, state):
    """The state after update-status, and who was left out in it."""
    with unit.ctx(unit.ctx.on.update_status(), state) as manager:
        return manager.run(), [item.name for item in manager.charm.report.ignored]


def check_harmless(unit, state, calls, databag, names):
    """A databag takes nothing away, is named once and for all, and then all is quiet."""
    before, asked = outcome(unit, state), request(state)
    after, named = ignored(unit, coordinators.answered(unit, state, databag))
    assert outcome(unit, after) == before
    assert named == names
    assert request(after) == asked
    logged = [text for text in juju.warnings(unit.ctx) if 'ignored: ' in text]
    assert all(len(text) < 400 and text.isprintable() for text in logged)
    if names:
        assert 'ignored: ca (' in after.unit_status.message
        assert len(after.unit_status.message) < 400
    calls.clear()
    again, still_named = ignored(unit, after)
    assert (still_named, again.unit_status) == (named, after.unit_status)
    assert calls.changes() == []
    assert [text for level, text in calls.of('juju-log') if level != 'DEBUG'] == []


@pytest.mark.parametrize('case', DATABAGS)
def test_pain_19_a_databag_that_makes_no_sense_takes_nothing_away(unit, served, calls, case):
    names = [] if case in READY else ['ca']
    check_harmless(unit, served, calls, DATABAGS[case], names)


@pytest.mark.parametrize('case', ANSWERS)
def test_pain_19_an_answer_that_cannot_serve_takes_nothing_away(unit, served, calls, case):
    databag = coordinators.encoded(certificates=[ANSWERS[case](request(served))])
    check_harmless(unit, served, calls, databag, ['ca'])


def test_pain_19_a_certificate_that_is_revoked_serves_on_and_is_named_in_every_hook(unit, served):
    before = outcome(unit, served)
    (entry,) = json.loads(served.get_relation(20).remote_app_data['certificates'])
    databag = coordinators.encoded(certificates=[{**entry, 'revoked': True}])
    state = coordinators.answered(unit, served, databag)
    event = unit.ctx.on.relation_changed(state.get_relation(11), remote_unit=0)
    after = unit.ctx.run(event, state)
    assert outcome(unit, after) == before
    assert 'ignored: ca (its certificate is revoked)' in after.unit_status.message


@pytest.mark.parametrize(
    'case', ['certificate: a text', 'of another key', 'for other names', 'expired']
)
def test_pain_19_nor_does_it_serve_at_the_first(unit, plain, calls, case):
    databag = coordinators.encoded(certificates=[ANSWERS[case](request(plain))])
    check_harmless(unit, plain, calls, databag, ['ca'])
    mended = coordinators.answered(unit, plain)
    assert is_tls(unit)
    assert isinstance(mended.unit_status, testing.ActiveStatus)


def test_pain_19_a_ca_that_denies_is_named_with_its_reason(unit, plain):
    error = {'code': 102, 'name': 'DOMAIN_NOT_ALLOWED', 'message': 'not\n"ours"'}
    databag = coordinators.encoded(request_errors=[{'csr': request(plain), 'error': error}])
    after = coordinators.answered(unit, plain, databag)
    assert after.unit_status == testing.WaitingStatus(
        '[certificates] serving plain HTTP until ca issues a certificate; ignored: '
        r'ca (it denies the certificate: not\n"ours")'
    )


def test_pain_19_what_is_wrong_with_anothers_certificate_is_not_this_units_concern(unit, served):
    before = outcome(unit, served)
    other = tls.CertificateRequestAttributes(common_name='x').generate_csr(CA.key)
    entries = [CA.entry(request(served)), CA.entry(str(other), revoked=True)]
    kept = json.loads(before[3])['chain'].partition('-----END CERTIFICATE-----\n')
    entries[0]['certificate'] = kept[0] + kept[1]
    after = coordinators.answered(unit, served, coordinators.encoded(certificates=entries))
    assert outcome(unit, after) == before
    assert after.unit_status == served.unit_status


def test_pain_19_without_its_key_a_running_nginx_goes_on_and_another_certificate_is_asked_for(
    unit, served, monkeypatch
):
    before = outcome(unit, served)
    now = time.time()
    monkeypatch.setattr(time, 'time', lambda: now + 3601)  # it looks once in an hour
    after = unit.update_status(dataclasses.replace(served, secrets=[]))
    assert outcome(unit, after) == before
    assert request(after) != request(served)
    coordinators.answered(unit, after)
    assert is_tls(unit)


def test_pain_19_without_its_key_a_new_pod_says_so(unit, served):
    state = with_fresh_pod(unit, dataclasses.replace(served, secrets=[]))
    after = unit.update_status(state)
    assert not any('ssl' in line for line in server(unit))
    assert 'ca (cannot serve with its certificate: its key' in after.unit_status.message


# Workers


def environment(state):
    """The environment of a worker's workload."""
    return workers.service(state)['environment']


def trusting(worker, ca: str | None = CA.certificate):
    """The state of a worker whose coordinator serves TLS."""
    relation = workers.coordinator(workers.published(ca_cert=ca), id=21)
    return worker.update_status(worker.state(relation, workers.peers(id=22)))


def test_pain_19_a_worker_calls_https_and_trusts_the_ca(worker):
    after = trusting(worker)
    assert (worker.folder / 'ca' / 'ca.pem').read_text() == CA.certificate
    found = environment(after)
    assert found['SSL_CERT_DIR'] == '/etc/podinfo/ca'
    assert found['CA_SHA256'] == hashlib.sha256(CA.certificate.encode()).hexdigest()
    command = workers.service(after)['command']
    assert f'--backend-url=https://{SERVICE}:8080/backend/headers' in command


def test_pain_19_a_worker_of_a_plain_coordinator_trusts_nobody_besides(worker):
    after = trusting(worker, None)
    assert 'SSL_CERT_DIR' not in environment(after)
    assert not (worker.folder / 'ca').exists()
    assert '--backend-url=http://' in workers.service(after)['command']


def test_pain_19_a_worker_that_calls_nobody_is_not_restarted(worker):
    config = {'role-all': False, 'role-backend': True}
    state = worker.update_status(worker.state(workers.coordinator(id=21), config=config))
    relation = workers.coordinator(workers.published(ca_cert=CA.certificate), id=21)
    after = worker.ctx.run(worker.ctx.on.config_changed(), coordinators.replaced(state, relation))
    assert workers.service(after) == workers.service(state)


def test_pain_19_another_ca_goes_round_the_workers_one_by_one(worker, tmp_path):
    other = authority.authority('other').certificate
    second = workers.Worker(tmp_path / 'second', number=1)
    trusted = {}
    for unit in (worker, second):
        before = trusting(unit)
        runs = json.loads(before.get_relation(22).local_unit_data['runs'])
        peer = dataclasses.replace(
            before.get_relation(22), peers_data={1 - number(unit): workers.encoded(runs=runs)}
        )
        relation = workers.coordinator(workers.published(ca_cert=other), id=21)
        state = coordinators.replaced(before, relation, peer)
        after = unit.ctx.run(unit.ctx.on.config_changed(), state)
        trusted[unit.unit] = (unit.folder / 'ca' / 'ca.pem').read_text()
        assert (environment(after) == environment(before)) is (unit is second)
    assert trusted == {'worker/0': other, 'worker/1': CA.certificate}


def number(unit):
    """The number of a worker unit."""
    return int(unit.unit.partition('/')[2])


@pytest.mark.parametrize('case', [case for case in GARBAGE if case != 'nothing'])
def test_pain_19_what_is_no_certificate_is_not_written_nor_trusted(worker, case):
    if case == 'half a surrogate pair':
        databag = {**workers.published(), 'ca_cert': '"\\ud800"'}
    else:
        databag = workers.published(ca_cert=GARBAGE[case])
    running = trusting(worker, None)
    relation = dataclasses.replace(running.get_relation(21), remote_app_data=databag)
    after = worker.ctx.run(
        worker.ctx.on.config_changed(), coordinators.replaced(running, relation)
    )
    assert not (worker.folder / 'ca').exists()
    assert environment(after) == environment(running)
    assert 'ignored: coordinator' in after.unit_status.message


def test_pain_19_only_certificates_are_written_whatever_white_space_they_came_with(worker):
    body = ''.join(CA.certificate.splitlines()[1:-1])
    sent = f'\r\n-----BEGIN CERTIFICATE-----\r\n{body}\r\n-----END CERTIFICATE-----\r\n\t'
    after = trusting(worker, sent)
    assert (worker.folder / 'ca' / 'ca.pem').read_bytes().decode() == CA.certificate
    assert isinstance(after.unit_status, testing.ActiveStatus)
