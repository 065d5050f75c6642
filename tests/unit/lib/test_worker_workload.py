"""The layers that follow from what an author describes, and what makes a service restart."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import ops
import pytest

from coordinated_telemetry import cluster_data, topology, worker_workload
from coordinated_telemetry.workloads import Ports

WORKER = topology.Topology('m', '7c1a34b8-7d0f-4b8e-8f0e-1b1a2c3d4e5f', 'w', 'w/0', 'w-k8s')
RUN = worker_workload.Run(('all',), 'a: b\n', 'http://front:8080', WORKER)


class Least(worker_workload.Workload):
    """What an author has to say at least."""

    name = 'least'
    ports = Ports(80)
    config_file = '/etc/least'

    def service(self, run: worker_workload.Run) -> ops.pebble.ServiceDict:
        return {'command': f'least {run.coordinator}'}


class Most(Least):
    """What an author may say."""

    ports = Ports(80, tls=443)
    more_ports = (Ports(81),)
    sidecars = ('exporter',)
    ca_file = '/etc/ca/ca.pem'
    traces = ('otlp_http',)
    traces_ca_file = '/etc/traces-ca.pem'
    certificate_folder = '/etc/certificates'

    def check(self, run: worker_workload.Run) -> ops.pebble.CheckDict:
        return {'tcp': {'port': self.ports.of(run.schemes[0])}, 'period': '9s'}

    def files(self, run: worker_workload.Run) -> Mapping[str, str]:
        return {'/etc/motd': f'as {", ".join(run.roles)}\n'}

    def sidecar_layers(self, run: worker_workload.Run) -> Mapping[str, ops.pebble.LayerDict]:
        return {'exporter': {'services': {'exporter': {'command': 'exporter'}}}}


def environment(workload, run) -> Any:
    layers: Any = workload.layers(run)
    return layers['workload']['services'][workload.name]['environment']


def test_a_command_is_enough():
    layers: Any = Least().layers(RUN)
    assert layers.keys() == {'workload'}
    service = layers['workload']['services']['least']
    assert service['command'] == 'least http://front:8080'
    assert (service['override'], service['startup']) == ('replace', 'enabled')
    assert 'checks' not in layers['workload']
    assert Least().all_files(RUN) == {'/etc/least': 'a: b\n'}
    assert Least().open_ports(['http']) == [80]


def test_a_check_has_defaults_that_an_author_may_change():
    layers: Any = Most().layers(RUN)
    check = layers['workload']['checks']['least-ready']
    assert check == {
        'override': 'replace',
        'level': 'ready',
        'period': '9s',
        'timeout': '1s',
        'threshold': 2,
        'tcp': {'port': 80},
    }


class Either(Least):
    """Two roles whose health is asked in two ways."""

    def check(self, run: worker_workload.Run) -> ops.pebble.CheckDict:
        if run.roles == ('vault',):
            return {'tcp': {'port': 81}}
        return {'http': {'url': 'http://127.0.0.1:80/ready'}}


@pytest.mark.parametrize(
    ('roles', 'kind'), [(('gate',), 'http'), (('vault',), 'tcp'), (('gate', 'vault'), 'http')]
)
def test_a_check_may_depend_on_the_roles_and_restarts_nothing(roles, kind):
    run = dataclasses.replace(RUN, roles=roles)
    layers: Any = Either().layers(run)
    assert {'http', 'tcp', 'exec'} & layers['workload']['checks']['least-ready'].keys() == {kind}
    assert environment(Either(), run) == environment(Either(), RUN)


def test_every_container_has_its_layer():
    assert [*Most().layers(RUN)] == ['workload', 'exporter']


def test_the_ports_of_all_roles_are_open():
    assert Most().open_ports(['http', 'https']) == [80, 81, 443]


RESTARTS = {
    'a configuration': {'config': 'a: c\n'},
    'a CA': {'ca': 'PEM'},
    'a role that is in a file': {'roles': ('edge',)},
    'another scheme': {'schemes': ('http', 'https'), 'certificate_sha256': 'abc'},
    'a place for spans': {'traces': 'http://t:4318/v1/traces'},
}


@pytest.mark.parametrize('changes', RESTARTS.values(), ids=RESTARTS)
def test_what_the_workload_reads_once_changes_its_service(changes):
    changed = dataclasses.replace(RUN, **changes)
    assert environment(Most(), changed) != environment(Most(), RUN)


def test_a_certificate_is_in_a_folder_of_its_own_and_known_by_its_digest():
    run = dataclasses.replace(RUN, schemes=('https',), certificate_sha256='abc')
    assert Most().certificate_path(run) == '/etc/certificates/abc/'
    found = environment(Most(), run)
    assert (found['CERTIFICATE_SHA256'], found['SERVES']) == ('abc', 'https')


@pytest.mark.parametrize(
    ('protocol', 'spoken'), [('otlp_grpc', 'grpc'), ('otlp_http', 'http/protobuf')]
)
def test_where_spans_go_is_said_in_the_words_of_opentelemetry(protocol, spoken):
    run = dataclasses.replace(RUN, traces='https://t', protocol=protocol, traces_ca='PEM')
    found = environment(Most(), run)
    assert found['OTEL_SERVICE_NAME'] == 'w'
    assert found['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] == 'https://t'
    assert found['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] == spoken
    assert found['OTEL_EXPORTER_OTLP_CERTIFICATE'] == '/etc/traces-ca.pem'
    assert 'juju_unit=w/0' in found['OTEL_RESOURCE_ATTRIBUTES']
    assert found['OTEL_CA_SHA256'] == cluster_data.sha256('PEM')


def test_all_about_spans_is_named_alike_and_nothing_else_is():
    run = dataclasses.replace(RUN, traces='https://t', traces_ca='PEM', ca='PEM')
    traced, other = (
        environment(Most(), run),
        environment(Most(), dataclasses.replace(run, traces=None)),
    )
    assert {key for key in traced if worker_workload.TRACES in key} == (
        traced.keys() - other.keys()
    )


def test_a_file_that_is_not_wanted_is_one_to_remove():
    assert Most().all_files(RUN) == {
        '/etc/least': 'a: b\n',
        '/etc/motd': 'as all\n',
        '/etc/ca/ca.pem': None,
        '/etc/traces-ca.pem': None,
    }


def test_the_coordinator_has_a_host_for_what_does_not_speak_http():
    assert RUN.coordinator_host == 'front'


def test_it_is_abstract():
    with pytest.raises(TypeError):
        worker_workload.Workload()  # pyright: ignore[reportAbstractUsage]
