"""The stores in a model of their own, as COS is: all telemetry crosses models, over offers."""

import dataclasses
from collections.abc import Iterator

import pytest

import deployment
import switching
from checks import check_log_targets, check_scraped
from cluster import LocalCluster
from conftest import temporary_model
from model import Model, eventually

OFFERS = {
    'prometheus:metrics-endpoint': 'prometheus-metrics-endpoint',
    'loki:logging': 'loki-logging',
    'tempo:tracing': 'tempo-tracing',
}
"""What the model of the stores offers, by names like those of COS Lite."""
UNITS = ('coordinator/0', 'coordinator/1', 'worker/0')


@pytest.fixture(scope='module')
def cos() -> Iterator[Model]:
    """The model of the stores, with its offers."""
    with temporary_model('cos') as model:
        if not isinstance(model.cluster, LocalCluster):
            pytest.skip('the charms of the stores run on the local Juju only')
        model.deploy(*deployment.STORES)
        for endpoint, offer in OFFERS.items():
            model.juju.offer(
                endpoint.partition(':')[0], endpoint=endpoint.partition(':')[2], name=offer
            )
        yield model


@pytest.fixture(scope='module')
def across(cos: Model) -> Iterator[Model]:
    """Coordinators and a worker in another model than the stores; its `stores` are theirs."""
    worker = deployment.worker('worker')
    with temporary_model('across') as model:
        model.deploy(deployment.coordinator(units=2), worker)
        model.integrate(*deployment.cluster_relations([worker]))
        for ours, theirs in deployment.TELEMETRY.values():
            model.integrate((ours, f'admin/{switching.name_of(cos)}.{OFFERS[theirs]}'))
        model.wait_active()
        cos.wait_active()
        yield dataclasses.replace(model, found_stores=cos.stores)


def test_all_telemetry_of_all_units_crosses_models(across: Model) -> None:
    eventually(lambda: check_scraped(across, set(UNITS)))
    across.check_telemetry(*UNITS)


def test_alert_rules_cross_models_with_the_topology_of_their_own(across: Model) -> None:
    uuid = across.topology('coordinator/0')['juju_model_uuid']

    def check() -> None:
        rules = across.stores.rules()
        assert rules
        assert {rule.labels['juju_model_uuid'] for rule in rules} == {uuid}

    eventually(check)


# Last: they remove offers.


def test_an_offer_that_is_removed_by_force_costs_only_what_it_carried(
    across: Model, cos: Model
) -> None:
    cos.juju.cli('remove-offer', '--force', '--yes', OFFERS['loki:logging'])

    def lost() -> None:
        status = across.juju.status()
        assert status.app_endpoints['loki-logging'].app_status.current == 'terminated'

    eventually(lost)
    # No event announces it: the next hook, whatever it is, finds out.
    across.juju.config('coordinator', {'log-level': 'debug'})
    across.wait_active()
    for unit in UNITS:
        eventually(lambda unit=unit: check_log_targets(across, unit, 0))
    eventually(lambda: check_refusal_noted(across, noted=True))
    check_scraped(across, set(UNITS))
    across.juju.cli('remove-saas', 'loki-logging')
    eventually(lambda: check_refusal_noted(across, noted=False))
    across.wait_active()


def check_refusal_noted(across: Model, *, noted: bool) -> None:
    """Assert whether every coordinator, active as before, says that Juju refuses a relation."""
    for unit in across.units('coordinator').values():
        message = unit.workload_status.message
        assert unit.workload_status.current == 'active', message
        assert ('treated as removed' in message) is noted, message
