"""What both charms have to agree on, though each has a file of its own for the workload."""

import deployment
from coordinated_telemetry import cluster
from coordinator.source import nginx_config
from coordinator.source import own_workload as of_coordinator
from worker.source import charm as worker_charm
from worker.source import workload as of_worker


def test_the_workload_serves_where_the_coordinator_looks_for_it():
    assert of_worker.PORT == of_coordinator.PORT == deployment.WORKLOAD_PORT
    assert nginx_config.PORT == cluster.COORDINATOR_PORT == deployment.NGINX_PORT


def test_a_worker_has_an_option_for_each_role_that_the_coordinator_knows():
    roles = {*of_coordinator.ROLES.minimal_deployment, *of_coordinator.ROLES.meta_roles}
    assert {f'role_{role}' for role in roles} == worker_charm.Config.model_fields.keys()


def test_every_location_leads_to_a_role():
    assert {*of_coordinator.LOCATIONS.values()} <= of_coordinator.ROLES.minimal_deployment.keys()


def test_the_demo_and_the_tests_take_roles_from_the_charm():
    assert tuple(of_coordinator.ROLES.minimal_deployment) == deployment.ROLES


def test_the_worker_takes_the_configuration_that_the_coordinator_sends():
    for level in of_coordinator.LOG_LEVELS:
        text = of_coordinator.config(level)
        assert of_worker.checked_config(text) == text
