"""Who uses http and who uses https, while TLS is turned on or off."""

import dataclasses

import pytest

import authority
from coordinated_telemetry import cluster, rolling
from coordinated_telemetry.topology import Topology
from coordinator.source import schemes, state, tls, tls_data

HTTP, HTTPS, BOTH = ('http',), ('https',), ('http', 'https')
NONE = ()


@pytest.mark.parametrize(
    ('units', 'tls_on', 'expected'),
    [
        ([], False, 'http'),
        ([], True, 'https'),
        ([HTTP], False, 'http'),
        ([HTTP], True, 'http'),
        ([BOTH], True, 'https'),
        ([BOTH], False, 'http'),
        ([BOTH, HTTP], True, 'http'),
        ([BOTH, HTTPS], False, 'https'),
        ([HTTPS, HTTP], True, 'https'),
        ([HTTPS, NONE], True, 'https'),
        ([HTTPS], False, 'https'),
        ([NONE], True, 'https'),
    ],
)
def test_how_an_application_is_scraped(units, tls_on, expected):
    assert schemes.of_scrape(units, tls_on) == expected


@pytest.mark.parametrize(
    ('tls_on', 'used', 'before', 'narrows', 'expected'),
    [
        (False, ['http'], HTTP, True, HTTP),
        (True, ['http'], HTTP, False, BOTH),
        (True, ['http'], BOTH, True, BOTH),
        (True, ['https'], BOTH, False, BOTH),
        (True, ['https'], BOTH, True, HTTPS),
        (False, ['https'], HTTPS, False, BOTH),
        (False, ['https'], BOTH, True, BOTH),
        (False, ['http'], BOTH, False, BOTH),
        (False, ['http'], BOTH, True, HTTP),
    ],
)
def test_what_to_serve_grows_at_once_and_shrinks_in_an_update_status(
    tls_on, used, before, narrows, expected
):
    assert tuple(schemes.to_serve(tls_on, used, before, narrows)) == expected


def seen(kept, ca, *units):
    """A state in which units of both roles serve these schemes."""
    roles = ('gate', 'vault')
    workers = tuple(
        cluster.Worker(
            Topology('m', '', 'w', f'w/{number}', 'w-k8s'),
            f'w-{number}',
            (roles[number % 2],),
            cluster.WorkerTls(schemes=serves),
        )
        for number, serves in enumerate(units)
    )
    return state.State(
        config=state.Config(),
        coordinators={},
        workers=cluster.Workers(units=workers),
        log_endpoints={},
        charm_receivers={},
        workload_receivers={},
        store_ca='',
        tls=tls.Tls('ca' if ca else ''),
        kept=tls_data.Kept(upstream_scheme=kept),
    )


@pytest.mark.parametrize(
    ('kept', 'ca', 'units', 'serves_tls', 'expected'),
    [
        (None, False, [], False, 'http'),
        (None, True, [], True, 'http'),
        (None, True, [BOTH, BOTH], True, 'https'),
        (None, True, [BOTH, BOTH], False, 'http'),
        (None, True, [BOTH, HTTP], True, 'http'),
        (None, True, [BOTH], True, 'https'),  # the other role has nobody
        (None, True, [BOTH, BOTH, HTTP, HTTP], True, 'http'),  # these two lack one
        (None, True, [BOTH, BOTH, NONE, NONE], True, 'https'),  # who serves nothing is not missed
        ('https', False, [BOTH, BOTH, HTTPS, BOTH], False, 'https'),
        ('https', True, [HTTP, HTTP], True, 'https'),
        ('https', True, [BOTH, BOTH], False, 'https'),
        ('https', False, [HTTPS, HTTPS], False, 'https'),
        ('https', False, [BOTH, HTTPS], False, 'https'),
        ('https', False, [BOTH, BOTH], False, 'http'),
        (None, False, [HTTPS, HTTPS], False, 'http'),
    ],
)
def test_how_nginx_reaches_the_workers(kept, ca, units, serves_tls, expected):
    found = schemes.of_upstreams(seen(kept, ca, *units), serves_tls, True, lambda what: 0)
    assert found == expected


@pytest.mark.parametrize(
    ('units', 'waits', 'expected'),
    [
        ([BOTH, BOTH, HTTP, BOTH], 'workers with https', 'https'),
        ([BOTH, HTTP, HTTP, BOTH], 'workers with https', 'https'),
        ([BOTH, HTTP, BOTH, HTTP], '', 'http'),  # one role would have nobody
        ([BOTH, BOTH], '', 'https'),
    ],
)
def test_after_a_while_it_does_not_wait_for_the_last_worker(units, waits, expected):
    waited = []

    def long(what):
        waited.append(what)
        return rolling.PATIENCE + 1

    found = schemes.of_upstreams(seen(None, True, *units), True, True, long)
    assert (found, waited) == (expected, [waits])


def test_without_a_ca_to_check_with_there_is_no_https():
    state = seen('https', True, BOTH, BOTH)
    assert schemes.of_upstreams(state, True, False, lambda what: 0) == 'http'


def coordinator_unit(clients, upstream='http'):
    """What a coordinator unit keeps that serves these schemes to clients."""
    certificate = None
    if 'https' in clients:
        text = authority.authority().certificate
        certificate = tls_data.Certificate(chain=text, ca=text)
    return {
        'certificate': certificate,
        'client_schemes': list(clients) if clients == BOTH else None,
        'upstream_scheme': None if upstream == 'http' else upstream,
    }


def among(ca, own, *others):
    """A state with these coordinator units."""
    return dataclasses.replace(
        seen(None, ca),
        kept=tls_data.Kept(**own),
        others={
            f'c/{number}': state.PeerData(address=f'c-{number}', **other)
            for number, other in enumerate(others, 1)
        },
    )


PLAIN = coordinator_unit(HTTP)
EITHER = coordinator_unit(BOTH)
EITHER_TO_HTTPS = coordinator_unit(BOTH, 'https')
SECURE = coordinator_unit(HTTPS, 'https')


@pytest.mark.parametrize(
    ('ca', 'own', 'others', 'narrows', 'expected'),
    [
        # It is turned on.
        (True, PLAIN, [], True, BOTH),
        (True, PLAIN, [PLAIN], True, BOTH),
        (True, EITHER, [], True, BOTH),
        (True, EITHER_TO_HTTPS, [], False, BOTH),
        (True, EITHER_TO_HTTPS, [], True, HTTPS),
        (True, EITHER_TO_HTTPS, [PLAIN], True, BOTH),
        (True, EITHER_TO_HTTPS, [EITHER], True, BOTH),
        (True, EITHER_TO_HTTPS, [EITHER_TO_HTTPS], False, BOTH),
        (True, EITHER_TO_HTTPS, [EITHER_TO_HTTPS], True, HTTPS),
        # A unit follows the one that has waited.
        (True, EITHER_TO_HTTPS, [SECURE], False, HTTPS),
        (True, EITHER_TO_HTTPS, [SECURE, EITHER], False, BOTH),
        # It is on. A unit that joins does not change that, and does not serve without it.
        (True, SECURE, [], False, HTTPS),
        (True, SECURE, [PLAIN], False, HTTPS),
        (True, SECURE, [PLAIN], True, HTTPS),
        (True, PLAIN, [SECURE], False, HTTPS),
        # It is turned off.
        (False, SECURE, [], True, BOTH),
        (False, SECURE, [SECURE], True, BOTH),
        (False, EITHER_TO_HTTPS, [], True, BOTH),
        (False, EITHER, [], False, BOTH),
        (False, EITHER, [], True, HTTP),
        (False, EITHER, [SECURE], True, BOTH),
        (False, EITHER, [EITHER_TO_HTTPS], True, BOTH),
        (False, EITHER, [EITHER], True, HTTP),
        (False, EITHER, [PLAIN], False, HTTP),
        # It is off.
        (False, PLAIN, [], False, HTTP),
        (False, PLAIN, [EITHER], False, HTTP),
    ],
)
def test_what_nginx_serves_to_clients(ca, own, others, narrows, expected):
    assert tuple(schemes.of_clients(among(ca, own, *others), narrows)) == expected


@pytest.mark.parametrize(
    ('ca', 'told', 'own', 'others', 'expected'),
    [
        (False, None, PLAIN, [], 'http'),
        (True, None, PLAIN, [], 'http'),
        (True, None, EITHER, [], 'https'),
        (True, None, EITHER, [PLAIN], 'http'),
        (True, None, EITHER, [EITHER], 'https'),
        (True, BOTH, EITHER, [PLAIN], 'https'),
        (True, HTTPS, SECURE, [PLAIN], 'https'),
        (True, HTTPS, PLAIN, [SECURE], 'https'),
        (False, HTTPS, SECURE, [], 'https'),
        (False, HTTPS, EITHER, [SECURE], 'https'),
        (False, HTTPS, EITHER, [EITHER], 'http'),
        (False, BOTH, PLAIN, [EITHER], 'http'),
    ],
)
def test_the_workers_follow_when_all_coordinator_units_serve_it(ca, told, own, others, expected):
    shared = tls_data.Shared(worker_schemes=told and list(told))
    found = dataclasses.replace(among(ca, PLAIN, *others), shared=shared)
    assert schemes.of_workers(found, tls_data.Kept(**own)) == expected
