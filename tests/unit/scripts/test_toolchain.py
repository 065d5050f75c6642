"""What the project's own setup brings, beside what the local Juju's does."""

import configparser
import fnmatch
import json
import re
import subprocess
import types
from pathlib import Path

import pytest
import yaml

import demo
import environments
import setup
from localjuju import setup as localjuju_setup
from localjuju.common import components, pythons

ROOT = Path(__file__).resolve().parents[3]


def names(*wanted: str) -> list[str]:
    return [component.name for component in components.selected(setup.COMPONENTS, wanted)]


def test_all_is_the_projects_own_and_the_local_jujus():
    own = {'tools', 'pack', 'load', 'other-side'}
    assert set(names()) == own | {component.name for component in localjuju_setup.COMPONENTS}


def test_packing_needs_the_tools_and_nothing_of_the_local_juju():
    assert names('pack') == ['tools', 'pack']
    assert names('tools') == ['tools']


def test_the_demo_sets_up_nothing_for_load_or_unit_tests_and_no_collector():
    assert set(names()) - set(names(*demo.COMPONENTS)) == {'load', 'other-side', 'extra-images'}


def test_charmcraft_is_installed_where_uv_sees_no_project_of_other_versions(monkeypatch, tmp_path):
    """uv reads constraints from the pyproject.toml of the folder that it runs in, or above."""
    monkeypatch.setenv('COORDINATED_TELEMETRY_CACHE', str(tmp_path))
    seen: list[Path] = []
    monkeypatch.setattr(environments, 'run', lambda *_, cwd=Path(), **__: seen.append(cwd))
    monkeypatch.setattr(environments, '_link_apt', lambda _: None)
    monkeypatch.setattr(environments.venvs, 'make', lambda *_: None)
    monkeypatch.setattr(environments.venvs, 'finish', lambda _: None)
    environments.install_charmcraft()
    assert seen == [environments.charmcraft_dir()]
    assert seen[0].is_relative_to(tmp_path)


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


# What finds a Python


def test_tox_passes_on_all_that_leads_to_a_python():
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / 'tox.ini')
    passed = [*tox['testenv']['pass_env'].split(), 'PATH']  # which tox passes anyway
    lost = [v for v in pythons.VARIABLES if not any(fnmatch.fnmatch(v, p) for p in passed)]
    assert lost == []


def made(target: str, *variables: str) -> str:
    """The commands of a target of the Makefile."""
    command = ['make', '--dry-run', target, *variables]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ('variables', 'packed'),
    [
        ([], ['coordinator-charm', 'worker-charm']),
        (['COORDINATOR_CHARM_PATH=a.charm'], ['worker-charm']),
        (['WORKER_CHARM_PATH=b.charm'], ['coordinator-charm']),
        (['COORDINATOR_CHARM_PATH=a.charm', 'WORKER_CHARM_PATH=b.charm'], []),
    ],
)
def test_charms_that_are_named_are_not_packed(monkeypatch, variables: list[str], packed):
    for name in 'COORDINATOR_CHARM_PATH', 'WORKER_CHARM_PATH':
        monkeypatch.delenv(name, raising=False)
    commands = made('integration', 'JUJU=juju', *variables).splitlines()
    charms = [line.split()[2:] for line in commands if line.startswith('python3 scripts/pack.py')]
    examples = charms.pop()
    assert all('/examples/' in folder for folder in examples)
    assert charms == ([packed] if packed else [])


def test_tox_passes_on_which_charms_to_deploy():
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / 'tox.ini')
    passed = tox['testenv']['pass_env'].split()
    assert {'COORDINATOR_CHARM_PATH', 'WORKER_CHARM_PATH'} <= {*passed}


@pytest.mark.parametrize('target', ['lint', 'test'])
def test_a_charmlint_that_cannot_run_is_named_at_the_end(target: str):
    commands = made(target, 'CHARMLINT_PYTHON=')
    assert '-e lint,static\n' in commands
    assert 'SKIPPED charmlint: it needs Python 3.12' in commands.splitlines()[-1]


def test_a_charmlint_that_can_run_runs():
    commands = made('lint', 'CHARMLINT_PYTHON=/opt/python3.12')
    assert 'CHARMLINT_PYTHON=/opt/python3.12 tox run -e lint,static,charmlint\n' in commands
    assert 'SKIPPED' not in commands


def test_a_real_juju_gets_the_charms_under_test_and_nothing_of_the_local_one():
    commands = made('pack', 'JUJU=juju')
    assert 'setup.py tools pack\n' in commands
    assert 'pack.py coordinator-charm worker-charm \n' in commands
    assert 'tests/stores/loki' in made('pack', 'JUJU=')


# What runs elsewhere


@pytest.mark.parametrize('workflow', sorted((ROOT / '.github/workflows').glob('*.yaml')))
def test_a_workflow_may_only_read_and_pins_what_it_uses_by_commit(workflow: Path):
    text = workflow.read_text()
    parsed = yaml.safe_load(text)
    assert parsed['permissions'] == {}
    for job in parsed['jobs'].values():
        assert job['permissions'] == {'contents': 'read'}
        assert job['timeout-minutes'] <= 180
    used = re.findall(r'uses: *(.*)', text)
    assert used
    assert all(re.fullmatch(r'[\w/-]+@[0-9a-f]{40} # v[\d.]+', one) for one in used), used


def test_the_workflows_run_what_a_contributor_runs():
    workflows = {path.stem: path.read_text() for path in (ROOT / '.github/workflows').glob('*')}
    assert workflows.keys() == {'ci', 'cos-lite'}
    assert '.ci/run' in workflows['ci']
    command = "make integration JUJU=juju ARGS='-n 0"
    assert command in workflows['cos-lite']
    assert command in (ROOT / 'docs/cos-lite.md').read_text()


def test_what_renovate_looks_for_is_there():
    renovate = json.loads((ROOT / 'renovate.json').read_text())
    [images] = renovate['customManagers']
    [pattern], [files] = images['matchStrings'], images['managerFilePatterns']
    pattern = pattern.replace('(?<', '(?P<')
    found = {
        match['depName']
        for charm in ('coordinator-charm', 'worker-charm')
        if re.search(files.strip('/'), f'{charm}/charmcraft.yaml')
        for match in re.finditer(pattern, (ROOT / charm / 'charmcraft.yaml').read_text())
    }
    assert found == {'nginx', 'nginx/nginx-prometheus-exporter', 'ghcr.io/stefanprodan/podinfo'}
