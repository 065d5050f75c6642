"""The workload as its coordinator sees it: it has to be the worker's."""

import typing

import pytest
import yaml

from coordinated_telemetry import cluster
from coordinator import scene
from coordinator.source import description, nginx_timeouts, own_workload, state
from worker.source import own_workload as of_worker

workload = own_workload.WORKLOAD


@pytest.mark.parametrize('level', own_workload.LOG_LEVELS)
def test_its_configuration_is_one_that_the_worker_takes(level):
    text = workload.config(description.Seen(level, cluster.Workers()))
    assert of_worker.WORKLOAD.checked_config(text) == text
    assert yaml.safe_load(text) == {
        'level': own_workload.LOG_LEVELS[level],
        # Longer than nginx waits, so that it is nginx that gives up first.
        'http-client-timeout': f'{nginx_timeouts.READ_TIMEOUT + 5}s',
    }


def test_every_log_level_of_the_option_has_its_word():
    assert {*own_workload.LOG_LEVELS} == {
        *typing.get_args(state.Config.model_fields['log_level'].annotation)
    }
    default = scene.SPECIFICATION['config']['options']['log-level']['default']
    assert state.Config().log_level == default


def test_every_path_leads_to_a_role_and_every_required_role_has_a_path():
    assert {*workload.locations.values()} == {*workload.roles.minimal_deployment}


def test_a_meta_role_stands_for_roles_that_there_are():
    for name, roles in workload.roles.meta_roles.items():
        assert workload.roles.expand(name) == tuple(sorted(roles))
        assert {*roles} <= {*workload.roles.minimal_deployment}
