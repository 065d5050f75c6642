"""Who uses http and who uses https, while TLS is turned on or off."""

import pytest

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
    roles = ('backend', 'frontend')
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
