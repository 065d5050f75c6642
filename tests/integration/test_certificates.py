"""TLS with certificates of a CA: what clients, workers and an operator see of it."""

import json
import re
import ssl
import threading
from collections.abc import Iterator

import pytest

import deployment
import switching
from cluster import Response
from deployment import NGINX_PORT
from model import Model, eventually
from podinfo import echo
from traffic import ask

COORDINATORS = ('coordinator/0', 'coordinator/1')
WORKERS = tuple(deployment.worker(role, role=role) for role in deployment.ROLES)
UNITS = (*COORDINATORS, *(unit for worker in WORKERS for unit in worker.unit_names))
CA = deployment.CERTIFICATES.name
RELATION = ('coordinator:certificates', f'{CA}:certificates')


@pytest.fixture(scope='module')
def coordinated(model: Model) -> Model:
    """Two coordinators, a worker for each role, and a CA beside them."""
    model.deploy(deployment.coordinator(units=2), *WORKERS, deployment.CERTIFICATES)
    model.integrate(*deployment.cluster_relations(WORKERS))
    model.wait_active()
    eventually(lambda: ask(model, 'coordinator'))
    return model


@pytest.fixture
def served(coordinated: Model) -> Model:
    """The same with TLS at both coordinators, and workers that know."""
    if CA not in [
        relation.related_app
        for relation in coordinated.juju.status()
        .apps['coordinator']
        .relations.get('certificates', [])
    ]:
        coordinated.integrate(RELATION)
    wait_for_tls(coordinated)
    return coordinated


def wait_for_tls(model: Model) -> None:
    """Wait until requests go all the way over TLS."""
    model.wait_active()
    for unit in COORDINATORS:
        eventually(lambda unit=unit: answered(model, unit))
    eventually(lambda: ask(model, 'coordinator', context=trusting(model)))


def ca(model: Model) -> str:
    """The CA that workers are told to trust, in PEM."""
    [data] = model.application_data('frontend/0', 'cluster')
    assert 'ca_cert' in data, 'the coordinator publishes no CA'
    return json.loads(data['ca_cert'])


def trusting(model: Model) -> ssl.SSLContext:
    """A client that trusts that CA and nobody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca(model))
    return context


def answered(model: Model, target: str) -> Response:
    """What is answered over TLS, with a certificate that is checked against CA and name."""
    response = model.cluster.http(target, NGINX_PORT, context=trusting(model))
    assert response.status == 200
    return response


def certificate_files(model: Model, unit: str) -> dict[str, str]:
    """The files with certificates and key in a coordinator: name → mode and owner."""
    listed = [line.split() for line in model.run(unit, 'ls', '-ln', '/etc/nginx').splitlines()]
    return {
        words[-1]: f'{words[0]} {words[2]}' for words in listed if words[-1].startswith('tls-')
    }


def test_every_coordinator_serves_tls_by_its_own_name_and_by_the_services(served: Model) -> None:
    for target in (*COORDINATORS, 'coordinator'):
        answered(served, target)


def test_each_has_a_certificate_and_key_of_its_own_that_others_cannot_read(served: Model) -> None:
    files = [certificate_files(served, unit) for unit in COORDINATORS]
    assert [list(found.values()) for found in files] == [['-rw------- 0'], ['-rw------- 0']]
    assert files[0].keys().isdisjoint(files[1])


@pytest.mark.parametrize('unit', COORDINATORS)
@pytest.mark.filterwarnings('ignore:ssl.TLSVersion.TLSv1_1 is deprecated')
def test_tls_1_1_is_refused(served: Model, unit: str) -> None:
    context = trusting(served)
    context.set_ciphers('ALL:@SECLEVEL=0')  # or this side would not even ask
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match='PROTOCOL_VERSION'):
        served.cluster.http(unit, NGINX_PORT, context=context)


@pytest.mark.parametrize('unit', COORDINATORS)
def test_plain_http_is_sent_to_https(served: Model, unit: str) -> None:
    def is_sent() -> None:
        switching.update_status(served)  # until everybody has followed, it is served
        response = served.cluster.http(unit, NGINX_PORT, '/a?b=c', headers={'Host': 'x.example'})
        assert response.status == 308
        assert response.headers['location'] == 'https://x.example:8080/a?b=c'

    eventually(is_sent)


@pytest.mark.workload
def test_a_request_goes_over_tls_both_times_that_it_passes_a_coordinator(served: Model) -> None:
    response = echo(served, 'coordinator/0', context=trusting(served))
    [answer] = response.json()
    assert json.loads(answer)['X-Forwarded-Proto'] == ['https']
    command = served.plan('frontend/0')['services'][deployment.WORKER['name']]['command']
    assert re.search(r'--backend-url=https://coordinator\.[\w.-]+:8080/backend/headers', command)


class Watch(threading.Thread):
    """Asks a unit over TLS again and again, and keeps the certificates that it saw."""

    def __init__(self, model: Model, unit: str) -> None:
        super().__init__()
        self._model = model
        self._unit = unit
        self._context = trusting(model)
        self._over = threading.Event()
        self.certificates: set[str] = set()
        self.requests = 0
        self.failures: list[str] = []

    def run(self) -> None:
        """Ask until it is over."""
        while not self._over.wait(0.05):
            self.requests += 1
            try:
                assert (
                    self._model.cluster.http(self._unit, NGINX_PORT, context=self._context).status
                    == 200
                )
                self.certificates.add(min(certificate_files(self._model, self._unit)))
            except (AssertionError, OSError) as error:
                self.failures.append(repr(error))

    def wait_for_requests(self, number: int) -> None:
        """Go on until so many were sent in all, however slow the machine is."""

        def check() -> None:
            assert self.requests > number

        eventually(check)

    def __enter__(self) -> 'Watch':
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


@pytest.fixture
def scaled_back(served: Model) -> Iterator[Model]:
    """Afterwards one frontend again."""
    yield served
    served.scale('frontend', 1)
    served.wait_active()


def test_a_worker_more_changes_nothing_about_tls(scaled_back: Model) -> None:
    model = scaled_back
    before = certificate_files(model, 'coordinator/0')
    with Watch(model, 'coordinator/0') as watch:
        scale_to_two(model)
        watch.wait_for_requests(20)
    assert watch.failures == []
    assert watch.certificates == set(before)
    assert certificate_files(model, 'coordinator/0') == before


def scale_to_two(model: Model) -> None:
    """Have two frontends, and wait until every coordinator sends requests to both."""
    workers = {'frontend/1', *(f'{role}/0' for role in deployment.ROLES)}
    model.scale('frontend', 2)
    model.wait_active()

    def check() -> None:
        for unit in COORDINATORS:
            assert model.upstream_hosts(unit) == workers

    eventually(check)


def test_a_new_pod_serves_the_same_certificate(served: Model) -> None:
    before = certificate_files(served, 'coordinator/1')
    served.cluster.delete_pod('coordinator/1')
    served.wait_active()
    eventually(lambda: answered(served, 'coordinator/1'))
    assert certificate_files(served, 'coordinator/1') == before


def test_a_hook_with_nothing_to_do_changes_nothing(served: Model) -> None:
    for unit in COORDINATORS:
        served.cluster.run_hook(unit, 'update-status')
        tools = served.cluster.run_hook(unit, 'update-status')
        assert tools.pop('juju-log', 0) <= 3
        assert sum(tools.values()) <= 40, tools
        assert not {'relation-set', 'secret-add', 'secret-set', 'secret-remove'} & tools.keys()


def test_a_certificate_is_renewed_while_the_old_one_serves(scaled_back: Model) -> None:
    model = scaled_back
    scale_to_two(model)  # a worker restarts with its new certificate; one alone would be missed
    units = (*UNITS, 'frontend/1')
    before, shown = certificate_files(model, 'coordinator/0'), serial_numbers(model, units)
    with Watch(model, 'coordinator/0') as watch:
        for unit in units:
            model.cluster.run_hook(unit, 'update-status', later=switching.RENEWAL)

        def is_renewed() -> None:
            assert certificate_files(model, 'coordinator/0').keys().isdisjoint(before)
            assert serial_numbers(model, units).items().isdisjoint(shown.items())

        eventually(is_renewed)
        model.wait_active()
    assert watch.failures == []
    assert [*certificate_files(model, 'coordinator/0').values()] == ['-rw------- 0']


def serial_numbers(model: Model, units: tuple[str, ...]) -> dict[str, str]:
    """The certificate that each listener of the units shows."""
    return switching.serial_numbers(model, switching.of_units(units), trusting(model))


def test_without_the_ca_it_is_plain_http_again(served: Model) -> None:
    served.juju.remove_relation(*RELATION)

    def is_plain() -> None:
        for unit in COORDINATORS:
            assert served.cluster.http(unit, NGINX_PORT).status == 200
            assert certificate_files(served, unit) == {}
        [data] = served.application_data('frontend/0', 'cluster')
        assert 'ca_cert' not in data
        ask(served, 'coordinator')

    eventually(is_plain)
    served.wait_active()
    secrets = [one.owner for one in served.juju.secrets() if one.owner.startswith('coordinator')]
    assert secrets == []
