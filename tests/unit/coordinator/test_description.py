"""What follows from the description of a workload."""

import dataclasses

import pytest

from coordinated_telemetry.workloads import Ports
from coordinator.source import description, workload

WORKLOAD = workload.WORKLOAD


def test_nginx_sends_requests_to_the_roles_of_paths_and_of_ports():
    found = dataclasses.replace(WORKLOAD, locations={'/': 'gate'}, streams={6379: 'vault'})
    assert found.routed == ['gate', 'vault']


def test_metrics_are_at_the_ports_of_the_workload_unless_it_says_otherwise():
    usual = description.Metrics(WORKLOAD.ports, '/metrics')
    assert WORKLOAD.scraped(['gate', 'vault']) == WORKLOAD.scraped([]) == {'': usual}
    elsewhere = description.Metrics(Ports(9121), '/scrape')
    found = dataclasses.replace(WORKLOAD, metrics=elsewhere)
    assert found.scraped(['gate']) == {'': elsewhere}


USUAL = description.Metrics(WORKLOAD.ports)
OWN, COMMON = description.Metrics(Ports(9121)), description.Metrics(Ports(9122), '/scrape')


@pytest.mark.parametrize(
    ('roles', 'places'),
    [
        ([], {'': USUAL}),
        (['gate'], {'': USUAL}),
        (['vault'], {'vault': OWN}),
        (['gate', 'vault'], {'': USUAL, 'vault': OWN}),
        # The name is that of the first role in the description, not in the worker.
        (['yard'], {'attic': COMMON}),
        (['attic', 'yard'], {'attic': COMMON}),
        (['attic', 'gate', 'vault', 'yard'], {'': USUAL, 'attic': COMMON, 'vault': OWN}),
        # One that names the place of all others adds none.
        (['cellar', 'gate'], {'': USUAL}),
        (['cellar'], {'': USUAL}),
    ],
)
@pytest.mark.parametrize('order', [1, -1])
def test_a_worker_serves_metrics_at_each_place_of_its_roles_once(roles, places, order):
    own = {'yard': COMMON, 'vault': OWN, 'attic': COMMON, 'cellar': USUAL}
    found = dataclasses.replace(WORKLOAD, role_metrics=own).scraped(roles[::order])
    assert [*found.items()] == [*places.items()]


def test_a_role_has_the_ports_of_all_unless_it_has_its_own():
    found = dataclasses.replace(WORKLOAD, role_ports={'vault': Ports(81)})
    assert (found.ports_of('gate'), found.ports_of('vault')) == (WORKLOAD.ports, Ports(81))
