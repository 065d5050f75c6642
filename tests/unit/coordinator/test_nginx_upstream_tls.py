"""How nginx calls the workers with https: what the real one refuses, and what it keeps."""

import contextlib
import dataclasses
import datetime
import functools
import json
import os
import signal
import socket
import ssl
import struct
import threading

import pytest
from charmlibs.interfaces import tls_certificates

import authority
from coordinated_telemetry import pem
from coordinator import requesting, scene
from coordinator.live import MEBIBYTE, SECONDS, Worker, ask, read_head, started, wait_until
from coordinator.source import nginx_config, nginx_pod, nginx_upstream_tls

A, B, C = 'a.example', 'b.example', 'c.example'
ADDRESSES = {A: '127.0.0.2', B: '127.0.0.3', C: '127.0.0.4'}
KEYS = {host: tls_certificates.PrivateKey.generate() for host in ADDRESSES}


class Names(threading.Thread):
    """A DNS server that knows `ADDRESSES`."""

    def __init__(self):
        super().__init__(daemon=True)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(('127.0.0.1', 0))
        self.port = self._socket.getsockname()[1]

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                asked, client = self._socket.recvfrom(4096)
                name, rest = [], asked[12:]
                while size := rest[0]:
                    name.append(rest[1 : size + 1].decode())
                    rest = rest[size + 1 :]
                wants_a = rest[1:3] == b'\0\1'
                answer = b''
                if wants_a:
                    ip = socket.inet_aton(ADDRESSES['.'.join(name)])
                    answer = b'\xc0\x0c' + struct.pack('>HHIH', 1, 1, 1, 4) + ip
                head = asked[:2] + struct.pack('>HHHHH', 0x8180, 1, len(answer) and 1, 0, 0)
                self._socket.sendto(head + asked[12 : -len(rest)] + rest[:5] + answer, client)

    def close(self):
        self._socket.close()


def context(folder, host, *, ca: str | authority.Authority = 'ca', issuers='', **options):
    """How a worker serves TLS with a certificate for a host."""
    path = folder / 'worker.pem'
    key = KEYS[host]
    by = authority.authority(ca) if isinstance(ca, str) else ca
    issued = by.issue(authority.request(host, key=key), **options)
    path.write_text(f'{issued}{issuers}{key}\n')
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(path)
    return made


class Proxy:
    """nginx in front of workers, each at the address of its host."""

    def __init__(self, folder, stack, contexts, *, closes=False, trusted=None):
        self._folder = folder
        self.trusted = trusted  # a file of CAs in the place of the usual one
        self._names = stack.enter_context(contextlib.closing(Names()))
        self._names.start()
        self.workers = {}
        self.port = 0
        for host, made in contexts.items():
            worker = Worker(address=(ADDRESSES[host], self.port), context=made, closes=closes)
            self.port = worker.port
            worker.start()
            self.workers[host] = stack.enter_context(contextlib.closing(worker))
        self.nginx = stack.enter_context(started(folder, self.text()))

    def text(self, *, ca='ca', known=None):
        """The configuration that trusts a CA, as the file of the charm says it."""
        path = self._folder / f'{ca}.pem'
        path.write_text(pem.anchors(authority.authority(ca).certificate))
        hosts = {ADDRESSES[host]: host for host in self.workers}
        text = nginx_config.config(
            {'gate': self.workers},
            workload=scene.serving_at(self.port),
            pod=nginx_pod.Pod(('127.0.0.1',), ipv6=False),
            log_level='info',
            upstream_tls=nginx_upstream_tls.UpstreamTls(
                ca=str(self.trusted or path), hosts=hosts if known is None else known
            ),
        )
        assert 'resolver 127.0.0.1 ' in text
        return text.replace('resolver 127.0.0.1 ', f'resolver 127.0.0.1:{self._names.port} ')

    def reload(self, text):
        """Serve with another configuration: its new process does, once the old one is gone."""
        pid = self.nginx.process.pid
        children = f'/proc/{pid}/task/{pid}/children'

        def processes():
            with open(children) as file:
                return set(file.read().split())

        before = processes()
        self.nginx.write(text)
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: processes() and not processes() & before)

    def ask(self, method='GET'):
        with self.nginx.connect() as client:
            length = 'Content-Length: 3' if method == 'POST' else 'Accept: x'
            body = b'abc' if method == 'POST' else b''
            return ask(client, f'{method} / HTTP/1.1\nHost: a\n{length}', body)[0]

    def tried(self, method='GET'):
        """The hosts to whose workers each logged request went, in turn."""
        hosts = {f'{ip}:{self.port}': host for host, ip in ADDRESSES.items()}
        lines = (self._folder / 'access').read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        return [
            tuple(hosts.get(address, '') for address in entry['upstream'].split(', '))
            for entry in entries
            if entry['method'] == method
        ]

    def ask_until_tried(self, *hosts, method='GET'):
        """Send requests until one was tried with these in turn; the statuses from then on."""

        def tried():
            statuses.append(self.ask(method))
            return hosts in self.tried(method)

        statuses = []
        wait_until(tried)
        return statuses[-1]

    @property
    def errors(self):
        return '\n'.join(self.nginx.complaints())


@pytest.fixture
def proxy(tmp_path):
    with contextlib.ExitStack() as stack:
        yield lambda contexts, **options: Proxy(tmp_path, stack, contexts, **options)


def test_every_worker_is_reached_that_has_the_certificate_of_its_own_host(proxy, tmp_path):
    running = proxy({host: context(tmp_path, host) for host in ADDRESSES})
    for host in ADDRESSES:
        assert running.ask_until_tried(host) == 200
    assert {running.ask() for _ in range(9)} == {200}
    assert 'SSL' not in running.errors


@pytest.mark.parametrize('says', authority.BELOW)
def test_a_worker_is_reached_with_what_the_charm_makes_of_an_intermediate_ca(
    proxy, tmp_path, says
):
    """Each side has what the charm gives it, so an intermediate CA without its root is enough."""
    ca = authority.below(says)
    unit = scene.Coordinator(tmp_path / 'unit')
    given = requesting.given(requesting.settled(unit, ca=ca))['w/0']
    (trusted,) = unit.folder.glob('upstream-ca-*.pem')
    _, *issuers = pem.each_certificate(given)
    made = context(tmp_path, A, ca=ca, issuers=''.join(issuers))
    running = proxy({A: made}, trusted=trusted)
    running.ask_until_tried(A)
    assert running.ask() == 200
    assert 'SSL' not in running.errors


@functools.cache
def impostor():
    """A worker that issues certificates with its own."""
    own = authority.authority().issue(authority.request(B, key=KEYS[B]))
    return authority.Authority(key=KEYS[B], own=own)


REFUSED = {
    "another worker's": (lambda folder: context(folder, B), 'does not match "a.example"'),
    "another CA's": (
        lambda folder: context(folder, A, ca='other'),
        'unable to verify the first certificate',
    ),
    'expired': (
        lambda folder: context(folder, A, validity=-datetime.timedelta(hours=1)),
        'certificate has expired',
    ),
    'not valid yet': (
        lambda folder: context(folder, A, start=authority.DAY / 2),
        'certificate is not yet valid',
    ),
    "without its issuer's": (
        lambda folder: context(folder, A, ca=authority.below(authority.BELOW[0])),
        'unable to verify the first certificate',
    ),
    "by another worker's": (
        lambda folder: context(folder, A, ca=impostor(), issuers=impostor().certificate),
        'unsuitable certificate purpose',
    ),
    'none': (lambda _: None, 'peer closed connection in SSL handshake'),
}


@pytest.mark.parametrize('method', ['GET', 'POST'])
@pytest.mark.parametrize('certificate', REFUSED)
def test_a_worker_with_a_wrong_certificate_gets_no_request_and_the_next_one_does(
    proxy, tmp_path, certificate, method
):
    """A POST goes on too, for it was never sent."""
    made, why = REFUSED[certificate]
    running = proxy({A: made(tmp_path), B: context(tmp_path, B)})
    wait_until(lambda: running.ask(method) == 200)
    assert running.ask_until_tried(A, B, method=method) == 200
    # Its turn comes again and again, while the other's connection is kept.
    assert {running.ask(method) for _ in range(9)} == {200}
    assert why in running.errors
    assert running.workers[A].heads.empty()


def test_a_retry_expects_the_certificate_of_the_worker_that_it_goes_to(proxy, tmp_path):
    """Each has the certificate of the one tried before it."""
    running = proxy({A: context(tmp_path, C), B: context(tmp_path, A), C: context(tmp_path, B)})
    wait_until(lambda: any(len(hosts) == 3 for hosts in [*running.tried(), running.ask()][:-1]))
    assert running.ask() == 502
    assert all(worker.heads.empty() for worker in running.workers.values())


def test_a_worker_at_an_unknown_address_gets_no_request(proxy, tmp_path):
    running = proxy({A: context(tmp_path, A), B: context(tmp_path, B)})
    running.reload(running.text(known={ADDRESSES[B]: B}))
    assert running.ask_until_tried(A, B) == 200
    assert 'does not match "unknown.invalid"' in running.errors


def test_requests_share_a_connection_to_a_worker(proxy, tmp_path):
    running = proxy({A: context(tmp_path, A)})
    wait_until(lambda: running.ask() == 200)
    for _ in range(5):
        assert running.ask() == 200
    assert running.workers[A].resumed.qsize() == 1


def test_a_new_connection_resumes_the_session_of_the_same_worker(proxy, tmp_path):
    contexts = {A: context(tmp_path, A), B: context(tmp_path, B)}
    running = proxy(contexts, closes=True)
    for host in contexts:
        assert running.ask_until_tried(host) == 200
    assert {running.ask() for _ in range(8)} == {200}
    for worker in running.workers.values():
        resumed = list(worker.resumed.queue)
        assert resumed[0] is False
        assert all(resumed[1:])


def test_a_session_does_not_outlive_the_trust_in_its_ca(proxy, tmp_path):
    running = proxy({A: context(tmp_path, A)}, closes=True)
    wait_until(lambda: running.ask() == 200)
    assert running.ask() == 200
    running.reload(running.text(ca='other'))
    served = running.workers[A].heads.qsize()
    before = running.tried().count((A,))
    wait_until(lambda: running.ask() and running.tried().count((A,)) > before)
    assert 'upstream SSL certificate verify error' in running.errors
    assert running.workers[A].heads.qsize() == served


def test_a_websocket_is_passed_on_both_ways(proxy, tmp_path):
    running = proxy({A: context(tmp_path, A)})
    wait_until(lambda: running.ask() == 200)
    with running.nginx.connect() as client:
        head = 'GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket'
        assert ask(client, head)[0] == 101
        for text in (b'one', b'two'):
            client.sendall(text)
            assert client.recv(3, socket.MSG_WAITALL) == text


def test_a_body_streams_to_the_worker(proxy, tmp_path):
    running = proxy({A: context(tmp_path, A)})
    wait_until(lambda: running.ask() == 200)
    with running.nginx.connect() as client:
        head = f'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {MEBIBYTE}\r\n\r\n'
        client.sendall(head.encode() + bytes(MEBIBYTE - 1))
        # The worker has all but the last byte, before nginx has that.
        while running.workers[A].sizes.get(timeout=SECONDS) < MEBIBYTE - 1:
            pass
        client.sendall(b'x')
        with client.makefile('rb') as file:
            assert read_head(file).startswith('HTTP/1.1 200 ')


@pytest.mark.parametrize(
    'ip',
    [
        '10.0.0.1',
        'fd00::1',
        'FD00:0:0:0:0:0:0:1',
        '::1',
        '2001:db8:0:1:1:1:1:1',
        '2001:db8:0:1:0:1:1:1',
        '0:1:2:3:4:5:6:7',
        '1:2:3:4:5:6:7:0',
        '1:0:0:2:0:0:0:3',
        '1:0:0:2:3:0:0:4',
        '1:2:3:4:5:6:7:8',
    ],
)
def test_an_address_is_known_as_nginx_writes_it(tmp_path, ip):
    text = nginx_config.config(
        {},
        workload=dataclasses.replace(scene.serving_at(1), locations={}),
        pod=nginx_pod.Pod(('127.0.0.1',), ipv6=False),
        log_level='info',
        upstream_tls=nginx_upstream_tls.UpstreamTls(ca='', hosts={ip: A}),
    )
    lines = [line.split()[0] for line in text.splitlines() if line.endswith(f' {A};')]
    # nginx writes a client's address as it writes a server's.
    told = 'set_real_ip_from 127.0.0.1; real_ip_header X-IP; add_header X-IP $remote_addr always;'
    text = text.replace('proxy_ssl_trusted_certificate ;', told)
    with started(tmp_path, text) as nginx, nginx.connect() as client:
        _, head = ask(client, f'GET / HTTP/1.1\nHost: a\nX-IP: {ip}')
    shown = head.partition('X-IP: ')[2].split()[0]
    assert (f'[{shown}]' if ':' in shown else shown) in lines
