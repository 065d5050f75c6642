"""The CA of a coordinator that serves TLS: what the workload trusts, and when it restarts."""

import dataclasses

import pytest
from ops import testing

import authority
from coordinator import scene as coordinators
from coordinator.serving import CA, GARBAGE
from worker import scene as workers


@pytest.fixture
def worker(tmp_path):
    return workers.Worker(tmp_path)


def environment(state):
    """The environment of a worker's workload."""
    return workers.service(state)['environment']


def trusting(worker, ca: str | None = CA.certificate):
    """The state of a worker whose coordinator serves TLS."""
    relation = workers.coordinator(workers.published(ca_cert=ca), id=21)
    return worker.update_status(worker.state(relation, workers.peers(id=22)))


def test_a_worker_of_a_plain_coordinator_trusts_nobody_besides(worker):
    after = trusting(worker, None)
    assert 'TRUSTS' not in environment(after)
    assert not (worker.folder / 'ca').exists()
    assert '--calls=http://' in workers.service(after)['command']


def test_a_worker_that_calls_nobody_is_not_restarted(worker):
    config = {'role-all': False, 'role-vault': True}
    state = worker.update_status(worker.state(workers.coordinator(id=21), config=config))
    relation = workers.coordinator(workers.published(ca_cert=CA.certificate), id=21)
    after = worker.ctx.run(worker.ctx.on.config_changed(), coordinators.replaced(state, relation))
    assert workers.service(after) == workers.service(state)


def test_another_ca_goes_round_the_workers_one_by_one(worker, tmp_path):
    other = authority.authority('other').certificate
    second = workers.Worker(tmp_path / 'second', number=1)
    trusted = {}
    said = {
        unit.unit: trusting(unit).get_relation(22).local_unit_data for unit in (second, worker)
    }
    for unit in (second, worker):  # the first one waits until it knows that the second one does
        before = trusting(unit)
        peer = dataclasses.replace(
            before.get_relation(22),
            peers_data={1 - number(unit): dict(said[f'worker/{1 - number(unit)}'])},
        )
        relation = workers.coordinator(workers.published(ca_cert=other), id=21)
        state = coordinators.replaced(before, relation, peer)
        after = unit.ctx.run(unit.ctx.on.config_changed(), state)
        said[unit.unit] = after.get_relation(22).local_unit_data
        trusted[unit.unit] = (unit.folder / 'ca' / 'ca.pem').read_text()
        assert (environment(after) == environment(before)) is (unit is second)
    assert trusted == {'worker/0': other, 'worker/1': CA.certificate}


def number(unit):
    """The number of a worker unit."""
    return int(unit.unit.partition('/')[2])


@pytest.mark.parametrize('case', [case for case in GARBAGE if case != 'nothing'])
def test_what_is_no_certificate_is_not_written_nor_trusted(worker, case):
    if case == 'half a surrogate pair':
        databag = {**workers.published(), 'ca_cert': '"\\ud800"'}
    else:
        databag = workers.published(ca_cert=GARBAGE[case])
    running = trusting(worker, None)
    relation = dataclasses.replace(running.get_relation(21), remote_app_data=databag)
    after = worker.ctx.run(
        worker.ctx.on.config_changed(), coordinators.replaced(running, relation)
    )
    assert not (worker.folder / 'ca').exists()
    assert environment(after) == environment(running)
    assert 'ignored: coordinator' in after.unit_status.message


def test_only_certificates_are_written_whatever_white_space_they_came_with(worker):
    body = ''.join(CA.certificate.splitlines()[1:-1])
    sent = f'\r\n-----BEGIN CERTIFICATE-----\r\n{body}\r\n-----END CERTIFICATE-----\r\n\t'
    after = trusting(worker, sent)
    assert (worker.folder / 'ca' / 'ca.pem').read_bytes().decode() == CA.certificate
    assert isinstance(after.unit_status, testing.ActiveStatus)
