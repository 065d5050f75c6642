"""What the coordinator reads from the model in each dispatch."""

import dataclasses

import pytest

import authority
from coordinator import scene
from coordinator.source import state, tls


def read(unit, *relations, **options):
    """What is read, and the report."""
    with unit.ctx(unit.ctx.on.update_status(), unit.state(*relations, **options)) as manager:
        manager.run()
        return manager.charm._state, manager.charm.report


def test_all_of_it_is_read(unit):
    seen, found = read(unit, *scene.deployment(), config={'log-level': 'error'})
    assert seen.config == state.Config(log_level='error')
    assert seen.coordinators == {
        unit_name: scene.host(unit_name) for unit_name in ('coordinator/0', 'coordinator/1')
    }
    assert [worker.topology.unit for worker in seen.workers.units] == [
        *('both/0', 'both/1', 'gate/2', 'gate/10', 'vault/0')
    ]
    assert seen.log_endpoints == {
        name: scene.push_url(name) for name in ('loki/0', 'loki/1', 'loki-b/0')
    }
    assert seen.charm_receivers == {'otlp_http': 'http://tempo:4318'}
    assert seen.workload_receivers == {
        'otlp_grpc': 'tempo:4317',
        'otlp_http': 'http://tempo:4318',
    }
    assert seen.tls == tls.Tls()
    assert found.ignored == []


def test_the_cas_of_the_stores_are_not_that_of_its_own_certificate(unit):
    ca = authority.authority().certificate
    seen, _ = read(unit, scene.store_ca(ca))
    assert (seen.store_ca, seen.tls) == (ca, tls.Tls())


def test_each_tracing_endpoint_has_receivers_of_its_own(unit):
    relations = [
        scene.tempo('charm-tracing', [scene.receiver('otlp_http', 'http://a')]),
        scene.tempo('workload-tracing', [scene.receiver('otlp_http', 'http://b')]),
    ]
    seen, _ = read(unit, *relations)
    assert seen.charm_receivers == {'otlp_http': 'http://a'}
    assert seen.workload_receivers == {'otlp_http': 'http://b'}


def test_alone_it_knows_itself(unit):
    seen, _ = read(unit)
    assert seen.coordinators == {'coordinator/0': scene.host('coordinator/0')}
    assert dataclasses.replace(seen, coordinators={}) == state.State(
        config=state.Config(),
        coordinators={},
        workers=seen.workers,
        log_endpoints={},
        charm_receivers={},
        workload_receivers={},
        store_ca='',
        tls=tls.Tls(),
    )
    assert not seen.workers.related


@pytest.mark.parametrize('level', ['loud', '', 'INFO', 'x' * 10_000])
def test_an_option_that_is_none_is_named_and_has_its_default(unit, level):
    seen, found = read(unit, config={'log-level': level})
    assert seen.config == state.Config()
    (line, *_) = found.blocked
    assert line.startswith('[config] log-level: Input should be ')
    assert line.endswith(': juju config coordinator …')
    assert len(line) < 200


@pytest.mark.parametrize('databag', [{}, {'address': '"a;b"'}, {'address': '['}])
def test_a_peer_without_a_valid_address_is_not_there(unit, databag):
    peers = scene.peers([2], databags={1: databag})
    seen, found = read(unit, peers)
    assert list(seen.coordinators) == ['coordinator/0', 'coordinator/2']
    assert [item.name for item in found.ignored] == ['coordinator/1'] * bool(databag)
