"""Roles that do not speak HTTP: what nginx.conf says of them, and what a real nginx does."""

import contextlib
import dataclasses
import socket
import socketserver
import threading

import pytest

from coordinated_telemetry.workloads import Ports
from coordinator.live import free_port, started
from coordinator.source import nginx_config, nginx_pod, nginx_stream, workload

POD = nginx_pod.Pod(('10.0.0.10', 'fd00::a'), ipv6=True)
STORE = dataclasses.replace(
    workload.WORKLOAD,
    locations={},
    streams={6379: 'vault', 6380: 'gate'},
    ports=Ports(7000),
    role_ports={'vault': Ports(7001)},
)


def block(upstreams, of=STORE, pod=POD):
    return nginx_stream.block(of, upstreams, pod, valid=1)


def test_without_streams_there_is_no_block():
    assert block({}, of=workload.WORKLOAD) == ''
    text = nginx_config.config({}, workload=workload.WORKLOAD, pod=POD, log_level='info')
    assert 'stream {' not in text
    assert nginx_stream.MODULES not in text


def test_each_port_leads_to_the_workers_of_its_role_at_the_port_of_that_role():
    text = block({'vault': ['b', '::1', 'b'], 'gate': ['c']})
    assert 'server b:7001 resolve' in text
    assert 'server [::1]:7001 resolve' in text
    assert 'server c:7000 resolve' in text
    assert text.count('server b:7001') == 1
    assert 'listen 6379;\n        listen [::]:6379;\n        proxy_pass vault;' in text
    assert 'resolver 10.0.0.10 [fd00::a] valid=1s;' in text


def test_without_workers_a_connection_is_closed_at_once():
    text = block({})
    assert 'upstream gate' not in text
    assert 'proxy_pass' not in text
    assert text.count('return "";') == 2


def test_the_same_workers_give_the_same_text():
    assert block({'vault': ['a', 'b']}) == block({'vault': ['b', 'a']})


def test_modules_are_loaded_before_anything_else_is_said():
    text = nginx_config.config({}, workload=STORE, pod=POD, log_level='info')
    first = next(line for line in text.splitlines() if not line.startswith('#'))
    assert f'{first}\n' == nginx_stream.MODULES


class Echo(socketserver.StreamRequestHandler):
    """Answers each line with itself, in capitals."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


@pytest.fixture
def store():
    """Where a workload listens that speaks no HTTP."""
    with socketserver.ThreadingTCPServer(('127.0.0.1', 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def ask(port, text):
    with contextlib.closing(socket.create_connection(('127.0.0.1', port))) as client:
        client.sendall(text.encode())
        client.shutdown(socket.SHUT_WR)
        return b''.join(iter(lambda: client.recv(4096), b'')).decode()


def test_bytes_go_to_the_workload_and_back(tmp_path, store):
    port, closed = free_port(), free_port()
    of = dataclasses.replace(
        STORE, streams={port: 'vault', closed: 'gate'}, role_ports={'vault': Ports(store)}
    )
    pod = nginx_pod.Pod(('127.0.0.1',), ipv6=False)
    text = nginx_config.config({'vault': ['127.0.0.1']}, workload=of, pod=pod, log_level='info')
    with started(tmp_path, text):
        assert ask(port, 'ping\nquit\n') == 'PING\nQUIT\n'
        assert ask(closed, '') == ''
