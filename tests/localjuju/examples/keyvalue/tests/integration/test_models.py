"""A client in one model uses a store in another one, over an offer."""

import pathlib

import jubilant
import pytest

STORE, VISITS, OFFER, SAAS = 'keyvalue-store', 'visits', 'keyvalue', 'shared-store'
TIMEOUT = 600


def settled(juju: jubilant.Juju) -> None:
    """Wait until every unit is active and every agent idle."""
    juju.wait(
        lambda status: jubilant.all_active(status) and jubilant.all_agents_idle(status),
        error=jubilant.any_error,
        timeout=TIMEOUT,
    )


def visit(juju: jubilant.Juju) -> int:
    """Count a visit; the number so far."""
    return int(juju.run(f'{VISITS}/0', 'visit').results['visits'])


@pytest.mark.juju_setup
def test_deploy(
    offering: jubilant.Juju,
    consuming: jubilant.Juju,
    store_charm: pathlib.Path,
    visits_charm: pathlib.Path,
) -> None:
    offering.deploy(store_charm, STORE)
    consuming.deploy(visits_charm, VISITS)
    settled(offering)
    consuming.wait(lambda status: jubilant.all_blocked(status, VISITS), timeout=TIMEOUT)
    with pytest.raises(jubilant.TaskError, match='there is no store'):
        visit(consuming)


@pytest.mark.juju_setup
def test_offer_and_consume(offering: jubilant.Juju, consuming: jubilant.Juju) -> None:
    offering.offer(STORE, endpoint='store', name=OFFER)
    consuming.consume(f'{offering.status().model.name}.{OFFER}', SAAS)
    consuming.integrate(VISITS, SAAS)
    settled(consuming)
    consuming.wait(lambda status: status.app_endpoints[SAAS].app_status.current == 'active')


def test_both_models_show_the_relation(offering: jubilant.Juju, consuming: jubilant.Juju) -> None:
    saas = consuming.status().app_endpoints[SAAS]
    assert saas.url.endswith(f'{offering.status().model.name}.{OFFER}')
    assert saas.endpoints['store'].role == 'provider'
    assert saas.relations == {'store': [VISITS]}
    offer = offering.status().offers[OFFER]
    assert (offer.app, offer.active_connected_count) == (STORE, 1)
    assert offer.endpoints['store'].interface == 'keyvalue'


def test_the_store_in_the_other_model_counts(consuming: jubilant.Juju) -> None:
    first = visit(consuming)
    assert visit(consuming) == first + 1


def test_a_new_password_reaches_the_client(
    offering: jubilant.Juju, consuming: jubilant.Juju
) -> None:
    before = visit(consuming)
    assert offering.run(f'{STORE}/0', 'rotate').results['clients'] == '1'

    def counts(_: jubilant.Status) -> bool:
        try:
            return visit(consuming) > before
        except jubilant.TaskError:
            return False

    consuming.wait(counts, timeout=TIMEOUT)


def test_a_second_unit_uses_the_same_store(consuming: jubilant.Juju) -> None:
    before = visit(consuming)
    consuming.add_unit(VISITS)
    consuming.wait(lambda status: len(status.apps[VISITS].units) == 2, timeout=TIMEOUT)
    settled(consuming)
    assert int(consuming.run(f'{VISITS}/1', 'visit').results['visits']) == before + 1
    consuming.remove_unit(VISITS, num_units=1)
    consuming.wait(lambda status: len(status.apps[VISITS].units) == 1, timeout=TIMEOUT)


def test_an_offer_in_use_stays(offering: jubilant.Juju) -> None:
    with pytest.raises(jubilant.CLIError) as refused:
        offering.cli(
            'remove-offer', f'{offering.status().model.name}.{OFFER}', include_model=False
        )
    assert 'offer has 1 relation' in refused.value.stderr


@pytest.mark.juju_teardown
def test_without_the_relation_there_is_no_store(
    offering: jubilant.Juju, consuming: jubilant.Juju
) -> None:
    consuming.remove_relation(VISITS, SAAS)
    consuming.wait(lambda status: jubilant.all_blocked(status, VISITS), timeout=TIMEOUT)
    consuming.cli('remove-saas', SAAS)
    consuming.wait(lambda status: SAAS not in status.app_endpoints, timeout=TIMEOUT)
    offering.wait(lambda status: status.offers[OFFER].total_connected_count == 0, timeout=TIMEOUT)
    offering.cli('remove-offer', f'{offering.status().model.name}.{OFFER}', include_model=False)
    offering.wait(lambda status: OFFER not in status.offers, timeout=TIMEOUT)
