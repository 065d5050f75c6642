"""The coordinator's life: after every event, what is published is what the model asks for."""

import contextlib
import dataclasses
import json
import re
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import cosl
import hypothesis
import ops
import pytest
from hypothesis import stateful
from hypothesis import strategies as st
from ops import testing

import authority
import determinism
import hostile
import juju
import nginxconf
from coordinator import scene


def test_the_same_state_gives_the_same_bytes_in_any_process_and_order():
    program = Path(__file__).with_name('published.py')
    (digest,) = determinism.outputs(program, ['0', '1', '2', '3', '4', '5'])
    assert re.fullmatch('[0-9a-f]{64}\n', digest)


def upstreams(text):
    """Role → the servers that nginx balances over."""
    (http,) = [directive for directive in nginxconf.parse(text) if directive.words == ('http',)]
    return {
        upstream.words[1]: {d.words[1] for d in upstream.block or () if d.words[0] == 'server'}
        for upstream in http.block or ()
        if upstream.words[0] == 'upstream'
    }


def watched(groups):
    """The applications that rule groups are about."""
    rules = (rule for group in groups.get('groups', []) for rule in group['rules'])
    return {rule['labels']['juju_application'] for rule in rules}


# Applications that can be related, and the endpoint and first id of each.
WORKERS = ('w-a', 'w-b', 'w-c')
STORES = {
    'prometheus': 'metrics-endpoint',
    'mimir': 'metrics-endpoint',
    'loki': 'logging',
    'loki-b': 'logging',
    'tempo': 'charm-tracing',
    'jaeger': 'workload-tracing',
    'ca': 'certificates',
    'grafana': 'grafana-dashboard',
    'otelcol': 'send-otlp',
}
OFFERS = ('logs_http', 'logs_grpc', 'traces_http', 'traces_grpc')
"""What a collector can take, as `cluster` has it: a telemetry and a protocol."""
ROLES = {
    'gate': ['gate'],
    'vault': ['vault'],
    'gate,vault': ['gate', 'vault'],
    'all': ['gate', 'vault'],
    'unknown': [],
    None: [],
}
NUMBERS = st.integers(0, 12)


@dataclasses.dataclass
class Application:
    """A related application.

    Attributes:
        relation: the id of its relation.
        databag: what the application published.
        units: number → what the unit published.
        role: of a worker application.
        issued: of a CA: whether it has given this unit a certificate.
        offers: of a collector: one of `OFFERS` → where it takes that.
    """

    relation: int
    databag: dict[str, str] = dataclasses.field(default_factory=dict)
    units: dict[int, dict[str, str]] = dataclasses.field(default_factory=dict)
    role: str | None = None
    issued: bool = False
    offers: dict[str, str] = dataclasses.field(default_factory=dict)


class Life(stateful.RuleBasedStateMachine):
    """One coordinator unit, and a model of everything around it."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        scratch = self._stack.enter_context(tempfile.TemporaryDirectory())
        self._destination = self._stack.enter_context(
            mock.patch.object(ops.tracing, 'set_destination', autospec=True)
        )
        self._scratch = Path(scratch)
        self.unit = scene.Coordinator(self._scratch)
        self.applications: dict[str, Application] = {}
        self.peers: dict[int, dict[str, str]] = {}
        self.level = 'info'
        self.leader = True
        self.relations = 0
        self.state = self.unit.state(scene.peers(id=0), leader=True)
        self.run(self.unit.ctx.on.install())

    def teardown(self) -> None:
        self._stack.close()

    # What Juju does

    def endpoint(self, name):
        return 'cluster' if name in WORKERS else STORES[name]

    def remote(self, name):
        """The relation with an application, with what is published now on the other side."""
        application = self.applications[name]
        with contextlib.suppress(KeyError):
            return dataclasses.replace(
                self.state.get_relation(application.relation),
                remote_app_data=dict(application.databag),
                remote_units_data=dict(application.units),
            )
        return testing.Relation(
            self.endpoint(name),
            remote_app_name=name,
            remote_app_data=dict(application.databag),
            remote_units_data=dict(application.units),
            local_unit_data={},
            id=application.relation,
        )

    def peer_relation(self):
        peers = {number: dict(databag) for number, databag in self.peers.items()}
        return dataclasses.replace(self.state.get_relation(0), peers_data={**peers})

    def run(self, event, **changes):
        relations = [self.peer_relation(), *map(self.remote, self.applications)]
        self.state = dataclasses.replace(
            self.state,
            relations=relations,
            leader=self.leader,
            config={'log-level': self.level},
            **changes,
        )
        self._destination.reset_mock()
        self.state = self.unit.ctx.run(event, self.state)

    def event(self, kind, name, **options):
        return getattr(self.unit.ctx.on, f'relation_{kind}')(self.remote(name), **options)

    def draw_name(self, data, names):
        names = sorted(names)
        hypothesis.assume(names)
        return data.draw(st.sampled_from(names))

    # Relations

    @stateful.rule(data=st.data(), role=st.sampled_from([*ROLES]))
    def relate(self, data, role):
        name = self.draw_name(data, {*WORKERS, *STORES} - self.applications.keys())
        self.relations += 1
        application = Application(self.relations)
        self.applications[name] = application
        if name in WORKERS:
            application.role = role
            application.databag = {} if role is None else scene.encoded(role=role)
        self.run(self.event('created', name))

    @stateful.rule(data=st.data())
    def remove(self, data):
        """Every unit departs, each with an event of its own; then the relation breaks."""
        name = self.draw_name(data, self.applications)
        for number in sorted(self.applications[name].units):
            self.depart(name, number)
            self.check()
        event = self.event('broken', name)
        broken = self.remote(name)
        gone = self.applications.pop(name)
        relations = [self.peer_relation(), *map(self.remote, self.applications), broken]
        self.state = dataclasses.replace(self.state, relations=relations)
        self._destination.reset_mock()
        self.state = self.unit.ctx.run(event, self.state)
        self.check()
        left = [relation for relation in self.state.relations if relation.id != gone.relation]
        self.state = dataclasses.replace(self.state, relations=left)

    def depart(self, name, number):
        application = self.applications[name]
        # Juju does not list the departing unit any more, and still gives its databag.
        event = self.event('departed', name, remote_unit=number, departing_unit=number)
        relation = self.remote(name)
        del application.units[number]
        others = [self.remote(other) for other in self.applications if other != name]
        relations = [self.peer_relation(), relation, *others]
        self.state = dataclasses.replace(self.state, relations=relations)
        self._destination.reset_mock()
        self.state = self.unit.ctx.run(event, self.state)

    # Units of other applications

    def published(self, name, number, kind):
        """What a unit publishes, when it does as it should or not."""
        if kind == 'nothing':
            return {}
        bad = kind == 'bad'
        if name in WORKERS:
            address = 'a;b' if bad else scene.host(f'{name}/{number}')
            return scene.worker_unit(f'{name}/{number}', address=address)
        if STORES[name] == 'logging':
            url = 'ftp://x' if bad else scene.push_url(f'{name}/{number}')
            return scene.encoded(endpoint={'url': url})
        return {}

    @stateful.rule(
        data=st.data(), number=NUMBERS, kind=st.sampled_from(['good', 'good', 'nothing', 'bad'])
    )
    def join(self, data, number, kind):
        name = self.draw_name(data, self.applications)
        units = self.applications[name].units
        hypothesis.assume(number not in units)
        units[number] = self.published(name, number, kind)
        self.run(self.event('joined', name, remote_unit=number))
        self.check()
        self.run(self.event('changed', name, remote_unit=number))

    @stateful.rule(data=st.data(), kind=st.sampled_from(['good', 'nothing', 'bad']))
    def publish(self, data, kind):
        name = self.draw_name(data, (n for n, app in self.applications.items() if app.units))
        units = self.applications[name].units
        number = data.draw(st.sampled_from(sorted(units)))
        units[number] = self.published(name, number, kind)
        self.run(self.event('changed', name, remote_unit=number))

    @stateful.rule(data=st.data())
    def leave(self, data):
        name = self.draw_name(data, (n for n, app in self.applications.items() if app.units))
        self.depart(name, data.draw(st.sampled_from(sorted(self.applications[name].units))))

    # What applications publish

    @stateful.rule(data=st.data(), role=st.sampled_from([*ROLES]), tls=st.booleans())
    def publish_for_the_application(self, data, role, tls):
        name = self.draw_name(data, self.applications)
        application = self.applications[name]
        if name in WORKERS:
            application.role = role
            application.databag = {} if role is None else scene.encoded(role=role)
        elif STORES[name].endswith('tracing'):
            scheme = 'https' if tls else 'http'
            receivers = [
                scene.receiver('otlp_http', f'{scheme}://{name}:4318'),
                scene.receiver('otlp_grpc', f'{name}:4317'),
            ]
            application.databag = scene.encoded(receivers=receivers)
        with juju.variables(JUJU_REMOTE_UNIT=''):
            hypothesis.assume(application.units)
            self.run(self.event('changed', name, remote_unit=min(application.units)))

    @stateful.rule(offers=st.sets(st.sampled_from(OFFERS)), tls=st.booleans())
    def offer(self, offers, tls):
        """A collector takes some signals; over https nobody trusts it."""
        if 'otelcol' not in self.applications:  # among so many it would hardly ever be drawn
            self.relations += 1
            self.applications['otelcol'] = Application(self.relations)
            self.run(self.event('created', 'otelcol'))
        collector = self.applications['otelcol']
        collector.units.setdefault(0, {})
        collector.offers = {
            key: f'http{"s" if tls else ""}://otelcol:{4318 if key.endswith("http") else 4317}'
            for key in sorted(offers)
        }
        endpoints = [
            scene.otlp_endpoint(protocol, url, telemetry)
            for key, url in collector.offers.items()
            for telemetry, protocol in [key.split('_')]
        ]
        collector.databag = scene.encoded(endpoints=endpoints)
        with juju.variables(JUJU_REMOTE_UNIT=''):
            self.run(self.event('changed', 'otelcol', remote_unit=min(collector.units)))

    @stateful.rule(kind=st.sampled_from(['good', 'good', 'nothing', 'bad']))
    def certify(self, kind):
        hypothesis.assume('ca' in self.applications and self.applications['ca'].units)
        ca = self.applications['ca']
        own = self.state.get_relation(ca.relation).local_unit_data
        good = authority.authority().databag(*authority.requests(own))
        ca.databag = {'good': good, 'nothing': {}, 'bad': {'certificates': '[1]'}}[kind]
        ca.issued |= kind == 'good'
        with juju.variables(JUJU_REMOTE_UNIT=''):
            self.run(self.event('changed', 'ca', remote_unit=min(ca.units)))

    # The coordinator's own application

    @stateful.rule(number=st.integers(1, 4), good=st.booleans())
    def join_peer(self, number, good):
        hypothesis.assume(number not in self.peers)
        address = scene.host(f'coordinator/{number}') if good else '[::1]'
        self.peers[number] = scene.encoded(address=address)
        event = self.unit.ctx.on.relation_changed(self.peer_relation(), remote_unit=number)
        self.run(event)

    @stateful.rule(data=st.data())
    def lose_peer(self, data):
        hypothesis.assume(self.peers)
        number = data.draw(st.sampled_from(sorted(self.peers)))
        relation = self.peer_relation()
        event = self.unit.ctx.on.relation_departed(
            relation, remote_unit=number, departing_unit=number
        )
        del self.peers[number]
        relations = [relation, *map(self.remote, self.applications)]
        self.state = dataclasses.replace(self.state, relations=relations)
        self._destination.reset_mock()
        self.state = self.unit.ctx.run(event, self.state)

    @stateful.rule()
    def lose_or_win_leadership(self):
        self.leader = not self.leader
        on = self.unit.ctx.on
        self.run(on.leader_elected() if self.leader else on.update_status())

    @stateful.rule(level=st.sampled_from(['debug', 'info', 'warning', 'error', 'loud']))
    def configure(self, level):
        self.level = level
        self.run(self.unit.ctx.on.config_changed())

    @stateful.rule()
    def nothing(self):
        self.run(self.unit.ctx.on.update_status())
        if 'ca' not in self.applications and self.state.get_container('nginx').can_connect:
            assert 'ssl_certificate' not in self.unit.config

    # Pods

    @stateful.rule()
    def lose_the_pod(self):
        """Files, plans and all that the charm stored are gone; no relation event tells of it."""
        for path in (*self.unit.folder.iterdir(), *self.unit.exporter_folder.iterdir()):
            path.unlink()
        down = [
            self.unit.nginx(can_connect=False),
            testing.Container('nginx-prometheus-exporter', can_connect=False),
        ]
        on = self.unit.ctx.on
        self.run(on.upgrade_charm(), containers=down, stored_states=[])
        self.run(on.config_changed())
        self.run(on.start())
        up = [
            self.unit.nginx(),
            self.unit.exporter(),
        ]
        for container in up:
            others = [c for c in self.state.containers if c.name != container.name]
            self.run(on.pebble_ready(container), containers=[*others, container])

    @stateful.rule(name=st.sampled_from(['nginx', 'nginx-prometheus-exporter']))
    def lose_a_container(self, name):
        fresh = self.unit.nginx() if name == 'nginx' else testing.Container(name, can_connect=True)
        others = [container for container in self.state.containers if container.name != name]
        self.run(self.unit.ctx.on.pebble_ready(fresh), containers=[*others, fresh])

    @stateful.rule(text=st.sampled_from(['', '[', '[[1, "m", "x/0"], {}]', 'null']))
    def lose_what_is_remembered(self, text):
        stored = self.state.get_stored_state('_stored', owner_path='CoordinatorCharm')
        changed = dataclasses.replace(stored, content={**stored.content, 'databags': text})
        others = [s for s in self.state.stored_states if s != stored]
        self.run(self.unit.ctx.on.update_status(), stored_states=[*others, changed])

    # What is to come of it

    def workers(self):
        """Each worker unit that published as it should: unit, address, roles."""
        for name in WORKERS:
            if application := self.applications.get(name):
                for number, databag in application.units.items():
                    unit = f'{name}/{number}'
                    if databag == scene.worker_unit(unit):
                        yield unit, scene.host(unit), ROLES[application.role]

    def coordinators(self):
        yield 'coordinator/0', scene.host('coordinator/0')
        for number, databag in self.peers.items():
            if databag == scene.encoded(address=scene.host(f'coordinator/{number}')):
                yield f'coordinator/{number}', scene.host(f'coordinator/{number}')

    def serves_tls(self):
        return 'ca' in self.applications and self.applications['ca'].issued

    def log_endpoints(self):
        return {
            f'{name}/{number}': scene.push_url(f'{name}/{number}')
            for name in ('loki', 'loki-b')
            if name in self.applications
            for number, databag in self.applications[name].units.items()
            if databag == scene.encoded(endpoint={'url': scene.push_url(f'{name}/{number}')})
        }

    def offers(self):
        collector = self.applications.get('otelcol')
        return collector.offers if collector else {}

    def collected(self, key):
        """Where the collector takes this, if nothing keeps it from being sent there; or ''."""
        url = self.offers().get(key, '')
        return url if url.startswith('http:') else ''

    def receivers(self, name):
        application = self.applications.get(name)
        raw = application.databag.get('receivers', '[]') if application else '[]'
        return {entry['protocol']['name']: entry['url'] for entry in json.loads(raw)}

    @stateful.invariant()
    def check(self):
        self.check_containers()
        self.check_tracing()
        for name, application in self.applications.items():
            relation = self.state.get_relation(application.relation)
            if self.leader:
                check = {
                    'cluster': self.check_cluster,
                    'metrics-endpoint': self.check_metrics,
                    'logging': self.check_logging,
                    'send-otlp': self.check_collector,
                }.get(self.endpoint(name))
                if check:
                    check(relation.local_app_data)

    def check_containers(self):
        if self.state.get_container('nginx').can_connect:
            expected: dict[str, set[str]] = {}
            for _, address, roles in self.workers():
                for role in roles:
                    expected.setdefault(role, set()).add(f'{address}:7070')
            assert upstreams(self.unit.config) == expected
            level = {'debug': 'info', 'warning': 'warn', 'error': 'error'}.get(
                self.level, 'notice'
            )
            assert f'error_log /dev/stderr {level};' in self.unit.config
            files = [path.name for path in self.unit.folder.glob('tls-*')]
            used = re.findall('ssl_certificate /etc/nginx/(.*);', self.unit.config)
            assert used == files
            # After a CA is gone, nginx serves both until an update-status.
            assert len(files) == self.serves_tls() or 'ca' not in self.applications
        for container in self.state.containers:
            if container.can_connect:
                collector = self.collected('logs_http')
                wanted = {collector} if collector else {*self.log_endpoints().values()}
                assert set(juju.enabled_log_targets(container)) == wanted

    def check_tracing(self):
        url = self.collected('traces_http') or self.receivers('tempo').get('otlp_http', '')
        expected = f'{url}/v1/traces' if url.startswith('http:') else None
        self._destination.assert_called_once_with(url=expected, ca=None)

    def check_cluster(self, databag):
        found: dict[str, Any] = {key: json.loads(value) for key, value in databag.items()}
        level = self.level if self.level in ('debug', 'warning', 'error') else 'info'
        assert found.pop('worker_config') == scene.worker_config(level)
        # nginx uses http, as no worker serves https; what is not needed any more goes later.
        told = found.pop('worker_schemes', ['http'])
        both = ['http', 'https']
        assert told in (['http'], both)
        # Workers call with https once all coordinator units serve it, and the others never do.
        ca = found.pop('ca_cert', None)
        if 'ca' not in self.applications:
            assert ca is None
        elif self.serves_tls() and not self.peers:
            assert (ca, told) == (authority.authority().certificate, both)
        of_charms = self.receivers('tempo')
        of_charms.pop('otlp_grpc', None)
        expected = {
            'loki_endpoints': self.log_endpoints(),
            'charm_tracing_receivers': of_charms,
            'workload_tracing_receivers': self.receivers('jaeger'),
            'otlp_endpoints': self.offers(),
        }
        assert found == {key: value for key, value in expected.items() if value}

    def check_metrics(self, databag):
        jobs = json.loads(databag['scrape_jobs'])
        found = sorted(
            # An exporter alone is scraped over https as soon as it has a certificate.
            (config['labels']['juju_unit'], target.replace(':9114', ':9113'))
            for job in jobs
            for config in job['static_configs']
            for target in config['targets']
        )
        exporters = [(unit, f'{address}:9113') for unit, address in self.coordinators()]
        workloads = [(unit, f'{address}:7070') for unit, address, _ in self.workers()]
        assert found == sorted(exporters + workloads)
        assert watched(json.loads(databag['alert_rules'])) == self.to_watch()

    def check_logging(self, databag):
        # Rules go where their signal goes.
        wanted = set() if self.collected('logs_http') else self.to_watch()
        assert watched(json.loads(databag.get('alert_rules', '{}'))) == wanted

    def check_collector(self, databag):
        rules = json.loads(cosl.LZMABase64.decompress(json.loads(databag['rules'])))
        endpoints = {*map(self.endpoint, self.applications)}
        without_scraper = 'metrics-endpoint' not in endpoints
        assert watched(rules['promql']) == (self.to_watch() if without_scraper else set())
        takes_logs = self.collected('logs_http') or 'logging' not in endpoints
        assert watched(rules['logql']) == (self.to_watch() if takes_logs else set())

    def to_watch(self):
        """The applications that have rules.

        One whose units publish nothing valid is missed; one without units is not.
        """
        workers = (name for name, other in self.applications.items() if other.units)
        return {'coordinator', *(name for name in workers if name in WORKERS)}


Life.TestCase.settings = hypothesis.settings(
    max_examples=hostile.examples(8),
    stateful_step_count=25,
    suppress_health_check=[
        hypothesis.HealthCheck.too_slow,
        hypothesis.HealthCheck.filter_too_much,
    ],
)
TestLife = Life.TestCase


def test_a_deployment_that_grew_is_one_that_was_always_so(tmp_path):
    """Step by step or all at once: the same bytes."""
    grown, at_once = (scene.Coordinator(tmp_path / name) for name in ('grown', 'at-once'))
    state = grown.update_status(grown.state())
    for relation in scene.deployment():
        others = [other for other in state.relations if other.id != relation.id]
        state = dataclasses.replace(state, relations=[*others, relation])
        state = grown.ctx.run(grown.ctx.on.relation_created(relation), state)
    expected = at_once.update_status(at_once.state(*scene.deployment()))
    state = grown.update_status(state)
    assert scene.outcome(grown, state) == scene.outcome(at_once, expected)


@pytest.mark.parametrize('number', [11, 12, 13, 14, 15, 16, 17, 18])
def test_a_relation_that_was_there_leaves_nothing_behind(tmp_path, number):
    was, never = (scene.Coordinator(tmp_path / name) for name in ('was', 'never'))
    deployment = scene.deployment()
    before = was.update_status(was.state(*deployment))
    gone = before.get_relation(number)
    after = was.ctx.run(was.ctx.on.relation_broken(gone), before)
    rest = [relation for relation in deployment if relation.id != number]
    expected = never.update_status(never.state(*rest))
    assert was.config == never.config
    for container in ('nginx', 'nginx-prometheus-exporter'):
        assert juju.enabled_log_targets(after.get_container(container)) == (
            juju.enabled_log_targets(expected.get_container(container))
        )
    for relation in rest:
        assert after.get_relation(relation.id) == expected.get_relation(relation.id)
