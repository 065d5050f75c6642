"""Options of each type, a secret of the user, and an action with typed parameters."""

import json
import pathlib
from typing import Any

import jubilant
import pytest
import yaml

FOLDER = pathlib.Path(__file__).parents[2]
METADATA = yaml.safe_load((FOLDER / 'charmcraft.yaml').read_text())
RESOURCES = {name: r['upstream-source'] for name, r in METADATA['resources'].items()}
APP = 'greeting'
UNIT = f'{APP}/0'


def wait_for_status(juju: jubilant.Juju, current: str, message: str) -> None:
    """Wait until the unit has exactly this status, and its agent is idle."""

    def ready(status: jubilant.Status) -> bool:
        app = status.apps.get(APP)
        workload = app.units[UNIT].workload_status if app and UNIT in app.units else None
        return (
            workload is not None
            and (workload.current, workload.message) == (current, message)
            and jubilant.all_agents_idle(status)
        )

    juju.wait(ready, error=jubilant.any_error, timeout=600)


def served(juju: jubilant.Juju, path: str, port: int = 9898) -> Any:
    """What the server answers, from within its container."""
    url = f'http://localhost:{port}{path}'
    return json.loads(juju.ssh(UNIT, 'curl', '-s', url, container='web'))


@pytest.mark.juju_setup
def test_deploy(juju: jubilant.Juju, charm: pathlib.Path) -> None:
    juju.deploy(charm, APP, resources=RESOURCES, config={'message': 'good morning'})
    wait_for_status(juju, 'active', 'serving "good morning" on 9898')
    assert served(juju, '/api/info')['message'] == 'good morning'


def test_options_have_their_types(juju: jubilant.Juju) -> None:
    assert juju.config(APP) == {
        'message': 'good morning',
        'port': 9898,
        'timeout': 2.5,
        'random-error': False,
    }


def test_options_are_changed_and_reset(juju: jubilant.Juju) -> None:
    juju.config(APP, {'message': 'good evening', 'port': 8080, 'timeout': 0.5})
    wait_for_status(juju, 'active', 'serving "good evening" on 8080')
    assert served(juju, '/api/info', 8080)['message'] == 'good evening'
    assert juju.status().apps[APP].units[UNIT].open_ports == ['8080/tcp']
    juju.config(APP, reset=['message', 'port', 'timeout'])
    wait_for_status(juju, 'active', 'serving "hello" on 9898')
    assert juju.config(APP)['timeout'] == 2.5


@pytest.mark.parametrize(
    'values', [{'port': 'many'}, {'random-error': 'maybe'}, {'timeout': 'soon'}, {'nonesuch': 1}]
)
def test_juju_refuses_what_an_option_cannot_be(juju: jubilant.Juju, values: dict) -> None:
    (name,) = values
    with pytest.raises(jubilant.CLIError, match=f'option "{name}"'):
        juju.config(APP, values)


def test_the_charm_names_an_option_that_makes_no_sense(juju: jubilant.Juju) -> None:
    juju.config(APP, {'port': 80})
    wait_for_status(juju, 'blocked', '[config] port: 80 is not between 1024 and 65535')
    assert served(juju, '/api/info')['message'] == 'hello'
    juju.config(APP, reset='port')
    wait_for_status(juju, 'active', 'serving "hello" on 9898')


def test_a_token_comes_from_a_secret_of_the_user(juju: jubilant.Juju) -> None:
    token = juju.add_secret('token', {'value': 'first'})
    juju.config(APP, {'token': token})
    wait_for_status(juju, 'blocked', '[config] token: grant it to this application')
    juju.grant_secret(token, APP)
    # Juju tells nobody about a grant.
    juju.config(APP, {'message': 'hi'})
    wait_for_status(juju, 'active', 'serving "hi" on 9898 with a token')
    assert 'TOKEN=first' in served(juju, '/env')
    juju.update_secret(token, {'value': 'second'})
    juju.wait(lambda _: 'TOKEN=second' in served(juju, '/env'), timeout=600)


def test_the_action_checks_its_parameters(juju: jubilant.Juju) -> None:
    for wrong in (
        {'show-token': 'yes please'},
        {'indent': 9},
        {'indent': 'two'},
        {'options': []},
        {'options': ['token']},
        {'nonesuch': 1},
    ):
        with pytest.raises((ValueError, jubilant.CLIError), match='validation failed'):
            juju.run(UNIT, 'describe', wrong)


def test_the_action_shows_the_config(juju: jubilant.Juju) -> None:
    shown = juju.run(UNIT, 'describe').results
    assert shown.keys() == {'config'}
    assert json.loads(shown['config']) == {
        'message': 'hi',
        'port': 9898,
        'timeout': 2.5,
        'random-error': False,
    }
    shown = juju.run(
        UNIT, 'describe', {'options': ['port'], 'indent': 0, 'show-token': True}
    ).results
    assert shown == {'config': '{\n"port": 9898\n}', 'token': 'second'}


@pytest.mark.juju_teardown
def test_remove(juju: jubilant.Juju) -> None:
    juju.remove_application(APP)
    juju.wait(lambda status: APP not in status.apps, timeout=600)
