"""The keys of a bucket, from the user's secret to the workload of each worker, and nowhere else.

podinfo uses no bucket. So the charms here are the packed ones with the few lines that an author
writes in both `workload.py`: podinfo then has the keys in its environment, which it answers at
/env, and the bucket's name in its configuration, which it answers at /.
"""

import base64
import json
import re
import secrets
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import deployment
from deployment import BUCKET, NGINX_PORT, S3, WORKLOAD_PORT, Application
from model import Model, eventually
from traffic import ask

pytestmark = [pytest.mark.usefixtures('stand_ins'), pytest.mark.workload]

COORDINATORS = ('coordinator/0', 'coordinator/1')
APPLICATIONS = [
    deployment.worker(role, role=role, units=2 if role == 'frontend' else 1)
    for role in deployment.ROLES
]
FRONTENDS = ('frontend/0', 'frontend/1')
WORKERS = tuple(unit for application in APPLICATIONS for unit in application.unit_names)
UNITS = (*COORDINATORS, *WORKERS, f'{BUCKET.name}/0')
OF_COORDINATOR = """

import dataclasses


def config_with_bucket(seen: Seen) -> str:
    return config(seen) + (f'ui-message: {json.dumps(seen.s3.bucket)}\\n' if seen.s3 else '')


WORKLOAD = dataclasses.replace(WORKLOAD, config=config_with_bucket)
"""
OF_WORKER = """

class WithBucket(Podinfo):
    s3_ca_file = '/etc/podinfo-s3/ca.pem'

    def service(self, run: worker_workload.Run) -> ops.pebble.ServiceDict:
        found = super().service(run)
        if run.s3:
            found['environment']['AWS_ACCESS_KEY_ID'] = run.s3.access_key
            found['environment']['AWS_SECRET_ACCESS_KEY'] = run.s3.secret_key
        return found


WORKLOAD = WithBucket()
"""
"""What an author adds at the end of a workload.py."""


def with_lines(application: Application, lines: str, folder: Path) -> Application:
    """The application with lines more at the end of its charm's workload.py."""
    charm = folder / application.charm.name
    if not charm.exists():
        with zipfile.ZipFile(application.charm) as packed, zipfile.ZipFile(charm, 'w') as changed:
            for entry in packed.infolist():
                content = packed.read(entry)
                if entry.filename == 'src/workload.py':
                    content += lines.encode()
                changed.writestr(entry, content, entry.compress_type)
    return replace(application, charm=charm)


class Keys:
    """The keys that the user has given last, and all that there ever were."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self.renew()

    def renew(self) -> None:
        """Make others."""
        self.access, self.secret = f'AK{secrets.token_hex(8)}', f'SK{secrets.token_hex(16)}'
        self.all += [self.access, self.secret]

    @property
    def content(self) -> dict[str, str]:
        """As the secret of the user has them."""
        return {'access-key': self.access, 'secret-key': self.secret}

    @property
    def variables(self) -> dict[str, str]:
        """As the workload has them."""
        return {'AWS_ACCESS_KEY_ID': self.access, 'AWS_SECRET_ACCESS_KEY': self.secret}


@pytest.fixture(scope='module')
def keys() -> Keys:
    """The keys of the bucket."""
    return Keys()


@pytest.fixture(scope='module')
def coordinated(model: Model, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Two coordinators, workers of each role, and a provider with a bucket beside them."""
    folder = tmp_path_factory.mktemp('charms')
    model.juju.model_config({'logging-config': '<root>=TRACE'})  # all that may be in the log
    workers = [with_lines(application, OF_WORKER, folder) for application in APPLICATIONS]
    coordinator = with_lines(deployment.coordinator(units=2), OF_COORDINATOR, folder)
    model.deploy(coordinator, *workers, BUCKET)
    model.integrate(*deployment.cluster_relations(workers))
    given = model.juju.add_secret('bucket-keys', keys.content)
    model.juju.grant_secret('bucket-keys', BUCKET.name)
    options = {'endpoint': 'http://store.example:9000', 'bucket': 'blocks', 'region': 'eu-1'}
    model.juju.config(BUCKET.name, {**options, 'credentials': str(given)})
    model.wait_active()
    eventually(lambda: ask(model, 'coordinator'))
    return model


@pytest.fixture
def served(coordinated: Model, keys: Keys) -> Model:
    """The same with the relation, and workers that have the keys."""
    apps = coordinated.juju.status().apps
    if not apps['coordinator'].relations.get('s3'):
        coordinated.integrate(S3)
    wait_for(coordinated, keys.variables)
    return coordinated


def wait_for(model: Model, wanted: dict[str, str]) -> None:
    """Wait until the workload of every worker has exactly these variables, and all is settled."""

    def check() -> None:
        for unit in WORKERS:
            assert variables(model, unit) == wanted, unit

    eventually(check)
    model.wait_active()


def variables(model: Model, unit: str) -> dict[str, str]:
    """What a worker's podinfo, as it runs, has in its environment of a bucket's keys."""
    found = dict(
        line.partition('=')[::2] for line in model.cluster.http(unit, WORKLOAD_PORT, '/env').json()
    )
    return {name: value for name, value in found.items() if name.startswith('AWS_')}


def message(model: Model) -> str:
    """What podinfo's configuration has it say."""
    return model.cluster.http('coordinator', NGINX_PORT).json()['message']


def started(model: Model, unit: str) -> float:
    """When a worker's podinfo started, in seconds since the epoch."""
    metrics = model.cluster.http(unit, WORKLOAD_PORT, '/metrics').body.decode()
    match = re.search(r'^process_start_time_seconds (\S+)$', metrics, re.MULTILINE)
    assert match
    return float(match[1])


def own_secrets(model: Model) -> list[str]:
    """The ids of the secrets of the coordinator's application."""
    return [str(one.uri) for one in model.juju.secrets() if one.owner == 'coordinator']


def published(model: Model) -> list[dict[str, str]]:
    """What the coordinator publishes to each application of workers."""
    return [
        databag
        for application in APPLICATIONS
        for databag in model.application_data(f'{application.name}/0', 'cluster')
    ]


def everywhere(model: Model) -> dict[str, str]:
    """What anyone may read who may look at the model: databags, the log, statuses, an action."""
    shown = {unit: model.juju.cli('show-unit', unit) for unit in UNITS}
    shown['log'] = model.juju.cli('debug-log', '--replay', '--no-tail', '--level', 'TRACE')
    shown['status'] = model.juju.cli('status', '--format', 'json', '--relations')
    shown['secrets'] = model.juju.cli('secrets', '--format', 'json')
    for unit in COORDINATORS:
        shown[f'{unit}, action'] = str(model.juju.run(unit, 'show-telemetry').results)
    return shown


def places(model: Model, texts: list[str]) -> list[str]:
    """Where one of the texts is."""
    return [
        place for place, shown in everywhere(model).items() if any(text in shown for text in texts)
    ]


class Requests(threading.Thread):
    """Sends one request after the other through the coordinator, and keeps what failed."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self._model = model
        self._over = threading.Event()
        self.failures: list[str] = []

    def run(self) -> None:
        """Ask until it is over."""
        while not self._over.wait(0.02):
            try:
                assert self._model.cluster.http('coordinator', NGINX_PORT).status == 200
            except (AssertionError, OSError) as error:
                self.failures.append(repr(error))

    def __enter__(self) -> 'Requests':
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


def test_every_worker_has_the_keys_and_the_bucket_in_its_configuration(
    served: Model, keys: Keys
) -> None:
    for unit in WORKERS:
        assert variables(served, unit) == keys.variables
    assert message(served) == 'blocks'


def test_they_come_in_one_secret_that_the_workers_may_read(served: Model, keys: Keys) -> None:
    [uri] = own_secrets(served)
    assert [json.loads(databag['s3_secret_id']) for databag in published(served)] == [uri] * len(
        APPLICATIONS
    )
    for unit in WORKERS:
        content = served.juju.exec(f'secret-get {uri} --format json', unit=unit).stdout
        assert keys.content.items() <= json.loads(content).items()


def test_they_are_in_no_databag_log_or_status(served: Model, keys: Keys) -> None:
    assert 'blocks' in served.juju.cli('show-unit', 'coordinator/0')  # so databags are seen
    assert places(served, ['blocks']) != []
    assert places(served, keys.all) == []


def test_the_stores_ca_is_a_file_of_each_worker(served: Model) -> None:
    request = 'openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=store -keyout /dev/null'
    chain = served.run('coordinator/0', *request.split())
    chain = chain[chain.index('-----BEGIN CERTIFICATE') :].strip()
    encoded = base64.b64encode(chain.encode()).decode()
    served.juju.config(BUCKET.name, {'tls-ca-chain': encoded})

    check_files(served, ['/etc/podinfo-s3/ca.pem'])
    for unit in WORKERS:
        assert served.run(unit, 'cat', '/etc/podinfo-s3/ca.pem').strip() == chain
    served.juju.config(BUCKET.name, reset='tls-ca-chain')
    check_files(served, [])


def check_files(model: Model, wanted: list[str]) -> None:
    """Wait until each worker has exactly these files of the bucket."""

    def check() -> None:
        for unit in WORKERS:
            found = model.run(unit, 'find', '/etc', '-path', '/etc/podinfo-s3/*')
            assert found.split() == wanted, unit

    eventually(check)
    model.wait_active()


def test_new_keys_reach_all_in_turn_and_no_request_fails(served: Model, keys: Keys) -> None:
    before = {unit: started(served, unit) for unit in WORKERS}
    with Requests(served) as requests:
        keys.renew()
        served.juju.update_secret('bucket-keys', keys.content)
        wait_for(served, keys.variables)
    assert requests.failures == []
    after = {unit: started(served, unit) for unit in WORKERS}
    assert all(after[unit] > before[unit] for unit in WORKERS)
    # After SIGTERM podinfo serves for another 3 s. So the second one was asked to stop when the
    # first one ran again.
    first, second = sorted(after[unit] for unit in FRONTENDS)
    assert second - first >= 3
    assert len(own_secrets(served)) == 1
    assert places(served, keys.all) == []


def test_a_new_leader_keeps_the_secret(served: Model, keys: Keys) -> None:
    before = own_secrets(served)
    runs = {unit: started(served, unit) for unit in WORKERS}
    served.cluster.depose_leader('coordinator')
    served.wait_active()
    assert own_secrets(served) == before
    wait_for(served, keys.variables)
    assert {unit: started(served, unit) for unit in WORKERS} == runs


@pytest.fixture
def in_version_0(served: Model, keys: Keys) -> Iterator[Model]:
    """With a provider that knows version 0 alone."""
    served.juju.config(BUCKET.name, {'interface-version': 0})

    def is_told() -> None:
        [databag] = served.application_data('coordinator/0', 's3')
        assert databag.get('secret-key') == keys.secret

    eventually(is_told)
    yield served
    served.juju.config(BUCKET.name, reset='interface-version')
    served.wait_active()


def test_with_a_provider_of_version_0_the_workers_get_them_in_a_secret_too(
    in_version_0: Model, keys: Keys
) -> None:
    model = in_version_0
    keys.renew()
    model.juju.update_secret('bucket-keys', keys.content)
    wait_for(model, keys.variables)
    # The provider's own databag, as its other side sees it.
    assert set(places(model, keys.all)) == set(COORDINATORS)


def test_without_the_relation_the_secret_is_gone_and_the_workloads_have_no_keys(
    served: Model,
) -> None:
    served.juju.remove_relation(*S3)
    wait_for(served, {})
    assert own_secrets(served) == []
    assert all('s3_secret_id' not in databag for databag in published(served))
    assert message(served) != 'blocks'
    for unit in WORKERS:
        assert 'AWS_' not in json.dumps(served.plan(unit))
