"""What both charms have to agree on, though each has a file of its own for the workload."""

import subprocess

import pytest

import charms
import deployment
import programs
from coordinated_telemetry import cluster
from coordinator.source import description, nginx_config
from coordinator.source import own_workload as coordinators
from worker.source import own_workload as workers

of_coordinator, of_worker = coordinators.WORKLOAD, workers.WORKLOAD


def test_the_workload_serves_where_the_coordinator_looks_for_it():
    assert of_worker.ports == of_coordinator.ports
    of_calls = {served.ports for served in of_coordinator.grpc.values()}
    others = {*of_coordinator.role_ports.values(), *of_calls} - {of_worker.ports}
    assert {*of_worker.more_ports} == others
    assert of_coordinator.ports.plain == deployment.WORKLOAD_PORT
    assert (of_coordinator.ports.tls or 0) == deployment.WORKLOAD_TLS_PORT
    assert nginx_config.PORT == cluster.COORDINATOR_PORT == deployment.NGINX_PORT


def test_a_worker_has_an_option_for_each_role_that_the_coordinator_knows():
    roles = {*of_coordinator.roles.minimal_deployment, *of_coordinator.roles.meta_roles}
    options = charms.specification('worker-charm')['config']['options']
    assert {f'role-{role}' for role in roles} == options.keys()
    assert {option['type'] for option in options.values()} == {'boolean'}
    assert [name for name, option in options.items() if option['default']] == ['role-all']


def test_both_say_the_same_of_traces():
    assert of_worker.traces == of_coordinator.traces


def test_both_say_whether_the_workload_needs_a_bucket():
    assert of_worker.needs_s3 == of_coordinator.needs_s3


def test_what_is_said_of_roles_is_said_of_roles_that_there_are():
    said = {*of_coordinator.routed, *of_coordinator.role_ports, *of_coordinator.role_metrics}
    assert said <= of_coordinator.roles.minimal_deployment.keys()


def test_the_demo_and_the_tests_take_roles_from_the_charm():
    assert tuple(of_coordinator.roles.minimal_deployment) == deployment.ROLES


def test_the_worker_takes_the_configuration_that_the_coordinator_sends():
    for level in ('debug', 'info', 'warning', 'error'):
        text = of_coordinator.config(description.Seen(level, cluster.Workers()))
        assert of_worker.checked_config(text) == text


def test_the_image_itself_accepts_the_configuration_that_the_coordinator_sends(tmp_path):
    if not of_worker.validate_command:
        pytest.skip(f'{of_worker.name} has no command that validates its configuration')
    image = deployment.upstream_sources('worker-charm')['workload-image']
    program, *arguments = of_worker.validate_command
    file = tmp_path / of_worker.config_file.rpartition('/')[2]

    def accepts(text):
        file.write_text(text)
        command = [*programs.command(image, program), *arguments, str(file)]
        return subprocess.run(command, check=False, timeout=60).returncode == 0

    for level in ('debug', 'info', 'warning', 'error'):
        text = of_coordinator.config(description.Seen(level, cluster.Workers()))
        assert accepts(text), text
        assert not accepts(f'{text}{{[(')
