"""Which Juju the tests drive, and the models they share.

`JUJU` names the program: the local Juju of this repository unless it is set. On a real one, the
current controller must be on Kubernetes. The charms are packed before (`make pack`), or named by
`COORDINATOR_CHARM_PATH` and `WORKER_CHARM_PATH`.
"""

import argparse
import contextlib
import os
import secrets
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

# pytest rewrites the assertions of tests only, so that they show what they compared.
pytest.register_assert_rewrite('checks', 'model', 'switching', 'tls_baseline', 'traffic')

import jubilant
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

import baseline
import cos_lite
import deployment
import tls_baseline
from clients import LocalStores, StoreError, Stores
from cluster import Cluster, KubernetesCluster, LocalCluster
from localjuju import client
from localjuju.common import pythons
from model import Model, end_run_in_vain, watched
from this_juju import IS_LOCAL, PROGRAM, STAND_INS

SHARED_MODELS = {
    'shared_model': (
        'actions',
        'dashboards',
        'flows',
        'life_cycle',
        'quiet',
        'relations',
        'rules',
    ),
    'tls_model': ('store_tls', 'tls_hops'),
}
"""The modules whose tests share a model, by the fixture that gives it to them."""


class ByModel(LoadScopeScheduling):
    """Runs the tests of different models side by side, and those of one model in their order."""

    def _split_scope(self, nodeid: str) -> str:
        module = Path(nodeid.partition('::')[0]).stem.removeprefix('test_')
        return next((name for name, modules in SHARED_MODELS.items() if module in modules), module)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByModel:
    """With several processes, each takes one model after the other."""
    return ByModel(config, log)


_options: argparse.Namespace
"""Those of pytest-jubilant among others. Its own fixtures give each module models of its own."""


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say at once what is missing, rather than in each test."""
    global _options  # noqa: PLW0603 models are added by fixtures and by tests
    _options = session.config.option
    if lacking := deployment.lacking():
        pytest.exit(lacking, returncode=3)
    # The local Juju takes a model down with its owner, so that a killed run leaves nothing.
    os.environ['LOCALJUJU_OWNER'] = 'none' if _options.no_juju_teardown else str(os.getpid())
    os.environ['LOCALJUJU_CHARMS'] = str(STAND_INS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Hold `SHARED_MODELS` to the tests: a module that it lacks would get a model of its own."""
    for item in items:
        module = item.path.stem.removeprefix('test_')
        for name in SHARED_MODELS.keys() & {*getattr(item, 'fixturenames', ())}:
            if module not in SHARED_MODELS[name]:
                raise pytest.UsageError(f'{name} is not said to be shared by test_{module}.py')


@pytest.fixture
def find_python() -> Callable[[str], Path]:
    """Gives the program of a version of Python, such as 3.12."""

    def find(version: str) -> Path:
        python = pythons.find(version)
        assert python, f'packed for Python {version}, which this machine lacks'
        return python.executable

    return find


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failed test what its model looked like then; end the run if it is in vain."""
    report = yield
    end_run_in_vain(item.session, call.excinfo.value if call.excinfo else None)
    models = [v for v in getattr(item, 'funcargs', {}).values() if isinstance(v, Model)]
    if report.failed and models:
        model = models[0]
        shown = {
            'juju status': lambda: model.juju.cli('status', '--relations'),
            'juju debug-log': lambda: model.juju.cli('debug-log', '--limit', '300'),
            'scrape targets': lambda: '\n'.join(map(str, model.stores.targets())),
        }
        for title, show in shown.items():
            # What cannot be shown must not hide why the test failed.
            with contextlib.suppress(
                jubilant.CLIError, OSError, StoreError, pytest.skip.Exception
            ):
                report.sections.append((title, show()))
    return report


@contextlib.contextmanager
def temporary_model(name: str) -> Iterator[Model]:
    """Add a model, and destroy it at the end, as the options of pytest-jubilant say."""
    juju = jubilant.Juju(cli_binary=PROGRAM)
    given = _options.juju_model
    juju.add_model(
        f'{given}-{name}' if given else f'{name}-{secrets.token_hex(3)}',
        cloud=_options.juju_cloud,
        controller=_options.juju_controller,
    )
    assert juju.model is not None
    cluster: Cluster
    stores: Stores | None = None
    if IS_LOCAL:
        cluster, stores = LocalCluster(juju.model), LocalStores(client.Model(juju.model))
    else:
        cluster = KubernetesCluster(juju)
    try:
        with watched(Model(juju, cluster, stores)) as model:
            yield model
    finally:
        if folder := _options.juju_dump_logs:
            folder.mkdir(parents=True, exist_ok=True)
            log = folder / f'{juju.model.replace(":", "-")}-juju-debug.log'
            log.write_text(juju.debug_log())
        if not _options.no_juju_teardown:
            juju.destroy_model(juju.model, destroy_storage=True, force=True)


@pytest.fixture(scope='session')
def stand_ins() -> None:
    """For tests that set options which only the stand-ins in tests/stores have."""
    if not IS_LOCAL:
        pytest.skip('the charm that stands in for another runs on the local Juju only')


@pytest.fixture(scope='module')
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    """An empty model for the tests of one module."""
    name = request.module.__name__.removeprefix('test_').replace('_', '-')
    with temporary_model(name) as model:
        yield model


@pytest.fixture(scope='session')
def shared_model() -> Iterator[Model]:
    """The full deployment with its stores, for the tests of several modules.

    On a real Juju, the stores are those of COS.
    """
    with temporary_model('telemetry') as model:
        yield cos_lite.with_stores(model)


@pytest.fixture(scope='session')
def tls_model() -> Iterator[Model]:
    """The deployment of `tls_baseline`, in the state in which the test before left it."""
    if not IS_LOCAL:
        pytest.skip('the stores and the sniffer run on the local Juju only')
    if not deployment.WORKLOAD_TLS_PORT:
        pytest.skip('the workload serves no TLS')
    with temporary_model('tls') as model:
        tls_baseline.deploy(model)
        yield model


@pytest.fixture
def deployed(shared_model: Model) -> Model:
    """The full deployment, brought back to the baseline if the test before left it elsewhere."""
    shared_model.converge(baseline.APPLICATIONS, baseline.RELATIONS)
    return shared_model
