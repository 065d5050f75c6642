"""What the coordinator publishes, held against the schemas that the field publishes.

`otlp` is in lib/test_otlp.py, `ingress` in coordinator/test_ingress.py, `cluster` in other_side,
and what Tempo's own library does in stores/test_wire.py. For `loki_push_api`, `grafana_dashboard`
and `catalogue` there is no schema: their tests read databags as the charms' libraries do.
"""

from typing import Any, NotRequired

import ops
import pydantic
import pytest
from charmlibs.interfaces import certificate_transfer, tracing
from charmlibs.interfaces.certificate_transfer import _certificate_transfer
from charmlibs.interfaces.tls_certificates import _tls_certificates
from cosl import types
from ops import testing
from typing_extensions import TypedDict  # before Python 3.12, pydantic takes no other

import authority
import juju
from coordinated_telemetry import traces, trust, workloads
from coordinator import requesting, scene
from lib.acting import act, related

# Both libraries are written for pydantic 1 as well.
pytestmark = pytest.mark.filterwarnings('ignore::pydantic.warnings.PydanticDeprecationWarning')

CA = authority.authority()
WORKLOAD_PROTOCOLS = traces.workload_protocols(['otlp_grpc'])


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


@pytest.fixture
def published(unit):
    """The state of one that is related to everything."""
    return unit.update_status(unit.state(*scene.deployment(), scene.store_ca(id=21)))


def strictly(schema: Any, text: str) -> Any:
    """JSON of a databag as a schema has it: nothing is missing, nothing is of another type."""
    return pydantic.TypeAdapter(schema).validate_json(text, strict=True)


# prometheus_scrape, version 0 of canonical/charm-relation-interfaces


class Static(TypedDict):
    """Where to scrape."""

    targets: list[str]
    labels: NotRequired[dict[str, str]]


class Job(TypedDict):
    """A scrape job, which may have more keys."""

    job_name: NotRequired[str]
    metrics_path: NotRequired[str]
    static_configs: list[Static]


class Metadata(TypedDict):
    """Who publishes, which may have more keys."""

    model: str
    model_uuid: str
    application: str
    unit: str


Rule = TypedDict(
    'Rule',
    {
        'alert': str,
        'expr': str,
        'for': str,
        'labels': dict[str, str],
        'annotations': dict[str, str],
    },
)


class Group(TypedDict):
    """Alert rules, none of which lacks anything."""

    name: str
    rules: list[Rule]


class Groups(TypedDict):
    """The alert rules of an application."""

    groups: list[Group]


def test_a_scraper_gets_what_the_schema_of_prometheus_scrape_asks_for(published):
    relation = published.get_relation(14)
    databag = relation.local_app_data
    assert strictly(list[Job], databag['scrape_jobs'])
    assert strictly(Metadata, databag['scrape_metadata'])['application'] == 'coordinator'
    assert strictly(Groups, databag['alert_rules'])['groups']
    assert relation.local_unit_data.keys() == {
        'prometheus_scrape_unit_address',
        'prometheus_scrape_unit_name',
    }


@pytest.mark.parametrize('relation', [14, 15], ids=['metrics', 'logs'])
def test_alert_rules_are_of_cosls_type(published, relation):
    text = published.get_relation(relation).local_app_data['alert_rules']
    assert strictly(types.OfficialRuleFileFormat, text)['groups']


# tracing, charmlibs-interfaces-tracing


@pytest.mark.parametrize(
    ('relation', 'protocols'),
    [(17, traces.CHARM_PROTOCOLS), (18, WORKLOAD_PROTOCOLS)],
    ids=['charm', 'workload'],
)
def test_a_request_for_receivers_is_of_the_fields_model(published, relation, protocols):
    databag = published.get_relation(relation).local_app_data
    model = tracing.TracingRequirerAppData
    assert databag.keys() == model.model_fields.keys()
    assert tuple(model.load(databag).receivers) == protocols


def test_receivers_of_the_fields_model_are_read():
    wanted: dict[workloads.Protocol, str] = {
        'otlp_grpc': 'tempo:4317',
        'otlp_http': 'http://tempo:4318',
    }
    kinds = tracing.receiver_protocol_to_transport_protocol
    receivers = [
        tracing.Receiver(protocol=tracing.ProtocolType(name=name, type=kinds[name]), url=url)
        for name, url in wanted.items()
    ]
    databag = tracing.TracingProviderAppData(receivers=receivers).dump()
    relation = related('charm-tracing', 'tempo', {0: {}}, databag)
    done = act(
        lambda bags, _: traces.read_receivers(bags, 'charm-tracing', WORKLOAD_PROTOCOLS),
        relation,
    )
    assert (done.result, done.ignored()) == (wanted, {})


# certificate_transfer, charmlibs-interfaces-certificate-transfer


class Provider(ops.CharmBase):
    """A charm that sends its CA."""

    def __init__(self, framework):
        super().__init__(framework)
        self.transfer = certificate_transfer.CertificateTransferProvides(self, 'send-ca-cert')
        framework.observe(self.on.update_status, self._send)

    def _send(self, _):
        self.transfer.add_certificates({CA.certificate})


def sent(request):
    """What the real provider publishes for the application and the unit, when asked like this."""
    meta = {'name': 'ca-k8s', 'provides': {'send-ca-cert': {'interface': 'certificate_transfer'}}}
    ctx = testing.Context(Provider, meta=meta, app_name='ca')
    relation = testing.Relation('send-ca-cert', remote_app_name='c', remote_app_data=request)
    state = testing.State(leader=True, model=juju.MODEL, relations=[relation])
    after = ctx.run(ctx.on.update_status(), state).get_relation(relation.id)
    return after.local_app_data, after.local_unit_data


def test_a_request_for_cas_is_of_the_fields_model(published):
    databag = published.get_relation(21).local_app_data
    model = _certificate_transfer.RequirerApplicationData
    assert databag.keys() == model.model_fields.keys()
    assert model.load(databag).version == 1


@pytest.mark.parametrize('asks', [True, False], ids=['version 1', 'version 0'])
def test_the_cas_that_the_real_provider_sends_are_read(published, asks):
    request = published.get_relation(21).local_app_data
    app, unit = sent(request if asks else {})
    assert 'certificates' in app
    assert ('ca' in unit) != asks
    relation = related('receive-ca-cert', 'ca', {0: unit}, app if asks else {})
    done = act(lambda bags, _: trust.read_certificates(bags, 'receive-ca-cert'), relation)
    assert (done.result, done.ignored()) == (CA.certificate, {})


# tls-certificates, charmlibs-interfaces-tls-certificates


def test_requests_for_certificates_are_of_the_fields_model(unit):
    """The unit's own request, and those of the workers, which the library never writes."""
    state = unit.update_status(unit.state(*requesting.deployment()))
    relation = state.get_relation(20)
    model = _tls_certificates._RequirerData
    for databag, count in ((relation.local_unit_data, 1), (relation.local_app_data, 2)):
        assert databag.keys() & model.model_fields.keys() == {'certificate_signing_requests'}
        requests = model.load(databag).certificate_signing_requests
        assert len(requests) == count
        assert not any(request.ca for request in requests)


def test_certificates_of_the_fields_model_are_served(unit):
    state = unit.update_status(unit.state(*requesting.deployment()))
    relation = state.get_relation(20)
    asked = [*authority.requests(relation.local_unit_data), *requesting.asked(state)]
    entries = [_tls_certificates._Certificate(**CA.entry(request)) for request in asked]
    databag: dict[str, str] = {}
    _tls_certificates._ProviderApplicationData(certificates=entries).dump(databag)
    after = scene.answered(unit, state, databag)
    assert requesting.given(after).keys() == {'w/0', 'w/1'}
    assert 'ssl_certificate' in unit.config
    assert 'ignored' not in after.unit_status.message


# No schema


UNPUBLISHED = {'catalogue', 'grafana_dashboard', 'loki_push_api'}
CHECKED_HERE = {'certificate_transfer', 'prometheus_scrape', 'tls-certificates', 'tracing'}
CHECKED_ELSEWHERE = {'coordinator_cluster', 'ingress', 'otlp', 's3'}


def test_every_interface_of_the_coordinator_is_among_them():
    meta = scene.SPECIFICATION['meta']
    sides = [*meta['provides'].values(), *meta['requires'].values()]
    interfaces = {one['interface'] for one in sides}
    assert interfaces == UNPUBLISHED | CHECKED_HERE | CHECKED_ELSEWHERE
