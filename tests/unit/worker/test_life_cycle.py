"""The worker's life: after every event, what runs is what the coordinator asks for."""

import contextlib
import dataclasses
import json
import re
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import hypothesis
import ops
from hypothesis import stateful
from hypothesis import strategies as st
from ops import testing

import determinism
import hostile
import juju
from coordinated_telemetry import rolling
from worker import scene


def test_the_same_state_gives_the_same_bytes_in_any_process_and_order():
    program = Path(__file__).with_name('published.py')
    (digest,) = determinism.outputs(program, ['0', '1', '2', '3', '4', '5'])
    assert re.fullmatch('[0-9a-f]{64}\n', digest)


LEVELS = st.sampled_from(['debug', 'info'])
URLS = ['http://loki-0:3100/push', 'http://loki-1:3100/push', 'ftp://loki-2/push']
LOKIS = st.dictionaries(
    st.sampled_from(['loki/0', 'loki/1', 'loki-b/0']), st.sampled_from(URLS), max_size=3
)
RECEIVERS = st.dictionaries(
    st.sampled_from(['otlp_http']),
    st.sampled_from(['http://tempo:4318', 'https://tempo:4318', 'tempo:4318']),
)
OF_WORKLOADS = st.fixed_dictionaries(
    {},
    optional={
        'otlp_http': st.sampled_from(['http://tempo:4318', 'https://tempo:4318']),
        'otlp_grpc': st.sampled_from(['tempo:4317', '[::1]:4317', 'http://tempo:4317']),
    },
)


@dataclasses.dataclass
class Published:
    """What the coordinator published, if anything."""

    level: str
    lokis: dict[str, str]
    of_charms: dict[str, str]
    of_workloads: dict[str, str]

    @property
    def config(self) -> str:
        return f'level: "{self.level}"\n'

    @property
    def databag(self) -> dict[str, str]:
        return scene.encoded(
            worker_config=self.config,
            loki_endpoints=self.lokis or None,
            charm_tracing_receivers=self.of_charms or None,
            workload_tracing_receivers=self.of_workloads or None,
        )


@dataclasses.dataclass
class Expected:
    """What the workload is to run with."""

    config: str
    traces: str | None
    calls_the_vault: bool
    coordinator: str


class Life(stateful.RuleBasedStateMachine):
    """One worker unit, and a model of everything around it."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        scratch = self._stack.enter_context(tempfile.TemporaryDirectory())
        self._destination = self._stack.enter_context(
            mock.patch.object(ops.tracing, 'set_destination', autospec=True)
        )
        self.now = 1_700_000_000.0
        self._stack.enter_context(mock.patch.object(time, 'time', self.time))
        self.unit = scene.Worker(Path(scratch), number=3)
        self.relation: int | None = None
        self.application = ''
        self.relations = 1
        self.published: Published | None = None
        self.peers: dict[int, str | None] = {}
        self.roles = {'role-all': True, 'role-gate': False, 'role-vault': False}
        self.leader = True
        # What it runs with: it changes when it is its turn, and stays when nobody asks for more.
        self.runs: Expected | None = None
        self.state = self.unit.state(scene.peers(id=1), leader=True)
        self.run(self.unit.ctx.on.install())

    def teardown(self) -> None:
        self._stack.close()

    def time(self) -> float:
        return self.now

    # What Juju does

    def coordinator(self):
        databag = self.published.databag if self.published else {}
        with contextlib.suppress(KeyError):
            return dataclasses.replace(
                self.state.get_relation(self.relation or -1), remote_app_data=databag
            )
        return scene.coordinator(databag, app=self.application, id=self.relation)

    def peer_relation(self):
        return dataclasses.replace(
            self.state.get_relation(1), peers_data=dict(scene.peers(self.peers).peers_data)
        )

    def run(self, event, *, broken=None, **changes):
        relations: list[testing.RelationBase] = [self.peer_relation()]
        if self.relation is not None:
            relations.append(self.coordinator())
        if broken is not None:
            relations.append(broken)
        self.state = dataclasses.replace(
            self.state,
            relations=relations,
            leader=self.leader,
            config=dict(self.roles),
            **changes,
        )
        self._destination.reset_mock()
        self.state = self.unit.ctx.run(event, self.state)
        self.expect()

    @stateful.precondition(lambda self: self.relation is None)
    @stateful.rule(application=st.sampled_from(['coordinator', 'other']))
    def relate(self, application):
        self.relations += 1
        self.relation, self.application = self.relations, application
        self.published = None
        self.run(self.unit.ctx.on.relation_created(self.coordinator()))

    @stateful.precondition(lambda self: self.relation is not None)
    @stateful.rule()
    def remove(self):
        broken = self.coordinator()
        self.relation, self.published = None, None
        self.run(self.unit.ctx.on.relation_broken(broken), broken=broken)
        self.check()
        left = [relation for relation in self.state.relations if relation.id != broken.id]
        self.state = dataclasses.replace(self.state, relations=left)

    @stateful.precondition(lambda self: self.relation is not None)
    @stateful.rule(level=LEVELS, lokis=LOKIS, of_charms=RECEIVERS, of_workloads=OF_WORKLOADS)
    def publish(self, level, lokis, of_charms, of_workloads):
        self.published = Published(level, lokis, of_charms, of_workloads)
        with juju.variables(JUJU_REMOTE_UNIT=''):
            self.run(self.unit.ctx.on.relation_changed(self.coordinator()))

    @stateful.precondition(lambda self: self.published is not None)
    @stateful.rule()
    def publish_nothing_for_a_moment(self):
        self.published = None
        with juju.variables(JUJU_REMOTE_UNIT=''):
            self.run(self.unit.ctx.on.relation_changed(self.coordinator()))

    @stateful.rule(number=st.integers(0, 5), runs=st.sampled_from(['old', 'same', None]))
    def hear_of_a_peer(self, number, runs):
        hypothesis.assume(number != 3)
        own = self.state.get_relation(1).local_unit_data.get('runs')
        self.peers[number] = json.loads(own) if runs == 'same' and own else runs
        event = self.unit.ctx.on.relation_changed(self.peer_relation(), remote_unit=number)
        self.run(event)

    @stateful.precondition(lambda self: self.peers)
    @stateful.rule(data=st.data())
    def lose_a_peer(self, data):
        number = data.draw(st.sampled_from(sorted(self.peers)))
        event = self.unit.ctx.on.relation_departed(
            self.peer_relation(), remote_unit=number, departing_unit=number
        )
        # In this event ops.testing still lists it.
        self.leaving = number
        peers, self.peers = self.peers, {n: r for n, r in self.peers.items() if n != number}
        relation = dataclasses.replace(
            self.state.get_relation(1), peers_data=dict(scene.peers(peers).peers_data)
        )
        others = [] if self.relation is None else [self.coordinator()]
        self.state = dataclasses.replace(self.state, relations=[relation, *others])
        self._destination.reset_mock()
        self.state = self.unit.ctx.run(event, self.state)
        self.expect()

    @stateful.rule(role=st.sampled_from(['role-all', 'role-gate', 'role-vault']))
    def configure(self, role):
        self.roles[role] = not self.roles[role]
        self.run(self.unit.ctx.on.config_changed())

    @stateful.rule()
    def lose_or_win_leadership(self):
        self.leader = not self.leader
        on = self.unit.ctx.on
        self.run(on.leader_elected() if self.leader else on.update_status())

    @stateful.rule(seconds=st.sampled_from([1.0, 60.0, rolling.PATIENCE + 1]))
    def wait(self, seconds):
        self.now += seconds
        self.run(self.unit.ctx.on.update_status())

    @stateful.rule()
    def lose_the_pod(self):
        (self.unit.folder / 'config.yaml').unlink(missing_ok=True)
        self.runs = None
        down = self.unit.container(can_connect=False)
        on = self.unit.ctx.on
        self.run(on.upgrade_charm(), containers=[down], stored_states=[])
        assert 'runs' not in self.state.get_relation(1).local_unit_data
        self.run(on.start())
        up = self.unit.container()
        self.run(on.pebble_ready(up), containers=[up])

    @stateful.rule()
    def lose_the_container(self):
        self.runs = None
        up = self.unit.container()
        self.run(self.unit.ctx.on.pebble_ready(up), containers=[up])

    @stateful.rule(text=st.sampled_from(['', '[', '[[1, "m", "x/0"], {}]', 'null']))
    def lose_what_is_remembered(self, text):
        stored = self.state.get_stored_state('_stored', owner_path='WorkerCharm')
        changed = dataclasses.replace(stored, content={**stored.content, 'databags': text})
        others = [s for s in self.state.stored_states if s != stored]
        self.run(self.unit.ctx.on.update_status(), stored_states=[*others, changed])

    # What is to come of it

    @property
    def can_connect(self):
        return self.state.get_container('workload').can_connect

    def wanted(self):
        """What the coordinator asks for now, if it says anything."""
        if self.published is None:
            return None
        grpc = self.published.of_workloads.get('otlp_grpc', '')
        tls = self.published.of_workloads.get('otlp_http', '').startswith('https')
        sent = bool(grpc) and '//' not in grpc and not tls
        return Expected(
            config=self.published.config,
            traces=f'http://{grpc}' if sent else None,
            calls_the_vault=self.roles['role-all'] or self.roles['role-gate'],
            coordinator=self.application,
        )

    def expect(self):
        """Follow what the charm did where it had a choice: to change over now, or later."""
        if not self.can_connect:
            return
        wanted = self.wanted()
        if wanted is None:
            if self.relation is None and self.runs:
                self.runs = dataclasses.replace(self.runs, traces=None)
            return
        # Those before it go first; those after it have to say that they wait, and never do.
        waits_for = [runs for runs in self.peers.values() if runs]
        waits = 'will restart after' in self.state.unit_status.message
        assert not waits or (waits_for and self.runs)
        if not waits:
            self.runs = wanted

    @stateful.invariant()
    def check(self):
        urls = []
        if self.published:
            urls = [url for url in self.published.lokis.values() if url.startswith('http')]
        if self.can_connect and (self.published or self.relation is None):
            container = self.state.get_container('workload')
            assert set(juju.enabled_log_targets(container)) == set(urls)
        self.check_charm_tracing()
        self.check_workload()
        self.check_databags()

    def check_charm_tracing(self):
        if self.published is None and self.relation is not None:
            self._destination.assert_not_called()
            return
        url = self.published.of_charms.get('otlp_http', '') if self.published else ''
        expected = f'{url}/v1/traces' if url.startswith('http:') else None
        self._destination.assert_called_once_with(url=expected, ca=None)

    def check_workload(self):
        if not self.can_connect:
            return
        services = juju.services(self.state.get_container('workload'))
        if self.runs is None:
            assert services == {}
            return
        service: dict[str, Any] = dict(services['imagined'])
        assert self.unit.config == self.runs.config
        assert service['environment'].get('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') == self.runs.traces
        host = f'{self.runs.coordinator}.m.svc.cluster.local'
        flag = f'--calls=http://{host}:8080/vault/'
        assert (flag in service['command'].split()) is self.runs.calls_the_vault
        assert ('--calls' in service['command']) is self.runs.calls_the_vault

    def check_databags(self):
        if self.relation is None:
            return
        relation = self.state.get_relation(self.relation)
        assert json.loads(relation.local_unit_data['juju_topology'])['unit'] == 'worker/3'
        if self.leader:
            enabled = [name.removeprefix('role-') for name, on in self.roles.items() if on]
            expected = {'role': json.dumps(','.join(sorted(enabled)))} if enabled else {}
            assert relation.local_app_data == expected


Life.TestCase.settings = hypothesis.settings(
    max_examples=hostile.examples(12),
    stateful_step_count=30,
    suppress_health_check=[
        hypothesis.HealthCheck.too_slow,
        hypothesis.HealthCheck.filter_too_much,
    ],
)
TestWorkerLife = Life.TestCase
