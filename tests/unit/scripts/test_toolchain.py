"""What the project's own setup brings, beside what the local Juju's does."""

import types

import pytest

import setup
from localjuju import setup as localjuju_setup
from localjuju.common import components


def names(*wanted: str) -> list[str]:
    return [component.name for component in components.selected(setup.COMPONENTS, wanted)]


def test_all_is_the_projects_own_and_the_local_jujus():
    own = {'tools', 'pack', 'load'}
    assert set(names()) == own | {component.name for component in localjuju_setup.COMPONENTS}


def test_packing_needs_the_tools_and_nothing_of_the_local_juju():
    assert names('pack') == ['tools', 'pack']
    assert names('tools') == ['tools']


@pytest.mark.parametrize('lxd', [False, True])
def test_charmcraft_finds_installed_what_it_would_install_itself(monkeypatch, lxd):
    listing = 'findutils ii \npython3-dev rc \n'
    monkeypatch.setattr(
        components.subprocess, 'run', lambda *_, **__: types.SimpleNamespace(stdout=listing)
    )
    monkeypatch.setattr(setup, 'lxd', lambda: lxd)
    monkeypatch.setattr(setup, 'missing_programs', lambda programs: [])
    monkeypatch.setattr(setup.environments, 'charmcraft_ready', lambda: True)
    assert list(setup.PACK.packages()) == ([] if lxd else ['python3-dev', 'python3-venv'])
