"""How the clients find out that a store has TLS, and whom to trust then."""

import json
import ssl
from dataclasses import dataclass, field

import pytest

from authority import authority
from clients import LocalStores, StoreError

EMPTY = json.dumps({'data': {'activeTargets': []}}).encode()


@dataclass
class Response:
    status: int
    body: bytes


@dataclass
class Model:
    """A model with a store in each application, all by the same CA; the network is real enough."""

    ca: str = ''  # what the stores serve by; empty without TLS
    known: str | None = None  # what Juju shows, where that is another
    units: tuple[str, ...] = ('prometheus/3', 'prometheus/4')
    status: int = 200
    name: str = 'm'
    asked: list[str] = field(default_factory=list)

    def request(self, command, /, **arguments):
        self.asked.append(' '.join([command, *arguments.values()]))
        if command == 'status':
            return {'applications': {'prometheus': {'units': dict.fromkeys(self.units)}}}
        assert command == 'show-unit'
        ca = self.ca if self.known is None else self.known
        issued = json.dumps([{'ca': ca, 'certificate': 'x'}, {'ca': ca, 'certificate': 'y'}])
        relations = [{'endpoint': 'metrics-endpoint', 'application-data': {}}]
        if ca:
            data = {'certificates': issued}
            relations.append({'endpoint': 'certificates', 'application-data': data})
        return {arguments['unit']: {'relation-info': relations}}

    def http(self, url, *, timeout=10.0, context=None):
        scheme = url.partition(':')[0]
        self.asked.append(scheme)
        assert (scheme == 'https') == (context is not None)
        if not self.units:
            raise ConnectionRefusedError('refused')
        if context is None:
            return Response(400 if self.ca else self.status, EMPTY)
        if not self.ca:
            raise ssl.SSLError('wrong version number')
        if context.get_ca_certs(binary_form=True) != [ssl.PEM_cert_to_DER_cert(self.ca)]:
            raise ssl.SSLCertVerificationError('unknown authority')
        assert context.check_hostname
        return Response(self.status, EMPTY)


CA, OTHER = (authority(name).certificate for name in ('ca', 'other'))
LOOK = ['status', 'show-unit prometheus/3']


def test_a_store_without_tls_is_asked_nothing_else():
    model = Model()
    assert LocalStores(model).targets() == []
    assert model.asked == ['http']


def test_a_store_with_tls_is_found_out_once():
    model = Model(ca=CA)
    stores = LocalStores(model)
    assert stores.targets() == stores.targets() == []
    assert model.asked == ['http', *LOOK, 'https', 'https']


@pytest.mark.parametrize(('now', 'scheme'), [('', 'http'), (OTHER, 'https')])
def test_a_store_whose_tls_changes_is_found_out_again(now, scheme):
    model = Model(ca=CA)
    stores = LocalStores(model)
    stores.targets()
    model.asked.clear()
    model.ca = now
    assert stores.targets() == []
    assert model.asked == ['https', *LOOK, scheme]


def test_a_store_that_is_not_there_is_asked_once():
    model = Model(units=())
    with pytest.raises(StoreError, match='cannot ask prometheus: refused'):
        LocalStores(model).targets()
    assert model.asked == ['http', 'status']


@pytest.mark.parametrize('ca', ['', CA])
def test_what_a_store_refuses_is_not_asked_again(ca):
    model = Model(ca=ca, status=400)
    stores = LocalStores(model)
    with pytest.raises(StoreError, match='HTTP 400'):
        stores.targets()
    model.asked.clear()
    with pytest.raises(StoreError, match='HTTP 400'):
        stores.targets()
    assert model.asked == (['https'] if ca else ['http', *LOOK])


def test_a_store_that_does_not_serve_by_the_ca_that_juju_shows_is_not_trusted():
    model = Model(ca=CA, known=OTHER)
    with pytest.raises(StoreError, match='unknown authority'):
        LocalStores(model).targets()


def test_the_unit_that_is_asked_is_the_one_that_is_looked_at():
    model = Model(ca=CA)
    LocalStores(model, prometheus='prometheus/4').targets()
    assert model.asked == ['http', 'status', 'show-unit prometheus/4', 'https']
