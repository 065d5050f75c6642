"""The containers of a worker: what they run, in which order it changes, and what goes."""

import dataclasses
from collections.abc import Mapping

import ops
import pytest
from ops import testing

from coordinated_telemetry import topology, worker_running, worker_tls, worker_workload
from coordinated_telemetry.workloads import Ports

WORKER = topology.Topology('m', '7c1a34b8-7d0f-4b8e-8f0e-1b1a2c3d4e5f', 'w', 'w/0', 'w-k8s')
RUN = worker_workload.Run(('all',), 'a: b\n', 'http://front:8080', WORKER)


class Store(worker_workload.Workload):
    """A workload with an exporter beside it."""

    name = 'store'
    ports = Ports(6379, tls=6380)
    sidecars = ('exporter',)
    config_file = '/srv/store.conf'
    ca_file = '/srv/ca.pem'
    certificate_folder = '/srv/tls'
    traces = ('otlp_http',)
    traces_ca_file = '/srv/traces-ca.pem'
    version_command = ('store', '--version')

    def service(self, run: worker_workload.Run) -> ops.pebble.ServiceDict:
        return {'command': 'store'}

    def sidecar_layers(self, run: worker_workload.Run) -> Mapping[str, ops.pebble.LayerDict]:
        service: ops.pebble.ServiceDict = {
            'override': 'replace',
            'command': 'exporter',
            'startup': 'enabled',
        }
        return {'exporter': {'services': {'exporter': service}}}

    def version_in(self, said: str) -> str:
        return said.rpartition(' ')[2].strip()


class Toy(ops.CharmBase):
    """A charm that does nothing by itself."""


class Pod:
    """The containers, whose files stay from one action to the next."""

    def __init__(self, folder):
        self._folder = folder
        meta = {'name': 'toy', 'containers': {'workload': {}, 'exporter': {}}}
        self._ctx = testing.Context(Toy, meta=meta)
        self.state = testing.State(
            containers=[self.container('workload'), self.container('exporter')]
        )

    def container(self, name, *, can_connect=True):
        mounts = {'srv': testing.Mount(location='/srv', source=self._folder)}
        execs = {testing.Exec(['store', '--version'], stdout='store 1.2.3\n')}
        return testing.Container(name, can_connect=can_connect, mounts=mounts, execs=execs)

    def act(self, action):
        """What `action` returns for the runner of the unit."""
        with self._ctx(self._ctx.on.update_status(), self.state) as manager:
            result = action(worker_running.Runner(manager.charm.unit, Store()))
            self.state = manager.run()
        return result

    def files(self):
        found = [path for path in self._folder.rglob('*') if path.is_file()]
        return {str(path.relative_to(self._folder)) for path in found}

    def environment(self):
        return self.state.get_container('workload').plan.services['store'].environment


@pytest.fixture
def pod(tmp_path):
    return Pod(tmp_path)


CERTIFICATE = worker_tls.Certificate('CHAIN', 'KEY')
SERVING = dataclasses.replace(
    RUN, schemes=('http', 'https'), certificate_sha256=CERTIFICATE.sha256
)


def test_both_containers_run_and_the_second_time_nothing_is_done(pod):
    assert pod.act(lambda runner: runner.ensure_running(RUN))
    plans = {one.name: [*one.plan.services] for one in pod.state.containers}
    assert plans == {'workload': ['store'], 'exporter': ['exporter']}
    assert pod.act(lambda runner: runner.is_running())
    assert pod.act(lambda runner: runner.has_layers(RUN))
    assert not pod.act(lambda runner: runner.ensure_running(RUN))


def test_a_container_that_is_away_waits_alone(pod):
    away = pod.container('exporter', can_connect=False)
    pod.state = dataclasses.replace(
        pod.state, containers=[pod.state.get_container('workload'), away]
    )
    assert pod.act(lambda runner: runner.ensure_running(RUN))
    assert pod.act(lambda runner: runner.unreachable()) == ['exporter']
    assert pod.act(lambda runner: [one.name for one in runner.reachable]) == ['workload']
    assert pod.act(lambda runner: runner.has_layers(RUN))


def test_it_says_what_it_serves_once_the_files_are_there(pod):
    assert pod.act(lambda runner: runner.serving()) == worker_tls.Serving()
    pod.act(lambda runner: runner.ensure_running(SERVING, CERTIFICATE))
    both = ('http', 'https')
    assert pod.act(lambda runner: runner.serving()) == worker_tls.Serving(both, CERTIFICATE.sha256)
    for path in [*pod._folder.rglob('tls.key')]:
        path.unlink()
    assert pod.act(lambda runner: runner.serving()) == worker_tls.Serving(both, '')


def test_a_certificate_goes_when_another_is_served(pod):
    pod.act(lambda runner: runner.ensure_running(SERVING, CERTIFICATE))
    other = worker_tls.Certificate('OTHER', 'KEY')
    run = dataclasses.replace(SERVING, certificate_sha256=other.sha256)
    pod.act(lambda runner: runner.ensure_running(run, other))
    names = {'store.conf', f'tls/{other.sha256}/tls.crt', f'tls/{other.sha256}/tls.key'}
    assert pod.files() == names
    pod.act(lambda runner: runner.ensure_running(RUN))
    assert pod.files() == {'store.conf'}


def test_without_traces_it_runs_on_as_it_is(pod):
    run = dataclasses.replace(RUN, traces='https://t', traces_ca='PEM')
    pod.act(lambda runner: runner.ensure_running(run))
    before = pod.environment()
    assert 'traces-ca.pem' in pod.files()
    assert pod.act(lambda runner: runner.ensure_untraced())
    assert pod.environment() == {key: value for key, value in before.items() if 'OTEL_' not in key}
    assert pod.environment()
    assert pod.files() == {'store.conf'}
    assert not pod.act(lambda runner: runner.ensure_untraced())


def test_the_configuration_is_what_the_container_has(pod):
    assert pod.act(lambda runner: runner.read_config()) is None
    pod.act(lambda runner: runner.ensure_running(RUN))
    assert pod.act(lambda runner: runner.read_config()) == RUN.config


def test_the_version_is_in_what_the_workload_says(pod):
    assert pod.act(lambda runner: runner.version()) == '1.2.3'
