"""gRPC: what nginx.conf says of it, and what a real nginx does with calls."""

import contextlib
import dataclasses
import json
from concurrent import futures

import grpc
import pytest
from charmlibs.interfaces import tls_certificates

import authority
from coordinated_telemetry import pem
from coordinated_telemetry.workloads import Ports
from coordinator.live import SECONDS, started, wait_until
from coordinator.source import description, nginx_config, nginx_pod, nginx_upstream_tls, workload

HOST = 'a.example'
POD = nginx_pod.Pod(('127.0.0.1',), ipv6=False)
SERVICE = '/shop.Greeter/'
OTHER_HEADER = workload.WORKLOAD.other_trace_headers[0].lower()


def calling(port=9095, others=None):
    """The neutral workload, with a gRPC service of its role gate and perhaps others."""
    served = description.Grpc('gate', Ports(port, tls=port))
    return dataclasses.replace(workload.WORKLOAD, grpc={SERVICE: served, **(others or {})})


def config(of, hosts=('127.0.0.1',), **options):
    return nginx_config.config({'gate': hosts}, workload=of, pod=POD, log_level='info', **options)


class Greeter:
    """A workload that serves calls.

    Attributes:
        metadata: of each call that came.
    """

    def __init__(self, stack, credentials=None):
        self.metadata = []
        self._server = grpc.server(futures.ThreadPoolExecutor())
        greet = grpc.unary_unary_rpc_method_handler(self._greet)
        chat = grpc.stream_stream_rpc_method_handler(self._chat)
        handlers = grpc.method_handlers_generic_handler(
            SERVICE.strip('/'), {'Greet': greet, 'Chat': chat}
        )
        self._server.add_generic_rpc_handlers([handlers])
        if credentials:
            self.port = self._server.add_secure_port('127.0.0.1:0', credentials)
        else:
            self.port = self._server.add_insecure_port('127.0.0.1:0')
        self._server.start()
        stack.callback(lambda: self._server.stop(None).wait(SECONDS))

    def _greet(self, name, context):
        self.metadata.append(dict(context.invocation_metadata()))
        if not name:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, 'who are you?')
        return b'hello ' + name

    def _chat(self, names, context):
        for name in names:
            yield b'hello ' + name


@pytest.fixture
def stack():
    with contextlib.ExitStack() as stack:
        yield stack


def greet(channel, name, metadata=()):
    return channel.unary_unary(f'{SERVICE}Greet')(name, timeout=SECONDS, metadata=metadata)


def open_channel(stack, nginx):
    return stack.enter_context(grpc.insecure_channel(f'127.0.0.1:{nginx.port}'))


def logged(folder, count):
    """The calls in the access log, once there are so many."""

    def entries():
        lines = (folder / 'access').read_text().splitlines()
        return [entry for line in lines if (entry := json.loads(line))['uri'].startswith(SERVICE)]

    wait_until(lambda: len(entries()) >= count)
    return entries()


def test_without_services_nothing_is_said_of_grpc():
    text = config(workload.WORKLOAD)
    assert 'grpc' not in text
    assert 'http2' not in text


def test_a_role_has_an_upstream_for_each_port_of_its_services():
    other = description.Grpc('gate', Ports(9096))
    text = config(calling(others={'/shop.Sweeper/': other, '/shop.Till/': other}))
    assert text.count('upstream gate.9095 {') == text.count('upstream gate.9096 {') == 1
    assert text.count('grpc_pass grpc://gate.9096;') == 2
    assert 'server 127.0.0.1:9095 resolve' in text
    assert 'upstream gate {' in text  # its own, over HTTP


def test_a_role_that_serves_nothing_else_is_routed():
    served = description.Grpc('vault', Ports(9095))
    found = dataclasses.replace(workload.WORKLOAD, locations={}, grpc={SERVICE: served})
    assert found.routed == ['vault']


def test_a_call_reaches_a_worker_and_its_failure_the_log(tmp_path, stack):
    greeter = Greeter(stack)
    nginx = stack.enter_context(started(tmp_path, config(calling(greeter.port))))
    channel = open_channel(stack, nginx)
    trace = f'00-{"1" * 32}-{"2" * 16}-01'
    sent = [('traceparent', trace), (OTHER_HEADER, 'x'), ('shop', 'corner')]
    assert greet(channel, b'Ada', sent) == b'hello Ada'
    [came] = greeter.metadata
    assert came['traceparent'] == trace
    assert came['shop'] == 'corner'
    assert OTHER_HEADER not in came
    with pytest.raises(grpc.RpcError) as refused:
        greet(channel, b'')
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == 'who are you?'
    first, second = logged(tmp_path, 2)
    assert (first['status'], first['grpc_status'], first['trace_id']) == (200, '0', '1' * 32)
    assert (second['status'], second['grpc_status']) == (200, '3')


def test_behind_an_ingress_a_worker_learns_how_its_client_called(tmp_path, stack):
    greeter = Greeter(stack)
    text = config(calling(greeter.port), behind_ingress=True)
    channel = open_channel(stack, stack.enter_context(started(tmp_path, text)))
    greet(channel, b'Ada', [('x-forwarded-proto', 'https')])
    greet(channel, b'Ada')
    assert [came['x-forwarded-proto'] for came in greeter.metadata] == ['https', 'http']


def test_a_stream_is_passed_on_message_by_message(tmp_path, stack):
    greeter = Greeter(stack)
    nginx = stack.enter_context(started(tmp_path, config(calling(greeter.port))))
    channel = open_channel(stack, nginx)
    names = [b'Ada', b'Alan', b'Grace']
    answered = []

    def said():
        for number, name in enumerate(names):
            # Only when the answer to the one before is there.
            wait_until(lambda: len(answered) == number)  # noqa: B023
            yield name

    answers = channel.stream_stream(f'{SERVICE}Chat')(said(), timeout=SECONDS)
    answered.extend(answers)  # one by one: `said` waits for each
    assert answered == [b'hello ' + name for name in names]


def test_without_workers_a_call_is_unavailable(tmp_path, stack):
    nginx = stack.enter_context(started(tmp_path, config(calling(), hosts=())))
    with pytest.raises(grpc.RpcError) as refused:
        greet(open_channel(stack, nginx), b'Ada')
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize('expected', [HOST, 'b.example'])
def test_with_tls_a_call_reaches_only_the_host_of_the_certificate(tmp_path, stack, expected):
    ca = authority.authority('ca')
    key = tls_certificates.PrivateKey.generate()
    issued = ca.issue(authority.request(HOST, key=key))
    credentials = grpc.ssl_server_credentials([(str(key).encode(), str(issued).encode())])
    greeter = Greeter(stack, credentials)
    trusted, own = tmp_path / 'ca.pem', tmp_path / 'own.pem'
    trusted.write_text(pem.anchors(ca.certificate))
    own.write_text(f'{issued}{key}\n')
    tls = nginx_upstream_tls.UpstreamTls(str(trusted), {'127.0.0.1': expected})
    text = config(calling(greeter.port), upstream_tls=tls, certificate=str(own))
    nginx = stack.enter_context(started(tmp_path, text))
    of_client = grpc.ssl_channel_credentials(ca.certificate.encode())
    options = [('grpc.ssl_target_name_override', HOST)]
    address = f'127.0.0.1:{nginx.port}'
    channel = stack.enter_context(grpc.secure_channel(address, of_client, options))
    if expected == HOST:
        assert greet(channel, b'Ada') == b'hello Ada'
        return
    with pytest.raises(grpc.RpcError) as refused:
        greet(channel, b'Ada')
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert not greeter.metadata
