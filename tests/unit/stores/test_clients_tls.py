"""How the clients find out that a store has TLS, and whom to trust then."""

import http.server
import json
import ssl
import threading
from dataclasses import dataclass, field

import pytest
from charmlibs.interfaces import tls_certificates as tls

from authority import authority
from clients import LocalStores, StoreError
from clients.http import urllib_get_as

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


# COS Lite, asked over HTTP by this process


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with who asks."""

    def do_GET(self):
        body = (self.headers['Authorization'] or 'nobody').encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


@pytest.fixture(scope='module')
def server(tmp_path_factory):
    """The address of a server with a certificate of the CA, for localhost."""
    key = tls.PrivateKey.generate()
    wanted = tls.CertificateRequestAttributes(common_name='x', sans_dns=frozenset({'localhost'}))
    pem = tmp_path_factory.mktemp('server') / 'own.pem'
    pem.write_text(f'{authority("ca").issue(str(wanted.generate_csr(key)))}\n{key}\n')
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Echo) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'https://localhost:{server.server_port}/'
        server.shutdown()


def trusting(ca):
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=ca)
    return context


def test_a_server_is_asked_by_a_user_and_verified_by_the_ca_given(server):
    nobody = urllib_get_as(context=trusting(CA))
    assert nobody(server, 5) == (200, b'nobody')
    admin = urllib_get_as('admin', 'secret', context=trusting(CA))
    assert admin(server, 5) == (200, b'Basic YWRtaW46c2VjcmV0')


def test_a_server_of_another_ca_is_not_asked(server):
    with pytest.raises(OSError, match='certificate verify failed'):
        urllib_get_as(context=trusting(OTHER))(server, 5)
