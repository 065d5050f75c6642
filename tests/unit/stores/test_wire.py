"""What the library publishes, as the other sides read it.

cosl and the tracing library are COS's own, from PyPI. The consumers of `prometheus_scrape` and
`loki_push_api` are published nowhere; the stores' charms stand in for them.
"""

import dataclasses
import json
import subprocess
from typing import Any

import ops
import pytest
from cosl import JujuTopology
from cosl.rules import Rules
from ops import testing
from ops_tracing.vendor.charms.tempo_coordinator_k8s.v0 import tracing  # Tempo's own library

import charms
import deployment
import programs
import relabelling
from coordinated_telemetry import metrics, publication, rules, traces
from coordinated_telemetry.topology import LABELS, Topology
from loki.src import charm as loki
from prometheus.src import scrape
from tempo.src import charm as tempo

# The library is written for pydantic 1 as well.
pytestmark = pytest.mark.filterwarnings('ignore::pydantic.warnings.PydanticDeprecationWarning')

RULES = 'coordinator-charm/src/prometheus_alert_rules'
UUID = '12345678-1234-4234-8234-123456789abc'
COORDINATOR = Topology('m', UUID, 'coordinator', '', 'coordinator-k8s')
WORKER = COORDINATOR.for_application('worker', 'worker-k8s')
METADATA = publication.Metadata.of(COORDINATOR)


def target(application, number, port):
    topology = application.for_unit(
        application.application, f'{application.application}/{number}', application.charm
    )
    host = f'{application.application}-{number}.{application.application}-endpoints.m.svc'
    return metrics.Target(topology, host, port)


TARGETS = [target(COORDINATOR, 0, 9113), target(WORKER, 0, 9898), target(WORKER, 1, 9898)]
GROUPS = rules.render(rules.load(charms.ROOT / RULES / 'workers').groups, WORKER)


def published(jobs=None):
    """The coordinator's databags, as a scraper reads them."""
    return scrape.Provider(
        relation='metrics-endpoint_1',
        application='coordinator',
        scrape_metadata=METADATA.model_dump_json(),
        scrape_jobs=json.dumps(metrics.scrape_jobs(TARGETS) if jobs is None else jobs),
        alert_rules=json.dumps({'groups': GROUPS}),
        units=(scrape.Unit('coordinator/0', address='192.0.2.0'),),
    )


def test_every_target_reaches_the_scraper_with_its_own_five_labels():
    wanted = scrape.wanted([published()])
    assert wanted.left_out == []
    found = {
        target: {label: labels[label] for label in LABELS}
        for target, labels in relabelling.by_target(wanted.jobs).items()
    }
    assert found == {f'{t.address}:{t.port}': t.topology.labels for t in TARGETS}


APPLICATIONS = [COORDINATOR, *(COORDINATOR.for_application(f'w{n}', 'w-k8s') for n in range(20))]
MANY = [target(one, number, 80) for one in APPLICATIONS for number in range(12)]


def with_all_labels_each(targets):
    """Scrape jobs in which every target has all of its labels."""
    jobs = metrics.scrape_jobs(targets)
    labels = {f'{t.address}:{t.port}': t.topology.labels for t in targets}
    for job in jobs:
        del job['relabel_configs']
        for static in job['static_configs']:
            static['labels'] = labels[static['targets'][0]]
    return jobs


def test_labels_that_are_stated_once_make_the_same_series():
    once, each = (
        relabelling.by_target(scrape.wanted([published(jobs)]).jobs)
        for jobs in (metrics.scrape_jobs(MANY), with_all_labels_each(MANY))
    )
    assert once == each
    assert len(once) == len(MANY)


def test_units_of_two_charms_in_one_application_keep_their_own():
    """As long as the application is refreshed to another charm."""
    other = dataclasses.replace(TARGETS[2].topology, charm='other-k8s')
    targets = [*TARGETS[:2], TARGETS[2]._replace(topology=other)]
    once, each = (
        relabelling.by_target(scrape.wanted([published(jobs)]).jobs)
        for jobs in (metrics.scrape_jobs(targets), with_all_labels_each(targets))
    )
    assert once == each
    assert {labels['juju_charm'] for labels in once.values()} == {
        'coordinator-k8s',
        'worker-k8s',
        'other-k8s',
    }


def test_a_scraper_that_lets_the_providers_topology_win_gives_each_unit_its_own_labels_too():
    """Patch 26 of the library does, patch 48 does not: a static config alone would lose them."""
    jobs = scrape.wanted([published()]).jobs
    for job in jobs:
        for static in job['static_configs']:
            static['labels'].update(
                {key: COORDINATOR.labels[key] for key in LABELS if key != 'juju_unit'}
            )
    found = relabelling.by_target(jobs)
    assert {key: found[key]['juju_application'] for key in found} == {
        f'{t.address}:{t.port}': t.topology.application for t in TARGETS
    }
    assert {labels['juju_unit'] for labels in found.values()} == {t.topology.unit for t in TARGETS}


def test_a_thousand_workers_take_half_of_what_all_labels_each_would():
    targets = [target(WORKER, number, 9898) for number in range(1000)]
    once, each = (
        len(json.dumps(jobs))
        for jobs in (metrics.scrape_jobs(targets), with_all_labels_each(targets))
    )
    assert once < each / 2


def test_all_units_of_an_application_share_one_instance_and_differ_by_juju_unit():
    found = relabelling.targets(scrape.wanted([published(metrics.scrape_jobs(MANY))]).jobs)
    assert len({labels['instance'] for labels in found}) == len(APPLICATIONS)
    assert len({labels['juju_unit'] for labels in found}) == len(MANY)
    assert len({tuple(sorted(labels.items())) for labels in found}) == len(MANY)


def test_two_places_of_a_unit_share_one_instance_and_differ_by_job():
    places = [*TARGETS, *(one._replace(port=9121, place='store') for one in TARGETS[1:])]
    found = relabelling.targets(scrape.wanted([published(metrics.scrape_jobs(places))]).jobs)
    assert len({tuple(sorted(labels.items())) for labels in found}) == len(places)
    labels = [one for one in found if one['juju_unit'] == 'worker/1']
    first, second = ({key: one[key] for key in one if key != 'job'} for one in labels)
    assert first == second


def test_no_job_can_have_an_instance_of_its_own_choice():
    """The scraper's rule comes last, which is why nothing here may key on `instance`."""
    jobs = metrics.scrape_jobs(TARGETS)
    for job in jobs:
        job['relabel_configs'].append({'source_labels': ['juju_unit'], 'target_label': 'instance'})
        for static in job['static_configs']:
            static['labels']['instance'] = static['labels']['juju_unit']
    found = relabelling.targets(scrape.wanted([published(jobs)]).jobs)
    assert {labels['instance'] for labels in found} == {
        f'm_{UUID}_{name}' for name in ('coordinator', 'worker')
    }


def test_prometheus_relabels_as_these_tests_do(tmp_path):
    image = deployment.upstream_sources('tests/stores/prometheus')['prometheus-image']
    promtool = programs.command(image, '/usr/bin/promtool')
    jobs = scrape.wanted([published()]).jobs
    config = scrape.configuration(jobs, scrape_interval='2s', evaluation_interval='2s')
    (tmp_path / 'prometheus.yml').write_text(json.dumps({**config, 'rule_files': []}))
    found: dict[str, dict[str, str]] = {}
    for job in jobs:
        command = [*promtool, 'check', 'service-discovery', '--timeout=1s']
        done = subprocess.run(
            [*command, str(tmp_path / 'prometheus.yml'), job['job_name']],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        for one in json.loads(done.stdout):
            labels = one['labels']
            found[labels['__address__']] = {
                key: value for key, value in labels.items() if not key.startswith('__')
            }
    assert found == relabelling.by_target(jobs)


def test_the_rule_file_is_named_after_the_first_application_watched():
    (name,) = scrape.wanted([published()]).rules
    identifier = JujuTopology.from_dict(
        {**METADATA.model_dump(), 'application': 'worker'}
    ).identifier
    assert name == f'juju_{identifier}_metrics-endpoint_1.rules'


def test_cosl_takes_the_metadata():
    topology = JujuTopology.from_dict(METADATA.model_dump())
    assert topology.label_matcher_dict == COORDINATOR.labels
    assert topology.alert_expression_str == COORDINATOR.matchers


@pytest.mark.parametrize('query_type', ['promql', 'logql'])
def test_cosl_leaves_scoped_rules_as_they_are(query_type):
    published: Any = {'groups': GROUPS}
    result = Rules(query_type).inject_and_validate_rules(published, METADATA.model_dump())
    assert not result.errmsg
    read: Any = result.rules
    assert [group['rules'] for group in read['groups']] == [group['rules'] for group in GROUPS]


def test_the_log_store_takes_the_rules():
    assert loki.rule_groups(json.dumps({'groups': GROUPS})) == (GROUPS, [])


HOST = 'tempo.m.svc.cluster.local'
PROVIDER = {'name': 'tempo', 'provides': {'tracing': {'interface': 'tracing'}}}
REQUIRER = {'name': 'x', 'requires': {'tracing': {'interface': 'tracing', 'limit': 1}}}


class Provider(ops.CharmBase):
    """Tempo, as far as its library goes: answers what is asked for."""

    def __init__(self, framework):
        super().__init__(framework)
        self.tracing = tracing.TracingEndpointProvider(self)
        framework.observe(self.on.tracing_relation_changed, self._answer)

    def _answer(self, event):
        asked = sorted(self.tracing.requested_protocols())
        urls = {'otlp_http': f'http://{HOST}:4318', 'otlp_grpc': f'{HOST}:4317'}
        self.tracing.publish_receivers([(protocol, urls[protocol]) for protocol in asked])


class Requirer(ops.CharmBase):
    """A charm that reads its receivers with Tempo's library."""

    def __init__(self, framework):
        super().__init__(framework)
        self.tracing = tracing.TracingEndpointRequirer(self, protocols=['otlp_http', 'otlp_grpc'])


def answer_of(charm, meta, request):
    """What a provider writes into its databag on a request."""
    ctx = testing.Context(charm, meta=meta, app_name='tempo')
    relation = testing.Relation('tracing', interface='tracing', remote_app_data=request)
    names = ['tempo'] if meta is None else []
    state = testing.State(
        relations={relation},
        leader=True,
        model=testing.Model('m'),
        containers={testing.Container(name) for name in names},
    )
    after = ctx.run(ctx.on.relation_changed(relation), state)
    return json.loads(after.get_relation(relation.id).local_app_data['receivers'])


@pytest.mark.parametrize(
    'protocols', [traces.CHARM_PROTOCOLS, traces.workload_protocols(['otlp_grpc'])]
)
def test_tempos_library_reads_our_request_and_our_store_answers_as_it_does(protocols):
    request = traces.RequirerData(receivers=list(protocols)).model_dump()
    databag = {key: json.dumps(value) for key, value in request.items()}
    expected = answer_of(Provider, PROVIDER, databag)
    assert [receiver['protocol']['name'] for receiver in expected] == sorted(protocols)
    assert answer_of(tempo.TempoCharm, None, databag) == expected


def test_tempos_library_reads_the_answer_of_our_store():
    databag = {'receivers': json.dumps(['otlp_grpc', 'otlp_http'])}
    answer = answer_of(tempo.TempoCharm, None, databag)
    ctx = testing.Context(Requirer, meta=REQUIRER)
    relation = testing.Relation(
        'tracing', interface='tracing', remote_app_data={'receivers': json.dumps(answer)}
    )
    state = testing.State(relations={relation}, leader=True)
    with ctx(ctx.on.relation_changed(relation), state) as mgr:
        mgr.run()
        assert mgr.charm.tracing.get_endpoint('otlp_http') == f'http://{HOST}:4318'
        assert mgr.charm.tracing.get_endpoint('otlp_grpc') == f'{HOST}:4317'
