"""What the tests and the demo deploy, as Juju gets it."""

import pytest

import deployment


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
