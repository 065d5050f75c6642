"""What the tests and the demo deploy, as Juju gets it."""

from pathlib import Path

import pytest

import deployment

VARIABLES = (deployment.COORDINATOR_CHARM_PATH, deployment.WORKER_CHARM_PATH)


def test_a_charms_images_are_those_of_its_charmcraft_yaml() -> None:
    assert deployment.upstream_sources('worker-charm') == {
        'workload-image': 'ghcr.io/stefanprodan/podinfo:6.9.2'
    }
    assert deployment.upstream_sources('coordinator-charm') == {
        'nginx-image': 'nginx:1.30.4',
        'nginx-prometheus-exporter-image': 'nginx/nginx-prometheus-exporter:1.5.1',
    }


@pytest.mark.parametrize(
    ('role', 'options'),
    [
        ('all', ['role-all=true']),
        ('frontend', ['role-all=false', 'role-frontend=true']),
        ('', ['role-all=false']),
    ],
)
def test_a_role_is_an_option_of_the_worker(role: str, options: list[str]) -> None:
    arguments = deployment.deploy_arguments(deployment.worker('w', role=role, units=2))
    assert arguments[0] == 'deploy'
    assert arguments[2:5] == ['w', '--num-units', '2']
    given = [arguments[i + 1] for i, word in enumerate(arguments) if word == '--config']
    assert given == options


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder in which the tests run, with nothing packed and nothing named."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(deployment, 'BUILD', tmp_path / 'build')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def charms() -> list[Path]:
    return [deployment.coordinator().charm, deployment.worker('w').charm]


def pack(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.touch()


def test_a_charm_that_is_named_is_deployed_instead_of_ours(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = charms()
    for number, variable in enumerate(VARIABLES):
        monkeypatch.setenv(variable, './other.charm')
        expected = [*ours]
        expected[number] = checkout / 'other.charm'
        assert charms() == expected
        monkeypatch.setenv(variable, '')  # as if it were not there
        assert charms() == ours


def test_charms_that_are_not_packed_are_named_with_the_command_that_packs_them(
    checkout: Path,
) -> None:
    coordinator, worker = charms()
    assert deployment.lacking() == f'not packed: {coordinator}, {worker}; run `make pack`'
    pack(coordinator)
    assert deployment.lacking() == f'not packed: {worker}; run `make pack`'
    pack(worker)
    assert deployment.lacking() == ''


def test_a_variable_that_names_no_file_is_said_to(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(*charms())
    for variable in VARIABLES:
        monkeypatch.setenv(variable, 'other.charm')
        expected = f'{variable} names no packed charm: {checkout / "other.charm"}'
        assert deployment.lacking() == expected
        monkeypatch.setenv(variable, str(checkout))  # a folder is none either
        assert deployment.lacking() == f'{variable} names no packed charm: {checkout}'
        monkeypatch.delenv(variable)


def test_a_charm_that_is_named_needs_no_packing_of_ours_or_of_the_other(checkout: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for variable in VARIABLES:
            pack(checkout / variable / 'my.charm')
            patch.setenv(variable, str(checkout / variable / 'my.charm'))
        assert deployment.lacking() == ''
