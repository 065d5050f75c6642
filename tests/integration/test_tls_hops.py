"""TLS on every hop: what each listener says, and what crosses the network.

The deployment starts without TLS, gets it, and loses it again, with requests running. So what is
looked for with TLS was seen without: a search that found nothing would fail there.
"""

import secrets
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import jubilant
import pytest

import deployment
import listeners
import switching
import tls_baseline
from capture import Capture, Stream, capturing, in_network
from deployment import NGINX_PORT
from model import Model, eventually
from tls_baseline import turn_off, turn_on
from traffic import ask

OURS = tls_baseline.UNITS
LISTENERS = tls_baseline.LISTENERS
IMPOSTOR = Path(__file__).with_name('impostor.py')


@pytest.fixture
def without_tls(tls_model: Model) -> Model:
    """The deployment without TLS."""
    turn_off(tls_model)
    return tls_model


@pytest.fixture
def tls(tls_model: Model) -> Model:
    """The deployment with TLS, and nothing served without it."""
    turn_on(tls_model)
    return tls_model


class Gets(threading.Thread):
    """Sends one GET after the other, as a client does that follows a 308 and knows the CA."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self._model = model
        self._over = threading.Event()
        self._context: ssl.SSLContext | None = None
        self.requests = 0
        self.schemes: list[str] = []
        self.failures: list[str] = []

    def run(self) -> None:
        """Ask until it is over."""
        while not self._over.wait(0.02):
            self.requests += 1
            try:
                scheme = self._get()
            except (AssertionError, OSError) as error:
                self.failures.append(f'{time.time():.2f}: {error!r}')
            else:
                self.schemes = [*dict.fromkeys([*self.schemes[-2:], scheme])]

    def _get(self) -> str:
        """Ask once; return the scheme that was answered by a worker."""
        scheme = 'http'
        response = self._model.cluster.http('coordinator', NGINX_PORT)
        if response.status == 308:
            scheme = 'https'
            self._context = self._context or switching.trusting(self._model)
            response = self._model.cluster.http('coordinator', NGINX_PORT, context=self._context)
        assert response.status == 200, response
        assert response.body, response
        return scheme

    def __enter__(self) -> 'Gets':
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


class Hop:
    """A hop between pods, and what of a known exchange is in it as plain text.

    Args:
        what: its name.
        sources: the units that send; none for clients outside of the pods.
        targets: the units that are sent to.
        plain_port: where they serve without TLS.
        port: where they serve with it.
        needle: the plain text; `{id}` stands for the id of the trace that is sent.
    """

    def __init__(
        self,
        what: str,
        sources: tuple[str, ...],
        targets: tuple[str, ...],
        plain_port: int,
        port: int,
        needle: str | None,
    ) -> None:
        self.what, self.sources, self.targets = what, sources, targets
        self.plain_port, self.port, self._needle = plain_port, port, needle

    def needle(self, trace_id: str) -> bytes:
        """What is looked for."""
        # OTLP over gRPC has a trace's id as it is, everything else in hexadecimal.
        return (
            bytes.fromhex(trace_id)
            if self._needle is None
            else (self._needle.format(id=trace_id).encode())
        )

    def streams(self, model: Model, capture: Capture, port: int) -> list[Stream]:
        """What was captured of it."""
        addresses = {name: unit.address for name, unit in units(model).items()}
        sources = {addresses[unit] for unit in self.sources} or {
            stream.source[0] for stream in capture.streams
        } - set(addresses.values())
        return capture.between(sources, {addresses[unit] for unit in self.targets}, port)


def units(model: Model) -> dict[str, jubilant.statustypes.UnitStatus]:
    """All units of the model."""
    return model.units('coordinator', *deployment.ROLES, *listeners.STORE_PORTS)


BACKEND = next((at for at, role in deployment.LOCATIONS.items() if role == 'backend'), '')
"""Where nginx passes requests on to a backend; '' for a workload without HTTP."""
_PLAIN, _TLS = deployment.WORKLOAD_PORT, deployment.WORKLOAD_TLS_PORT
HOPS = (
    Hop('client to nginx', (), OURS[:1], NGINX_PORT, NGINX_PORT, '00-{id}-'),
    Hop('nginx to workers', OURS[:1], OURS[1:], _PLAIN, _TLS, '00-{id}-'),
    Hop('workers to nginx', OURS[1:], OURS[:1], NGINX_PORT, NGINX_PORT, '00-{id}-'),
    Hop('scraper to workers', ('prometheus/0',), OURS[1:], _PLAIN, _TLS, 'GET /metrics'),
    Hop(
        'scraper to exporter',
        ('prometheus/0',),
        OURS[:1],
        deployment.EXPORTER_PORT,
        deployment.EXPORTER_TLS_PORT,
        'GET /metrics',
    ),
    Hop('access log to Loki', OURS[:1], ('loki/0',), 3100, 3100, '{id}'),
    Hop('logs to Loki', OURS, ('loki/0',), 3100, 3100, '/loki/api/v1/push'),
    Hop('charms to Tempo', OURS, ('tempo/0',), 4318, 4318, '/v1/traces'),
    Hop('workloads to Tempo', OURS[1:], ('tempo/0',), 4317, 4317, None),
)


def exchange(model: Model, folder: Path, *, context: ssl.SSLContext | None) -> tuple[str, Capture]:
    """Send one request through all hops, and capture it on each; return the id of its trace.

    It is over when all that follows from it has arrived in the stores.
    """
    trace_id = secrets.token_hex(16)
    scrapes = {unit: model.stores.samples(unit) for unit in OURS}  # asked before: knows the CA now
    model.stores.lines('coordinator/0', limit=1)
    model.stores.trace(trace_id)
    started = time.time_ns()

    def has_arrived() -> None:
        for unit in OURS:
            assert model.stores.samples(unit) != scrapes[unit], f'{unit} was not scraped'
            spans = model.stores.spans(unit, charm=True)
            assert spans, f'{unit} has no spans'
            assert spans[-1].start > started, f'{unit} has no new spans'
        assert model.stores.lines('coordinator/0', charm_logs=False, containing=trace_id)
        assert model.stores.trace(trace_id)

    with capturing(switching.name_of(model), folder) as capture:
        ask(model, 'coordinator/0', trace_id=trace_id, context=context)
        switching.update_status(model)
        eventually(has_arrived, every=1)
    return trace_id, capture


def test_without_tls_the_sniffer_sees_the_plain_text_of_each_hop(
    without_tls: Model, tmp_path: Path
) -> None:
    trace_id, capture = exchange(without_tls, tmp_path, context=None)
    for hop in HOPS:
        streams = hop.streams(without_tls, capture, hop.plain_port)
        assert any(hop.needle(trace_id) in stream.data for stream in streams), hop.what


def test_turning_tls_on_costs_no_get(without_tls: Model) -> None:
    with Gets(without_tls) as gets:
        turn_on(without_tls)
    assert gets.failures == []
    assert gets.schemes == ['http', 'https']


@pytest.mark.parametrize('listener', LISTENERS, ids=str)
def test_a_listener_speaks_tls_alone_by_its_own_name(
    tls: Model, listener: listeners.Listener
) -> None:
    switching.check_tls_alone(tls, listener)


@pytest.mark.parametrize('listener', LISTENERS, ids=str)
@pytest.mark.filterwarnings('ignore:ssl.TLSVersion.TLSv1_1 is deprecated')
def test_tls_1_1_is_refused(tls: Model, listener: listeners.Listener) -> None:
    context = switching.trusting(tls)
    context.set_ciphers('ALL:@SECLEVEL=0')  # or this side would not even ask
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    name = listeners.host(listener.target, switching.name_of(tls))
    with (
        pytest.raises(ssl.SSLError, match='PROTOCOL_VERSION'),
        listeners.connected(tls.cluster.connect, listener.target, listener.port, name, context),
    ):
        pass


def test_with_tls_nothing_that_leaves_a_pod_is_plain_text(tls: Model, tmp_path: Path) -> None:
    trace_id, capture = exchange(tls, tmp_path, context=switching.trusting(tls))
    for hop in HOPS:
        streams = hop.streams(tls, capture, hop.port)
        assert any(stream.data for stream in streams), f'nothing was captured of {hop.what}'
    found = [
        f'{stream.source} to {stream.target}: {hop.what}'
        for stream in capture.streams
        for hop in HOPS
        if hop.needle(trace_id) in stream.data
    ]
    assert found == []


def of_another_ca(model: Model, folder: Path) -> str:
    """A key and a certificate for the backend's own name, which its CA did not issue; in PEM."""
    name = listeners.host('backend/0', switching.name_of(model))
    key, certificate = folder / 'key', folder / 'certificate'
    command = ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1']
    names = ['-subj', '/CN=other', '-addext', f'subjectAltName=DNS:{name}']
    files = ['-keyout', str(key), '-out', str(certificate)]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    return key.read_text() + certificate.read_text()


def of_another_unit(model: Model, _: Path) -> str:
    """A key and a certificate of the same CA, for the name of another unit; in PEM."""
    return model.juju.ssh('loki/0', 'cat', '/etc/store-tls/own.pem', container='loki')


@pytest.mark.parametrize('make_pem', [of_another_ca, of_another_unit])
def test_nginx_sends_nothing_to_an_upstream_with_a_certificate(
    tls: Model, make_pem: Callable[[Model, Path], str], tmp_path: Path
) -> None:
    if not (BACKEND and _TLS):
        pytest.skip('nginx sends this workload no HTTP over TLS')
    pem, said = tmp_path / 'pem', tmp_path / 'said'
    pem.write_text(make_pem(tls, tmp_path))
    addresses = [unit.address for unit in tls.units('backend').values()]
    command = [sys.executable, str(IMPOSTOR), str(pem), str(_TLS), *addresses]
    context = switching.trusting(tls)
    with in_network(switching.name_of(tls), command, said):
        eventually(lambda: check_says(said, 'listening'))
        tls.run('coordinator/0', 'nginx', '-s', 'reload')  # or it goes on with open connections

        def is_refused() -> None:
            response = tls.cluster.http('coordinator', NGINX_PORT, BACKEND, context=context)
            check_says(said, 'refused')
            assert response.status in {502, 504}, response

        eventually(is_refused)
    assert 'served' not in said.read_text()
    eventually(lambda: ask(tls, 'coordinator', context=context))


def check_says(said: Path, what: str) -> None:
    assert what in said.read_text(), said.read_text()


def test_a_worker_that_joins_costs_no_get_and_is_asked_over_tls_alone(tls: Model) -> None:
    [new] = listeners.of_worker('frontend/2')
    try:
        with Gets(tls) as gets:
            tls.scale('frontend', 3)
            tls.wait_active()
            eventually(lambda: switching.check_tls_alone(tls, *LISTENERS, new))

            def is_served() -> None:
                assert 'frontend/2' in tls.upstream_hosts('coordinator/0')

            eventually(is_served)
        assert gets.failures == []
        assert gets.schemes == ['https']
    finally:
        tls.scale('frontend', 2)
        tls.wait_active()


def test_turning_tls_off_costs_no_get(tls: Model) -> None:
    with Gets(tls) as gets:
        turn_off(tls)
    assert gets.failures == []
    assert gets.schemes[-1] == 'http'
