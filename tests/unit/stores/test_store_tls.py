"""The stores' TLS: what a unit asks of its CA, and what it then serves and publishes."""

import dataclasses
import json
import stat
from dataclasses import dataclass

import ops
import pytest
from charmlibs.interfaces import tls_certificates
from ops import testing

import store_tls
from authority import authority, requests
from loki.src import charm as loki
from prometheus.src import charm as prometheus
from tempo.src import charm as tempo

EXECS = {
    testing.Exec(['/victoria-logs-prod', '-version'], stdout='v1.51.1'),
    testing.Exec(['/go/bin/all-in-one-linux', 'version'], stdout='v1.62.0'),
    testing.Exec(['/bin/prometheus', '--version'], stdout='version 3.5.3'),
    testing.Exec(['/bin/promtool', 'check', 'config']),
}
CHARMS = {
    'loki': loki.LokiCharm,
    'prometheus': prometheus.PrometheusCharm,
    'tempo': tempo.TempoCharm,
}
READY = {
    'loki': 'http://localhost:3100/health',
    'prometheus': 'http://localhost:9090/-/ready',
    'tempo': 'http://localhost:14269/',
}
"""What Pebble asks without TLS."""
WITH_TLS = {
    'loki': '-tls -tlsCertFile=/etc/store-tls/own.pem -tlsKeyFile=/etc/store-tls/own.pem '
    '-tlsMinVersion=TLS12',
    'prometheus': '--web.config.file=/etc/prometheus/web.yml',
    'tempo': ' '.join(
        f'--{server}.tls.enabled=true --{server}.tls.cert=/etc/store-tls/own.pem '
        f'--{server}.tls.key=/etc/store-tls/own.pem --{server}.tls.min-version=1.2'
        for server in ('collector.otlp.grpc', 'collector.otlp.http', 'query.http')
    ),
}
"""What TLS adds to the end of a server's command."""


@dataclass
class Unit:
    """A unit of a store, from one event to the next."""

    ctx: testing.Context
    name: str
    state: testing.State
    own: object
    """The container's folder of `store_tls.FILE`."""

    def emit(self, event, **change):
        self.state = self.ctx.run(event, dataclasses.replace(self.state, **change))

    @property
    def container(self):
        return self.state.get_container(self.name)

    @property
    def command(self):
        return self.container.plan.services[self.name].command

    def relation(self, endpoint='certificates'):
        (found,) = self.state.get_relations(endpoint)
        return found

    def replace(self, relation):
        others = {one for one in self.state.relations if one.id != relation.id}
        return {'relations': {*others, relation}}

    @property
    def requests(self):
        return requests(self.relation().local_unit_data)

    def relate(self):
        relation = testing.Relation('certificates', remote_app_name='ca')
        related = {'relations': {*self.state.relations, relation}}
        self.emit(self.ctx.on.relation_created(relation), **related)

    def answer(self, *, of=None):
        data = (of or authority()).databag(*self.requests)
        answered = dataclasses.replace(self.relation(), remote_app_data=data)
        self.emit(self.ctx.on.relation_changed(answered), **self.replace(answered))


@pytest.fixture(params=CHARMS)
def unit(request, tmp_path, monkeypatch):
    """A started unit of each store, without a CA."""
    name = request.param
    # Only Prometheus reloads, and only when its jobs change.
    monkeypatch.setattr(prometheus.urllib.request, 'urlopen', None)
    folders = {
        'own': '/etc/store-tls',
        'prometheus': '/etc/prometheus',
        'rules': '/loki/rules/fake',
    }
    for folder in folders:
        (tmp_path / folder).mkdir()
    container = testing.Container(
        name,
        can_connect=True,
        execs=EXECS,
        mounts={
            folder: testing.Mount(location=location, source=tmp_path / folder)
            for folder, location in folders.items()
        },
    )
    state = testing.State(containers={container}, leader=True, model=testing.Model('m'))
    unit = Unit(testing.Context(CHARMS[name], app_name=name), name, state, tmp_path / 'own')
    unit.emit(unit.ctx.on.pebble_ready(container))
    return unit


def check_plain(unit):
    assert WITH_TLS[unit.name] not in unit.command
    assert unit.container.plan.checks['ready'].http == {'url': READY[unit.name]}
    assert list(unit.own.iterdir()) == []
    assert unit.state.unit_status == testing.ActiveStatus()


def test_without_a_ca_nothing_is_imported_and_all_is_plain(unit, monkeypatch):
    monkeypatch.setattr(store_tls.StoreTls, '_observe', None)
    unit.emit(unit.ctx.on.config_changed())
    check_plain(unit)


def test_a_request_names_unit_and_service_and_until_it_is_answered_all_is_plain(unit):
    before = unit.container.plan
    unit.relate()
    (request,) = unit.requests
    csr = tls_certificates.CertificateSigningRequest.from_string(request)
    assert csr.sans_dns == {
        f'{unit.name}-0.{unit.name}-endpoints.m.svc.cluster.local',
        f'{unit.name}.m.svc.cluster.local',
    }
    assert unit.container.plan == before
    assert unit.state.unit_status == testing.WaitingStatus(
        '[certificates] waiting for a certificate'
    )


def test_with_a_certificate_the_server_takes_tls_only(unit):
    plain = unit.command
    unit.relate()
    unit.answer()
    assert unit.command == f'{plain} {WITH_TLS[unit.name]}'
    (file,) = unit.own.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    assert [line for line in text.splitlines() if line.startswith('-----BEGIN')] == [
        '-----BEGIN RSA PRIVATE KEY-----',
        '-----BEGIN CERTIFICATE-----',
        '-----BEGIN CERTIFICATE-----',
    ]
    assert text.rstrip().endswith(authority().certificate.rstrip())
    assert unit.state.unit_status == testing.ActiveStatus()
    check = unit.container.plan.checks['ready']
    if unit.name == 'tempo':  # whose port for that is on the loopback
        assert check.http == {'url': READY['tempo']}
    else:
        assert (check.http, check.tcp) == (None, {'port': 3100 if unit.name == 'loki' else 9090})


def test_a_renewal_changes_the_file_and_neither_the_command_nor_anything_meanwhile(unit):
    unit.relate()
    unit.answer()
    command, (file,) = unit.command, unit.own.iterdir()
    first = file.read_text()
    label = next(secret.label for secret in unit.state.secrets if '-certificate-' in secret.label)
    secret = unit.state.get_secret(label=label)
    unit.emit(unit.ctx.on.secret_expired(secret, revision=1))
    assert (unit.command, file.read_text()) == (command, first)
    assert unit.state.unit_status == testing.ActiveStatus()
    unit.answer()
    assert unit.command == command
    assert file.read_text() != first


def test_without_its_ca_a_unit_is_plain_again_and_has_no_key(unit):
    plain = unit.container.plan
    unit.relate()
    unit.answer()
    relation = unit.relation()
    unit.emit(unit.ctx.on.relation_broken(relation))
    check_plain(unit)
    assert unit.container.plan == plain
    contents = [secret.tracked_content for secret in unit.state.secrets]
    assert [content for content in contents if 'private-key' in content] == []


def test_a_new_pod_gets_the_same_certificate(unit):
    unit.relate()
    unit.answer()
    (file,) = unit.own.iterdir()
    before = file.read_text()
    file.unlink()
    fresh = dataclasses.replace(unit.container, layers={}, service_statuses={}, check_infos=set())
    unit.emit(unit.ctx.on.pebble_ready(fresh), containers={fresh})
    assert file.read_text() == before
    assert WITH_TLS[unit.name] in unit.command


def test_a_hook_with_nothing_to_do_writes_nothing(unit, monkeypatch):
    unit.relate()
    unit.answer()

    def written(*args, **options):
        raise AssertionError('written')

    for name in ('push', 'remove_path', 'replan'):
        monkeypatch.setattr(ops.Container, name, written)
    unit.emit(unit.ctx.on.update_status())


@pytest.mark.parametrize('unit', ['loki'], indirect=True)
def test_loki_publishes_an_https_url_as_soon_as_it_serves_it(unit):
    logging = testing.Relation('logging', remote_app_name='coordinator')
    unit.emit(unit.ctx.on.relation_created(logging), relations={logging})

    def url():
        return json.loads(unit.relation('logging').local_unit_data['endpoint'])['url']

    rest = '://loki-0.loki-endpoints.m.svc.cluster.local:3100/insert/loki/api/v1/push'
    unit.relate()
    assert url() == f'http{rest}'
    unit.answer()
    assert url() == f'https{rest}'
    unit.emit(unit.ctx.on.relation_broken(unit.relation()))
    assert url() == f'http{rest}'


@pytest.mark.parametrize('unit', ['tempo'], indirect=True)
def test_tempo_publishes_an_https_url_and_for_grpc_still_one_without_a_scheme(unit):
    asked = {'receivers': json.dumps(['otlp_grpc', 'otlp_http'])}
    tracing = testing.Relation('tracing', remote_app_name='coordinator', remote_app_data=asked)
    unit.emit(unit.ctx.on.relation_changed(tracing), relations={tracing})
    unit.relate()
    unit.answer()
    receivers = json.loads(unit.relation('tracing').local_app_data['receivers'])
    assert {one['protocol']['name']: one['url'] for one in receivers} == {
        'otlp_grpc': 'tempo.m.svc.cluster.local:4317',
        'otlp_http': 'https://tempo.m.svc.cluster.local:4318',
    }


@pytest.mark.parametrize('unit', ['tempo'], indirect=True)
def test_each_listener_of_jaeger_reads_its_certificate_again(unit):
    unit.relate()
    unit.answer()
    assert unit.container.plan.services['tempo'].environment == {
        'COLLECTOR_OTLP_GRPC_TLS_RELOAD_INTERVAL': '1s',
        'COLLECTOR_OTLP_HTTP_TLS_RELOAD_INTERVAL': '1s',
        'QUERY_HTTP_TLS_RELOAD_INTERVAL': '1s',
    }
