"""How long nginx waits."""

import dataclasses
import re

import pytest

import charms
from coordinated_telemetry.workloads import Ports
from coordinator.source import description, nginx_config, nginx_pod, nginx_timeouts, workload

TIMEOUTS = {name: value for name, value in vars(nginx_timeouts).items() if name.isupper()}


def config():
    """What nginx reads if it serves HTTP, gRPC and TCP."""
    of = dataclasses.replace(
        workload.WORKLOAD,
        grpc={'/shop.Greeter/': description.Grpc('gate', Ports(9095))},
        streams={6379: 'vault'},
    )
    hosts = {'gate': ['a'], 'vault': ['b']}
    pod = nginx_pod.Pod(('127.0.0.1',), ipv6=False)
    return nginx_config.config(hosts, workload=of, pod=pod, log_level='info')


@pytest.mark.parametrize('name', TIMEOUTS)
def test_every_timeout_is_rendered(monkeypatch, name):
    monkeypatch.setattr(nginx_timeouts, name, 4321)
    assert re.search(r'_timeout 4321s;', config())


def test_nothing_else_is_rendered_as_a_timeout():
    rendered = re.findall(r'\w+_timeout (\d+)s;', config())
    assert {*map(int, rendered)} == {*TIMEOUTS.values()}


def test_every_timeout_is_documented_as_it_is():
    page = (charms.ROOT / 'docs' / 'reference.md').read_text()
    rows = re.findall(r'^\| .* \| (\d+) \| `(\w+_TIMEOUT)` \|', page, re.MULTILINE)
    assert {name: int(seconds) for seconds, name in rows} == TIMEOUTS
