"""The workload as its coordinator sees it: it has to be the worker's."""

import typing

import pytest
import yaml

from coordinator import scene
from coordinator.source import nginx_config, state
from coordinator.source import own_workload as workload
from worker.source import workload as of_worker


@pytest.mark.parametrize('level', workload.LOG_LEVELS)
def test_its_configuration_is_one_that_the_worker_takes(level):
    text = workload.config(level)
    assert of_worker.checked_config(text) == text
    assert yaml.safe_load(text) == {
        'level': workload.LOG_LEVELS[level],
        # Longer than nginx waits, so that it is nginx that gives up first.
        'http-client-timeout': f'{nginx_config.READ_TIMEOUT + 5}s',
    }


def test_every_log_level_of_the_option_has_its_word():
    assert {*workload.LOG_LEVELS} == {
        *typing.get_args(state.Config.model_fields['log_level'].annotation)
    }
    default = scene.SPECIFICATION['config']['options']['log-level']['default']
    assert state.Config().log_level == default


def test_it_is_where_the_worker_serves_it():
    assert workload.PORT == of_worker.PORT


def test_every_path_leads_to_a_role_and_every_required_role_has_a_path():
    assert {*workload.LOCATIONS.values()} == {*workload.ROLES.minimal_deployment}


def test_a_meta_role_stands_for_roles_that_there_are():
    for name, roles in workload.ROLES.meta_roles.items():
        assert workload.ROLES.expand(name) == tuple(sorted(roles))
        assert {*roles} <= {*workload.ROLES.minimal_deployment}
