"""Which Juju the tests drive, and the models they share.

`JUJU` names the program: the local Juju of this repository unless it is set. On a real one, the
current controller must be on Kubernetes, and the charms are packed before (`make pack`).
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

# pytest rewrites the assertions of tests only, so that they show what they compared.
pytest.register_assert_rewrite('checks', 'model', 'traffic')

import jubilant

import baseline
import deployment
from clients import LocalStores, Stores
from cluster import Cluster, KubernetesCluster, LocalCluster
from deployment import ROOT
from localjuju import client
from model import Model

LOCAL_JUJU = ROOT / 'tests' / 'localjuju' / 'bin' / 'juju'
PROGRAM = Path(os.environ.get('JUJU') or LOCAL_JUJU)
IS_LOCAL = PROGRAM == LOCAL_JUJU


@pytest.fixture(scope='session', autouse=True)
def packed_charms() -> None:
    """Say at once what is missing, rather than in each test."""
    charms = (deployment.coordinator(), deployment.worker('worker'))
    missing = [str(application.charm) for application in charms if not application.charm.exists()]
    if missing:
        pytest.exit(f'not packed: {", ".join(missing)}; run `make pack`', returncode=3)
    # The local Juju takes a model down with its owner, so that a killed run leaves nothing.
    os.environ['LOCALJUJU_OWNER'] = str(os.getpid())


@contextlib.contextmanager
def temporary_model(request: pytest.FixtureRequest, name: str) -> Iterator[Model]:
    """Add a model, and destroy it at the end; a failed test shows its last log lines first."""
    juju = jubilant.Juju(cli_binary=PROGRAM)
    juju.add_model(f'{name}-{secrets.token_hex(3)}')
    assert juju.model is not None
    cluster: Cluster
    stores: Stores | None = None
    if IS_LOCAL:
        cluster, stores = LocalCluster(juju.model), LocalStores(client.Model(juju.model))
    else:
        cluster = KubernetesCluster(juju)
    failed_before = request.session.testsfailed
    try:
        yield Model(juju, cluster, stores)
    finally:
        if request.session.testsfailed > failed_before:
            for command in (['status', '--relations'], ['debug-log', '--limit', '1000']):
                with contextlib.suppress(jubilant.CLIError):
                    print(juju.cli(*command))
        juju.destroy_model(juju.model, destroy_storage=True, force=True)


@pytest.fixture(scope='module')
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    """An empty model for the tests of one module."""
    name = request.module.__name__.removeprefix('test_').replace('_', '-')
    with temporary_model(request, name) as model:
        yield model


@pytest.fixture(scope='session')
def shared_model(request: pytest.FixtureRequest) -> Iterator[Model]:
    """The full deployment with its stores, for the tests of several modules."""
    if not IS_LOCAL:
        pytest.skip('the charms of the stores run on the local Juju only; with COS Lite: later')
    with temporary_model(request, 'telemetry') as model:
        yield model


@pytest.fixture
def deployed(shared_model: Model) -> Model:
    """The full deployment, brought back to the baseline if the test before left it elsewhere."""
    shared_model.converge(baseline.APPLICATIONS, baseline.RELATIONS)
    return shared_model
