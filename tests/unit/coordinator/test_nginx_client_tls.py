"""What the real nginx does with clients that come by TLS, by HTTP/2 or without TLS."""

import contextlib
import json
import re
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from charmlibs.interfaces import tls_certificates

import authority
from coordinator import scene
from coordinator.live import SECONDS, Worker, ask, started, wait_until
from coordinator.source import nginx_config, nginx_pod


@pytest.fixture
def serves_plain():
    """Whether plain HTTP is served, too."""
    return False


@pytest.fixture
def options():
    """What else `nginx_config.config` is told."""
    return {}


@pytest.fixture
def nginx(tmp_path, serves_plain, options):
    """nginx in front of one worker."""
    key = tls_certificates.PrivateKey.generate()
    issued = authority.authority().issue(authority.request('localhost', key=key))
    path = tmp_path / 'tls.pem'
    path.write_text(f'{issued}{key}\n')
    worker = Worker()
    worker.start()
    with (
        contextlib.closing(worker),
        started(tmp_path, config(worker, path, serves_plain, **options)) as running,
    ):
        running.worker, running.certificate = worker, path
        yield running


def config(worker, certificate, serves_plain, **options):
    """nginx.conf with one worker; `certificate` may be ''."""
    return nginx_config.config(
        {'gate': ['127.0.0.1']},
        workload=scene.serving_at(worker.port),
        pod=nginx_pod.Pod(('127.0.0.1',), ipv6=False),
        log_level='info',
        certificate=str(certificate),
        serves_plain=serves_plain,
        **options,
    )


def secure(nginx, *protocols):
    """A connection with TLS that offers these protocols."""
    context = ssl.create_default_context(cadata=authority.authority().certificate)
    context.set_alpn_protocols(protocols)
    return context.wrap_socket(nginx.connect(), server_hostname='localhost')


@pytest.mark.parametrize(
    ('offered', 'chosen'),
    [(['h2', 'http/1.1'], 'h2'), (['http/1.1'], 'http/1.1'), (['http/1.1', 'x'], 'http/1.1')],
)
def test_a_client_that_knows_http_2_gets_it_and_no_other_does(nginx, offered, chosen):
    with secure(nginx, *offered) as client:
        assert client.selected_alpn_protocol() == chosen


def test_a_client_of_http_1_is_served(nginx):
    with secure(nginx) as client:
        assert ask(client, 'GET / HTTP/1.1\nHost: a')[0] == 200


def test_a_websocket_is_passed_on_over_http_1(nginx):
    with secure(nginx, 'http/1.1') as client:
        head = 'GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket'
        assert ask(client, head)[0] == 101


def test_plain_http_is_redirected(nginx):
    with nginx.connect() as client:
        status, head = ask(client, 'GET /x?y HTTP/1.1\nHost: a')
    assert status == 308
    assert 'Location: https://a:8080/x?y\r\n' in head
    assert nginx.worker.heads.empty()


def curl(nginx, tmp_path, *options):
    program = shutil.which('curl')
    if program is None:
        pytest.skip('there is no curl')
    ca = tmp_path / 'ca.pem'
    ca.write_text(authority.authority().certificate)
    shown = '%{http_version} %{http_code}\n'
    return subprocess.run(
        [
            *(program, '--silent', '--show-error', '--http2', '--cacert', ca, '-w', shown),
            *('--resolve', f'localhost:{nginx.port}:127.0.0.1', '-o', tmp_path / 'body'),
            *('--noproxy', '*', *options, f'https://localhost:{nginx.port}/x'),
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@pytest.mark.parametrize(('size', 'method'), [(0, 'GET'), (100, 'POST'), (2**20, 'PUT')])
def test_a_request_by_http_2_reaches_the_worker_by_http_1(nginx, tmp_path, size, method):
    sent = tmp_path / 'sent'
    sent.write_bytes(bytes(size))
    done = curl(nginx, tmp_path, '-X', method, *(['--data-binary', f'@{sent}'] if size else []))
    assert (done.stdout, done.stderr) == ('2 200\n', '')
    _, head = nginx.worker.heads.get(timeout=SECONDS)
    assert head.startswith(f'{method} /x HTTP/1.1\r\n')
    assert 'X-Forwarded-Proto: https\r\n' in head
    assert sum(list(nginx.worker.sizes.queue)[-1:]) == size
    assert nginx.complaints() == []


# Behind an ingress


@pytest.mark.parametrize(
    ('serves_plain', 'options'), [(True, {'behind_ingress': True})], ids=['ingress']
)
@pytest.mark.parametrize('is_tls', [False, True], ids=['plain', 'tls'])
@pytest.mark.parametrize('said', ['http', 'https', 'wss', 'https, http', 'x; y', ''])
def test_what_an_ingress_says_of_its_client_is_passed_on_if_it_is_a_scheme(nginx, is_tls, said):
    with secure(nginx) if is_tls else nginx.connect() as client:
        header = f'X-Forwarded-Proto: {said}\n' if said else ''
        assert ask(client, f'GET / HTTP/1.1\n{header}Host: a')[0] == 200
    _, head = nginx.worker.heads.get(timeout=SECONDS)
    passed = said if said in {'http', 'https'} else 'https' if is_tls else 'http'
    assert [line for line in head.splitlines() if line.startswith('X-Forwarded-Proto')] == [
        f'X-Forwarded-Proto: {passed}'
    ]


def test_without_an_ingress_nobody_says_how_nginx_was_called(nginx):
    with secure(nginx) as client:
        assert ask(client, 'GET / HTTP/1.1\nX-Forwarded-Proto: http\nHost: a')[0] == 200
    _, head = nginx.worker.heads.get(timeout=SECONDS)
    assert 'X-Forwarded-Proto: https\r\n' in head


# While TLS is turned on or off


EITHER = pytest.mark.parametrize('serves_plain', [True])


def logged(nginx):
    """The access log."""
    return [json.loads(line) for line in (nginx.folder / 'access').read_text().splitlines()]


@EITHER
def test_both_kinds_of_clients_are_served_by_one_port(nginx):
    for connect, scheme in ((nginx.connect, 'http'), (lambda: secure(nginx), 'https')):
        with connect() as client:
            assert ask(client, 'GET /x?y HTTP/1.1\nHost: a')[0] == 200
        _, head = nginx.worker.heads.get(timeout=SECONDS)
        assert head.startswith('GET /x?y HTTP/1.1\r\n')
        assert f'X-Forwarded-Proto: {scheme}\r\n' in head
    assert nginx.complaints() == []


@EITHER
def test_plain_http_looks_to_the_worker_and_in_the_log_like_without_tls(nginx):
    trace = '00-' + '1' * 32 + '-' + '2' * 16 + '-01'
    forwarded = 'X-Forwarded-For: 192.0.2.1\nX-Real-IP: 192.0.2.2'
    with nginx.connect() as client:
        ask(client, f'GET / HTTP/1.1\nHost: a:8080\ntraceparent: {trace}\nb3: 1\n{forwarded}')
    _, head = nginx.worker.heads.get(timeout=SECONDS)
    headers = dict(line.split(': ', 1) for line in head.splitlines()[1:])
    assert headers == {
        'Host': 'a',
        'X-Real-IP': '127.0.0.1',
        'X-Forwarded-For': '192.0.2.1, 127.0.0.1',
        'X-Forwarded-Proto': 'http',
        'traceparent': trace,
    }
    (line,) = logged(nginx)
    assert (line['remote_addr'], line['status'], line['uri']) == ('127.0.0.1', 200, '/')
    assert line['trace_id'] == '1' * 32


@EITHER
@pytest.mark.parametrize('method', ['POST', 'PUT'])
def test_a_body_passes_without_tls(nginx, method):
    size = 3 * 2**20
    with nginx.connect() as client:
        head = f'{method} / HTTP/1.1\nHost: a\nContent-Length: {size}'
        assert ask(client, head, bytes(size))[0] == 200
    assert list(nginx.worker.sizes.queue)[-1] == size
    assert nginx.complaints() == []


@EITHER
def test_a_body_over_the_limit_is_refused_without_tls(nginx):
    with nginx.connect() as client:
        size = 100 * 2**20 + 1
        assert ask(client, f'POST / HTTP/1.1\nHost: a\nContent-Length: {size}')[0] == 413
    assert nginx.worker.heads.empty()


@EITHER
def test_a_websocket_is_passed_on_without_tls(nginx):
    with nginx.connect() as client:
        head = 'GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket'
        assert ask(client, head)[0] == 101
        client.sendall(b'one')
        assert client.recv(3, socket.MSG_WAITALL) == b'one'


@EITHER
def test_a_request_that_is_none_is_refused_without_tls(nginx):
    with nginx.connect() as client:
        assert ask(client, 'GARBAGE')[0] == 400
    with nginx.connect() as client:
        assert ask(client, 'GET / HTTP/1.1\nHost: a')[0] == 200


@EITHER
@pytest.mark.parametrize(('is_tls', 'then'), [(True, 308), (False, 200)])
def test_a_request_that_comes_as_both_end_is_served(nginx, is_tls, then):
    """The nginx that accepted its connection passes it on to the one that runs by then."""
    wait_until(lambda: connections(nginx) == 0)  # or one that found it listening would count
    with nginx.connect() as client:
        wait_until(lambda: connections(nginx) == 1)
        nginx.reload(config(nginx.worker, nginx.certificate if is_tls else '', False))
        wait_until(lambda: is_shutting_down(nginx))
        assert ask(client, 'GET / HTTP/1.1\nHost: a')[0] == 200
        with nginx.connect() as other:
            assert ask(other, 'GET / HTTP/1.1\nHost: a')[0] == then
    assert nginx.complaints() == []


def connections(nginx):
    """How many clients are connected."""
    with nginx.connect_to_status() as client, client.makefile('rb') as file:
        client.sendall(b'GET /status HTTP/1.0\r\n\r\n')
        said = file.read().decode()
    found = re.search(r'Active connections: (\d+)', said)
    assert found, said
    return int(found[1]) - 1  # the one that asks


def is_shutting_down(nginx):
    """Whether a worker process of before a reload has stopped accepting connections."""
    pid = nginx.process.pid
    children = Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
    found = [Path(f'/proc/{child}/cmdline').read_bytes() for child in children]
    return any(b'shutting down' in words for words in found)
