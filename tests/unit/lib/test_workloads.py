"""What both charms say of their workload."""

import pytest

from coordinated_telemetry.workloads import Ports


@pytest.mark.parametrize(
    ('ports', 'http', 'https'), [(Ports(80, tls=443), 80, 443), (Ports(6379), 6379, 6379)]
)
def test_a_scheme_has_a_port_and_without_tls_it_is_the_only_one(ports, http, https):
    assert (ports.of('http'), ports.of('https')) == (http, https)
