"""The stores' own TLS: what their listeners show, and whom charms, workloads and Pebble trust."""

import contextlib
import dataclasses
import json
import ssl
import time
from collections.abc import Iterator

import pytest

import deployment
from model import Model, eventually
from traffic import echo, trace_id_of

CA = deployment.CERTIFICATES.name
LISTENERS = {
    'prometheus': (9090,),
    'loki': (3100,),
    'tempo': (4317, 4318, 16686),
}
"""The ports that a store opens, by its application."""
EACH = [(application, port) for application, ports in LISTENERS.items() for port in ports]
TRACE = '0af7651916cd43dd8448eb211c80319c'


@pytest.fixture(scope='module')
def deployed_stores(model: Model) -> Model:
    """The three stores and a CA, unrelated."""
    model.deploy(*deployment.STORES, deployment.CERTIFICATES)
    model.wait_active()
    return model


@pytest.fixture
def stores(deployed_stores: Model) -> Model:
    """The same with TLS at all three."""
    apps = deployed_stores.juju.status().apps
    for one, other in deployment.STORE_TLS:
        application, _, endpoint = one.partition(':')
        if endpoint not in apps[application].relations:
            deployed_stores.integrate((one, other))
    deployed_stores.wait_active()
    eventually(lambda: certificates(deployed_stores))
    return deployed_stores


def authority(model: Model) -> str:
    """The CA's certificate in PEM, as a store has it from the CA."""
    [data] = model.application_data('loki/0', 'certificates')
    assert 'certificates' in data, 'the CA has issued nothing yet'
    return json.loads(data['certificates'])[0]['ca']


def trusting(model: Model) -> ssl.SSLContext:
    """A client that trusts that CA and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority(model))
    return context


@contextlib.contextmanager
def connected(
    model: Model, target: str, port: int, context: ssl.SSLContext | None = None
) -> Iterator[ssl.SSLSocket]:
    """A connection to a unit or a service, whose certificate is verified by CA and name."""
    application, _, number = target.partition('/')
    host = f'{application}-{number}.{application}-endpoints' if number else application
    assert model.juju.model is not None
    with (context or trusting(model)).wrap_socket(
        model.cluster.connect(target, port),
        server_hostname=f'{host}.{model.juju.model}.svc.cluster.local',
    ) as connection:
        yield connection


def certificates(model: Model) -> dict[str, set[str]]:
    """The serial numbers of the certificates that the listeners of each application show."""
    found: dict[str, set[str]] = {application: set() for application in LISTENERS}
    for application, port in EACH:
        with connected(model, application, port) as connection:
            shown = connection.getpeercert()
            assert shown
            found[application].add(str(shown['serialNumber']))
    return found


def push(model: Model, path: str, document: object, *, target: str, port: int) -> None:
    """Send JSON to a store, over TLS."""
    response = model.cluster.http(
        target,
        port,
        path,
        method='POST',
        body=json.dumps(document).encode(),
        headers={'Content-Type': 'application/json'},
        context=trusting(model),
    )
    assert response.status in {200, 204}, response


def push_line(model: Model, text: str) -> None:
    """Log a line of other/0."""
    line = [str(time.time_ns()), text]
    streams = [{'stream': {'juju_unit': 'other/0'}, 'values': [line]}]
    path = '/insert/loki/api/v1/push'
    push(model, path, {'streams': streams}, target='loki/0', port=3100)


def push_span(model: Model) -> None:
    """Send the only span of a trace."""
    now = time.time_ns()
    span = {
        'traceId': TRACE,
        'spanId': 'b7ad6b7169203331',
        'name': 'over TLS',
        'kind': 2,
        'startTimeUnixNano': str(now),
        'endTimeUnixNano': str(now + 1000),
    }
    service = {'key': 'service.name', 'value': {'stringValue': 'other'}}
    spans = {'resource': {'attributes': [service]}, 'scopeSpans': [{'spans': [span]}]}
    push(model, '/v1/traces', {'resourceSpans': [spans]}, target='tempo', port=4318)


@pytest.mark.parametrize(('application', 'port'), EACH)
def test_a_listener_shows_a_certificate_of_the_ca_for_unit_and_service(
    stores: Model, application: str, port: int
) -> None:
    for target in (f'{application}/0', application):
        with connected(stores, target, port) as connection:
            assert connection.version() == 'TLSv1.3'


@pytest.mark.parametrize(('application', 'port'), EACH)
@pytest.mark.filterwarnings('ignore:ssl.TLSVersion.TLSv1_1 is deprecated')
def test_tls_1_1_is_refused(stores: Model, application: str, port: int) -> None:
    context = trusting(stores)
    context.set_ciphers('ALL:@SECLEVEL=0')  # or this side would not even ask
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        pytest.raises(ssl.SSLError, match='PROTOCOL_VERSION'),
        connected(stores, application, port, context),
    ):
        pass


@pytest.mark.parametrize(('application', 'port'), EACH)
def test_plain_http_is_not_served(stores: Model, application: str, port: int) -> None:
    try:
        response = stores.cluster.http(application, port)
    except OSError:
        return
    assert response.status == 400
    assert b'HTTP request to an HTTPS server' in response.body


def test_grpc_is_spoken_over_tls(stores: Model) -> None:
    context = trusting(stores)
    context.set_alpn_protocols(['h2'])
    with connected(stores, 'tempo', 4317, context) as connection:
        assert connection.selected_alpn_protocol() == 'h2'


def test_what_is_sent_over_tls_is_found_over_tls(stores: Model) -> None:
    push_line(stores, 'over TLS')
    push_span(stores)

    eventually(lambda: check_arrived(stores))


def check_arrived(model: Model) -> None:
    """Assert that all three stores answer, and that two have what they were sent."""
    assert model.stores.targets() == []
    assert 'over TLS' in [line.text for line in model.stores.lines('other/0')]
    [node] = model.stores.trace(TRACE)
    assert node.span.name == 'over TLS'


def test_prometheus_is_reloaded_over_tls(stores: Model) -> None:
    before = processes(stores)
    stores.juju.config('prometheus', {'scrape-interval': '3s'})

    def is_reloaded() -> None:
        path = '/api/v1/status/config'
        answer = stores.cluster.http('prometheus', 9090, path, context=trusting(stores))
        assert 'scrape_interval: 3s' in answer.json()['data']['yaml']

    eventually(is_reloaded)
    assert processes(stores) == before


def test_a_certificate_is_renewed_without_a_restart(stores: Model) -> None:
    """The CA issues some for a minute, which are renewed after nine tenths of it."""
    model = stores
    remove_tls(model)
    model.juju.config(CA, {'certificate-validity': 60})
    model.integrate(*deployment.STORE_TLS)
    eventually(lambda: certificates(model))
    push_span(model)
    before, started = certificates(model), processes(model)
    model.juju.config(CA, {'certificate-validity': 86400})

    def is_renewed() -> None:
        for application in LISTENERS:
            # The local Juju looks at its secrets' time before each hook, else twice a minute.
            model.cluster.run_hook(f'{application}/0', 'update-status')
        now = certificates(model)
        for application, shown in now.items():
            assert len(shown) == 1
            assert shown.isdisjoint(before[application])

    eventually(is_renewed, timeout=120, every=3)
    assert processes(model) == started


def processes(model: Model) -> dict[str, str]:
    """The line that Pebble has of each store's process, with the time of its start."""
    command = ('/charm/bin/pebble', 'services', '--abs-time')
    return {
        application: model.juju.ssh(f'{application}/0', *command, container=application)
        for application in LISTENERS
    }


def remove_tls(model: Model) -> None:
    """Remove the relations to the CA, and wait until the stores are asked without TLS again."""
    for one, other in deployment.STORE_TLS:
        model.juju.remove_relation(one, other)

    def is_plain() -> None:
        for application, port, path in (
            ('prometheus', 9090, '/-/ready'),
            ('loki', 3100, '/health'),
            ('tempo', 16686, '/api/services'),
        ):
            assert model.cluster.http(application, port, path).status == 200

    eventually(is_plain)
    model.wait_active()


def test_without_the_ca_nothing_of_it_is_left(stores: Model) -> None:
    remove_tls(stores)
    assert stores.stores.targets() == []
    assert stores.stores.lines('nobody/0') == []
    assert stores.stores.trace(TRACE) == ()
    for application in LISTENERS:
        there = stores.juju.ssh(f'{application}/0', 'ls', '/etc/store-tls', container=application)
        assert there.split() == []
    owners = {secret.owner for secret in stores.juju.secrets()}
    assert owners <= {CA}


# The charms beside the stores

PAIR = (deployment.coordinator(), deployment.worker('worker'))
UNITS = ('coordinator/0', 'worker/0')
TRUST = ('coordinator:receive-ca-cert', f'{CA}:send-ca-cert')
ANOTHER_CA = dataclasses.replace(deployment.CERTIFICATES, name='another-ca')
ANOTHER = ('coordinator:receive-ca-cert', f'{ANOTHER_CA.name}:send-ca-cert')
MESSAGES = {'coordinator': '1 worker (backend 1, frontend 1)', 'worker': 'ready: all'}
CA_FILE = '/etc/ssl/certs/coordinated-telemetry.pem'


@pytest.fixture
def related(stores: Model) -> Model:
    """A coordinator and a worker related to the stores."""
    stores.converge(
        [*PAIR, *deployment.STORES, deployment.CERTIFICATES],
        [
            *deployment.STORE_TLS,
            *deployment.cluster_relations(PAIR[1:]),
            *deployment.TELEMETRY.values(),
        ],
    )
    return stores


@pytest.fixture
def untrusting(related: Model) -> Model:
    """The same, when nobody tells them the CA of the stores."""
    if CA in providers(related):
        related.juju.remove_relation(*TRUST)
    return related


@pytest.fixture
def pair(related: Model) -> Model:
    """The same with the CA of the stores."""
    if CA not in providers(related):
        related.integrate(TRUST)
    for application, message in MESSAGES.items():
        wait_for_message(related, application, message)
    related.wait_active()
    return related


def providers(model: Model) -> set[str]:
    """The applications that tell the coordinator whom to trust."""
    relations = model.juju.status().apps['coordinator'].relations
    return {relation.related_app for relation in relations.get('receive-ca-cert', [])}


def wait_for_message(model: Model, application: str, message: str) -> None:
    """Wait until all units of an application say this and nothing else."""

    def check() -> None:
        units = model.units(application).values()
        assert {unit.workload_status.message for unit in units} == {message}

    eventually(check)


def ca_file(model: Model, unit: str) -> str | None:
    """What Pebble is given to trust in the container of a unit that serves; None if nothing."""
    folder, _, name = CA_FILE.rpartition('/')
    if name not in model.run(unit, 'ls', folder).split():
        return None
    return model.run(unit, 'cat', CA_FILE)


def check_untrusting(model: Model) -> None:
    """Wait until nothing can be sent to the stores any more, and each unit says why."""
    for application, message in MESSAGES.items():
        why = 'logs are not sent to loki/0: no CA certificate for https://'
        model.wait_status(application, f'active: {message}; {why}')
    for unit in UNITS:
        assert model.log_targets(unit) == []
        assert ca_file(model, unit) is None
    environment = model.plan('worker/0')['services']['podinfo']['environment']
    assert not [name for name in environment if name.startswith('OTEL_EXPORTER')]


def check_last_line(model: Model, text: str) -> None:
    """Assert that this is the last line of other/0."""
    assert [line.text for line in model.stores.lines('other/0')][-1:] == [text]


def check_logged(model: Model) -> None:
    """Wait until the coordinator's log has a request that is sent now."""
    trace_id = eventually(lambda: trace_id_of(echo(model, 'coordinator')))

    def check() -> None:
        assert model.stores.lines('coordinator/0', charm_logs=False, containing=trace_id)

    eventually(check)


def test_without_their_ca_nothing_is_sent_to_the_stores(untrusting: Model) -> None:
    check_untrusting(untrusting)
    eventually(lambda: trace_id_of(echo(untrusting, 'coordinator')))
    for unit in UNITS:
        untrusting.cluster.run_hook(unit, 'update-status')
    push_line(untrusting, 'the last one')
    eventually(lambda: check_last_line(untrusting, 'the last one'))
    for unit in UNITS:
        assert untrusting.stores.lines(unit) == []
        assert untrusting.stores.spans(unit) == []


def test_with_their_ca_every_flow_of_charms_and_workloads_arrives(pair: Model) -> None:
    for unit in UNITS:
        [target] = pair.log_targets(unit)
        assert target.startswith('https://loki-0.')
        assert (ca_file(pair, unit) or '').strip() == authority(pair).strip()
    check_logged(pair)
    pair.check_telemetry(*UNITS)

    def from_both_containers() -> None:
        lines = pair.stores.lines('coordinator/0', charm_logs=False)
        services = {line.labels['pebble_service'] for line in lines}
        assert services == {'nginx', 'nginx-prometheus-exporter'}

    eventually(from_both_containers)


def test_without_the_relation_the_trust_ends_and_with_it_again_it_is_back(pair: Model) -> None:
    pair.juju.remove_relation(*TRUST)
    check_untrusting(pair)
    pair.wait_active()
    before = {unit: len(pair.stores.spans(unit, charm=True)) for unit in UNITS}
    for unit in UNITS:
        pair.cluster.run_hook(unit, 'update-status')
    push_span(pair)
    assert {unit: len(pair.stores.spans(unit, charm=True)) for unit in UNITS} == before

    pair.integrate(TRUST)
    for application, message in MESSAGES.items():
        wait_for_message(pair, application, message)
    check_logged(pair)


def test_a_ca_that_comes_late_is_trusted_by_a_new_pod(pair: Model) -> None:
    pair.deploy(ANOTHER_CA)
    pair.integrate(ANOTHER)
    note = 'workload logs may not reach loki/0: restart the pod {} to trust the new CA'
    for unit in UNITS:
        application, pod = unit.partition('/')[0], unit.replace('/', '-')
        wait_for_message(pair, application, f'{MESSAGES[application]}; {note.format(pod)}')
    check_logged(pair)
    for unit in UNITS:
        pair.cluster.delete_pod(unit)
    for application, message in MESSAGES.items():
        wait_for_message(pair, application, message)
    pair.wait_active()
    for unit in UNITS:
        assert (ca_file(pair, unit) or '').count('BEGIN CERTIFICATE') == 2
    check_logged(pair)
