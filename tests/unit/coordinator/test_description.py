"""What follows from the description of a workload."""

import dataclasses

from coordinated_telemetry.workloads import Ports
from coordinator.source import description, workload

WORKLOAD = workload.WORKLOAD


def test_nginx_sends_requests_to_the_roles_of_paths_and_of_ports():
    found = dataclasses.replace(WORKLOAD, locations={'/': 'gate'}, streams={6379: 'vault'})
    assert found.routed == ['gate', 'vault']


def test_metrics_are_at_the_ports_of_the_workload_unless_it_says_otherwise():
    assert WORKLOAD.scraped == description.Metrics(WORKLOAD.ports, '/metrics')
    elsewhere = description.Metrics(Ports(9121), '/scrape')
    assert dataclasses.replace(WORKLOAD, metrics=elsewhere).scraped == elsewhere


def test_a_role_has_the_ports_of_all_unless_it_has_its_own():
    found = dataclasses.replace(WORKLOAD, role_ports={'vault': Ports(81)})
    assert (found.ports_of('gate'), found.ports_of('vault')) == (WORKLOAD.ports, Ports(81))
