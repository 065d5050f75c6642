"""Where spans go."""

import os
import ssl
import urllib.error
import urllib.request
from unittest import mock

import ops
import pytest

from coordinated_telemetry import topology, traces

UNIT = topology.Topology('m', 'u', 'worker', 'worker/3', 'worker-k8s')
NOWHERE = traces.Destination(None)


def over_grpc(url):
    return traces.Destination(url, protocol='otlp_grpc')


def over_http(url):
    return traces.Destination(url, protocol='otlp_http')


@pytest.mark.parametrize(
    ('receivers', 'expected'),
    [
        ({}, NOWHERE),
        (
            {'otlp_grpc': 't:4317'},
            traces.Destination(None, 'no otlp_http receiver, only otlp_grpc'),
        ),
        ({'otlp_http': 'http://t:4318'}, traces.Destination('http://t:4318/v1/traces')),
        ({'otlp_http': 'http://t:4318/'}, traces.Destination('http://t:4318/v1/traces')),
        ({'otlp_http': 'http://t:4318/v1/traces'}, traces.Destination('http://t:4318/v1/traces')),
        ({'otlp_http': 'http://t:4318/v1/traces/'}, traces.Destination('http://t:4318/v1/traces')),
        ({'otlp_http': 'http://t/m-tempo'}, traces.Destination('http://t/m-tempo/v1/traces')),
        (
            {'otlp_http': 'https://t:4318'},
            traces.Destination(None, 'no CA certificate for https://t:4318'),
        ),
    ],
)
def test_charm_traces_go_to_the_http_receiver_with_the_path_once(receivers, expected):
    assert traces.charm_destination(receivers) == expected


@pytest.mark.parametrize(
    ('receivers', 'expected'),
    [
        ({}, NOWHERE),
        (
            {'otlp_http': 'http://t:4318'},
            traces.Destination(None, 'no otlp_grpc receiver, only otlp_http'),
        ),
        ({'otlp_grpc': 't:4317'}, over_grpc('http://t:4317')),
        ({'otlp_grpc': '[::1]:4317'}, over_grpc('http://[::1]:4317')),
        ({'otlp_grpc': 't:4317', 'otlp_http': 'http://t:4318'}, over_grpc('http://t:4317')),
        (
            {'otlp_grpc': 't:4317', 'otlp_http': 'https://t:4318'},
            traces.Destination(None, 'no CA certificate for t:4317'),
        ),
    ],
)
def test_workload_traces_go_to_the_grpc_receiver_with_the_scheme_of_the_other(receivers, expected):
    assert traces.workload_destination(receivers) == expected


HTTP = {'otlp_http': 'https://t:4318'}
BOTH = {**HTTP, 'otlp_grpc': 't:4317'}


@pytest.mark.parametrize(
    ('receivers', 'speaks', 'ca', 'expected'),
    [
        (BOTH, ('otlp_grpc', 'otlp_http'), 'CA', over_grpc('https://t:4317')),
        (BOTH, ('otlp_http', 'otlp_grpc'), 'CA', over_http('https://t:4318/v1/traces')),
        (HTTP, ('otlp_grpc', 'otlp_http'), 'CA', over_http('https://t:4318/v1/traces')),
        (
            HTTP,
            ('otlp_grpc', 'otlp_http'),
            '',
            traces.Destination(None, 'no CA certificate for https://t:4318'),
        ),
        (
            {'zipkin': 'http://t:9411', 'x' * 999: 'http://t'},
            ('otlp_grpc', 'otlp_http'),
            '',
            traces.Destination(
                None, f'no otlp_grpc or otlp_http receiver, only {"x" * 40}..., zipkin'
            ),
        ),
    ],
)
def test_a_workload_falls_back_to_what_it_speaks_as_well(receivers, speaks, ca, expected):
    assert traces.workload_destination(receivers, ca, speaks) == expected


def test_a_ca_certificate_lets_traces_go_to_tls():
    receivers = {'otlp_grpc': 't:4317', 'otlp_http': 'https://t:4318'}
    assert traces.charm_destination(receivers, 'CA').url == 'https://t:4318/v1/traces'
    assert traces.workload_destination(receivers, 'CA').url == 'https://t:4317'


@pytest.mark.parametrize(
    ('wanted', 'ca', 'arguments'),
    [
        (NOWHERE, None, {'url': None, 'ca': None}),
        (NOWHERE, 'CA', {'url': None, 'ca': None}),
        (traces.Destination('http://t'), None, {'url': 'http://t', 'ca': None}),
        (traces.Destination('https://t'), 'CA', {'url': 'https://t', 'ca': 'CA'}),
    ],
)
def test_charm_tracing_is_set_and_unset(wanted, ca, arguments):
    with mock.patch.object(ops.tracing, 'set_destination', autospec=True) as set_destination:
        traces.ensure_charm_tracing(wanted, ca)
    set_destination.assert_called_once_with(**arguments)


def test_traces_over_http_do_not_load_the_cas_of_the_image(monkeypatch, store):
    monkeypatch.setattr(urllib.request, '_opener', None)
    with mock.patch.object(ops.tracing, 'set_destination', autospec=True):
        traces.ensure_charm_tracing(traces.Destination('http://t'))
    loaded = []

    def load(context):
        loaded.append(context)

    monkeypatch.setattr(ssl.SSLContext, 'set_default_verify_paths', load)
    port = store().server_port
    with urllib.request.urlopen(f'http://127.0.0.1:{port}') as answer:
        assert answer.status == 200
    assert not loaded
    # Everything else in the charm still gets verified TLS.
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f'https://127.0.0.1:{port}')
    assert loaded[0].verify_mode is ssl.CERT_REQUIRED


def test_a_workloads_spans_carry_the_five_labels():
    text = traces.resource_attributes(UNIT)
    assert text == (
        'juju_model=m,juju_model_uuid=u,juju_application=worker,'
        'juju_unit=worker/3,juju_charm=worker-k8s'
    )
    pairs = [part.partition('=') for part in text.split(',')]
    assert {key: value for key, _, value in pairs} == UNIT.labels


def test_a_charms_spans_get_the_label_that_ops_names_otherwise(monkeypatch):
    monkeypatch.delenv('OTEL_RESOURCE_ATTRIBUTES', raising=False)
    traces.label_charm_spans('worker-k8s')
    assert os.environ.pop('OTEL_RESOURCE_ATTRIBUTES') == 'juju_charm=worker-k8s'
