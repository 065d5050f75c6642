"""The stores' own TLS: what their listeners show, and whom charms, workloads and Pebble trust.

In an order in which each test finds the state that it needs or the next one.
"""

import contextlib
import dataclasses
import json
import secrets
import ssl
import time
from collections.abc import Iterator

import pytest

import deployment
import listeners
import tls_baseline
from deployment import STORE_TLS
from model import Model, eventually
from switching import RENEWAL
from tls_baseline import MESSAGES, UNITS, turn_off
from traffic import ask

CA = deployment.CERTIFICATES.name
LISTENERS = listeners.STORE_PORTS
EACH = [(application, port) for application, ports in LISTENERS.items() for port in ports]


@pytest.fixture
def stores(tls_model: Model) -> Model:
    """The deployment with TLS at all three stores, and perhaps elsewhere."""
    there = tls_baseline.related(tls_model)
    tls_baseline.relate(tls_model, *there, *(each for each in STORE_TLS if each not in there))
    eventually(lambda: certificates(tls_model))
    return tls_model


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


def push_span(model: Model) -> str:
    """Send the only span of a trace; return the trace's id."""
    now, trace_id = time.time_ns(), secrets.token_hex(16)
    span = {
        'traceId': trace_id,
        'spanId': 'b7ad6b7169203331',
        'name': 'over TLS',
        'kind': 2,
        'startTimeUnixNano': str(now),
        'endTimeUnixNano': str(now + 1000),
    }
    service = {'key': 'service.name', 'value': {'stringValue': 'other'}}
    spans = {'resource': {'attributes': [service]}, 'scopeSpans': [{'spans': [span]}]}
    push(model, '/v1/traces', {'resourceSpans': [spans]}, target='tempo', port=4318)
    return trace_id


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
    trace_id = push_span(stores)

    eventually(lambda: check_arrived(stores, trace_id))


def check_arrived(model: Model, trace_id: str) -> None:
    """Assert that all three stores answer, and that two have what they were sent."""
    assert model.scraped_units() == {*UNITS}
    assert 'over TLS' in [line.text for line in model.stores.lines('other/0')]
    check_has_span(model, trace_id)


def check_has_span(model: Model, trace_id: str) -> None:
    [node] = model.stores.trace(trace_id)
    assert node.span.name == 'over TLS'


def test_prometheus_is_reloaded_over_tls(stores: Model) -> None:
    before = processes(stores)

    def is_reloaded(interval: str) -> None:
        path = '/api/v1/status/config'
        answer = stores.cluster.http('prometheus', 9090, path, context=trusting(stores))
        assert f'scrape_interval: {interval}' in answer.json()['data']['yaml']

    stores.juju.config('prometheus', {'scrape-interval': '3s'})
    eventually(lambda: is_reloaded('3s'))
    stores.juju.config('prometheus', reset='scrape-interval')
    eventually(lambda: is_reloaded('2s'))
    assert processes(stores) == before


def test_a_certificate_is_renewed_without_a_restart(stores: Model) -> None:
    trace_id = push_span(stores)
    eventually(lambda: check_has_span(stores, trace_id))
    before, started = certificates(stores), processes(stores)
    for application in LISTENERS:
        stores.cluster.run_hook(f'{application}/0', 'update-status', later=RENEWAL)

    def is_renewed() -> None:
        for application, shown in certificates(stores).items():
            assert len(shown) == 1
            assert shown.isdisjoint(before[application])

    eventually(is_renewed)
    assert processes(stores) == started
    check_has_span(stores, trace_id)


def processes(model: Model) -> dict[str, str]:
    """The line that Pebble has of each store's process, with the time of its start."""
    command = ('/charm/bin/pebble', 'services', '--abs-time')
    return {
        application: model.juju.ssh(f'{application}/0', *command, container=application)
        for application in LISTENERS
    }


# The charms beside the stores

ANOTHER_CA = dataclasses.replace(deployment.CERTIFICATES, name='another-ca')
ANOTHER = ('coordinator:receive-ca-cert', f'{ANOTHER_CA.name}:send-ca-cert')
CA_FILE = '/etc/ssl/certs/coordinated-telemetry.pem'


@pytest.fixture
def untrusting(stores: Model) -> Model:
    """The deployment with TLS at the stores alone, when nobody tells the others their CA."""
    tls_baseline.relate(stores, *STORE_TLS)
    return stores


@pytest.fixture
def trusting_units(stores: Model) -> Model:
    """The deployment with TLS at the stores alone, and their CA known to all."""
    tls_baseline.relate(stores, *STORE_TLS, deployment.STORES_CA)
    check_messages(stores)
    return stores


@pytest.fixture
def another_ca(trusting_units: Model) -> Iterator[Model]:
    """The same, and another CA beside it, which nobody knows yet."""
    trusting_units.deploy(ANOTHER_CA)
    yield trusting_units
    trusting_units.juju.remove_application(ANOTHER_CA.name)


def check_messages(model: Model, note: str = '') -> None:
    """Wait until all units say what they serve and nothing else.

    Args:
        model: the model.
        note: what they say beside it; `{}` stands for the unit's pod.
    """

    def check() -> None:
        units = model.units(*MESSAGES).items()
        assert {name: unit.workload_status.message for name, unit in units} == {
            unit: MESSAGES[unit.partition('/')[0]] + note.format(unit.replace('/', '-'))
            for unit in UNITS
        }

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

    def check() -> None:  # an application's status is its leader's, and workers restart in turn
        for unit in UNITS:
            assert model.log_targets(unit) == []
            assert ca_file(model, unit) is None
        for unit in UNITS[1:]:
            environment = model.plan(unit)['services'][deployment.WORKER['name']]['environment']
            assert not [name for name in environment if name.startswith('OTEL_EXPORTER')]

    eventually(check)


def check_last_line(model: Model, text: str) -> None:
    """Assert that this is the last line of other/0."""
    assert [line.text for line in model.stores.lines('other/0')][-1:] == [text]


def check_logged(model: Model) -> None:
    """Wait until the coordinator's log has a request that is sent now."""
    trace_id = eventually(lambda: ask(model, 'coordinator'))

    def check() -> None:
        assert model.stores.lines('coordinator/0', charm_logs=False, containing=trace_id)

    eventually(check)


def check_nothing_is_sent(model: Model) -> None:
    """Let everything happen that could be told to the stores, and assert that nothing of it is."""
    model.wait_active()
    since = time.time_ns()
    eventually(lambda: ask(model, 'coordinator'))
    for unit in UNITS:
        model.cluster.run_hook(unit, 'update-status')
    text = f'the last one: {secrets.token_hex(8)}'
    push_line(model, text)
    trace_id = push_span(model)
    eventually(lambda: check_last_line(model, text))
    eventually(lambda: check_has_span(model, trace_id))
    for unit in UNITS:
        assert [line for line in model.stores.lines(unit) if line.time >= since] == []
        assert [span for span in model.stores.spans(unit) if span.start >= since] == []


def test_without_their_ca_nothing_is_sent_to_the_stores(untrusting: Model) -> None:
    check_untrusting(untrusting)
    check_nothing_is_sent(untrusting)


def test_with_their_ca_every_flow_of_charms_and_workloads_arrives(trusting_units: Model) -> None:
    model = trusting_units
    for unit in UNITS:
        [target] = model.log_targets(unit)
        assert target.startswith('https://loki-0.')
        assert (ca_file(model, unit) or '').strip() == authority(model).strip()
    check_logged(model)
    for _ in range(8):  # enough for each worker to get one
        ask(model, 'coordinator')
    model.check_telemetry(*UNITS)

    def from_both_containers() -> None:
        lines = model.stores.lines('coordinator/0', charm_logs=False)
        services = {line.labels['pebble_service'] for line in lines}
        assert services == {'nginx', 'nginx-prometheus-exporter'}

    eventually(from_both_containers)


def test_without_the_relation_the_trust_ends_and_with_it_again_it_is_back(
    trusting_units: Model,
) -> None:
    trusting_units.juju.remove_relation(*deployment.STORES_CA)
    check_untrusting(trusting_units)
    check_nothing_is_sent(trusting_units)

    trusting_units.integrate(deployment.STORES_CA)
    check_messages(trusting_units)
    check_logged(trusting_units)


def test_a_ca_that_comes_late_is_trusted_by_a_new_pod(another_ca: Model) -> None:
    model = another_ca
    model.integrate(ANOTHER)
    why = 'workload logs may not reach loki/0: restart the pod {} to trust the new CA'
    check_messages(model, f'; {why}')
    check_logged(model)
    for unit in UNITS:
        model.cluster.delete_pod(unit)
    check_messages(model)
    model.wait_active()
    for unit in UNITS:
        assert (ca_file(model, unit) or '').count('BEGIN CERTIFICATE') == 2
    check_logged(model)


def test_without_tls_nothing_of_it_is_left_at_the_stores(stores: Model) -> None:
    turn_off(stores)
    for application, port, path in (
        ('prometheus', 9090, '/-/ready'),
        ('loki', 3100, '/health'),
        ('tempo', 16686, '/api/services'),
    ):
        assert stores.cluster.http(application, port, path).status == 200
    assert stores.scraped_units() == {*UNITS}
    assert stores.stores.lines('nobody/0') == []
    assert stores.stores.trace(secrets.token_hex(16)) == ()
    for application in LISTENERS:
        there = stores.juju.ssh(f'{application}/0', 'ls', '/etc/store-tls', container=application)
        assert there.split() == []
    owners = {secret.owner.partition('/')[0] for secret in stores.juju.secrets()}
    assert owners.isdisjoint(LISTENERS)
