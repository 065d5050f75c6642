"""What others publish, by accident or on purpose: pains 9 to 13."""

import dataclasses

import pytest
from ops import testing

import hostile
import juju
import nginxconf
from coordinator import scene as coordinators
from pains.found import changed, scraped, servers, workload
from worker import scene as workers

# 9. `address` or a URL from a databag breaks out of nginx.conf.


@pytest.mark.parametrize('case', ['a second server', 'a second server on its line', 'variable'])
def test_pain_09_an_address_cannot_break_out_of_the_configuration(unit, case):
    evil = coordinators.worker_unit('w/1', address=hostile.NOT_HOSTS[case])
    unit.update_status(unit.state(coordinators.workers('w', databags={1: evil})))
    (http,) = [d for d in nginxconf.parse(unit.config) if d.words == ('http',)]
    listening = [
        listen.words[1]
        for server in http.block or ()
        if server.words == ('server',)
        for listen in server.block or ()
        if listen.words[0] == 'listen'
    ]
    assert {address.rpartition(':')[2] for address in listening} == {'8080', '8081', '8082'}
    assert servers(unit, 'gate') == {workload('w/0')}


# 10. One worker with an empty, IPv6, host:port or 1 MB address makes nginx.conf invalid for all; a
# failing reload is an uncaught exception.


@pytest.mark.parametrize(
    'case', ['empty', 'IPv6 in brackets and port', 'host:port', 'one megabyte', 'null byte']
)
def test_pain_10_a_worker_with_a_bad_address_is_ignored_alone_and_named(unit, case):
    bad = coordinators.worker_unit('w/1', address=hostile.NOT_HOSTS[case])
    after = unit.update_status(unit.state(coordinators.workers('w', databags={1: bad})))
    assert servers(unit, 'gate') == {workload('w/0')}
    assert 'ignored: w/1 (' in after.unit_status.message


def test_pain_10_an_ipv6_address_is_served(unit):
    good = coordinators.worker_unit('w/1', address='fd00::1')
    unit.update_status(unit.state(coordinators.workers('w', databags={1: good})))
    assert servers(unit, 'gate') == {workload('w/0'), '[fd00::1]:7070'}


def test_pain_10_a_configuration_that_nginx_refuses_is_not_activated_and_shows(unit):
    running = unit.update_status(unit.state(coordinators.workers('w', id=11)))
    before = unit.config
    container = running.get_container('nginx')
    refusing = dataclasses.replace(container, execs=unit.nginx(refuses='[emerg] oops').execs)
    others = [other for other in running.containers if other.name != 'nginx']
    state = coordinators.replaced(
        running, coordinators.workers('w', units=[0, 1], id=11), containers=[refusing, *others]
    )
    after = changed(unit, state)
    assert unit.config == before
    assert after.unit_status == testing.BlockedStatus(
        '[nginx] cannot use the new configuration: [emerg] oops'
    )


def test_pain_10_a_reload_that_fails_is_no_uncaught_exception_and_is_made_good(unit):
    running = unit.update_status(unit.state(coordinators.workers('w', id=11)))
    container = running.get_container('nginx')
    failing = {e for e in container.execs if e.command_prefix[:2] != ('nginx', '-s')}
    failing.add(testing.Exec(['nginx', '-s'], return_code=1, stderr='oops'))
    others = [other for other in running.containers if other.name != 'nginx']
    state = coordinators.replaced(
        running,
        coordinators.workers('w', units=[0, 1], id=11),
        containers=[dataclasses.replace(container, execs=failing), *others],
    )
    failed = changed(unit, state)
    assert failed.unit_status == testing.WaitingStatus(
        '[nginx] not configured yet; see juju debug-log'
    )
    mended = dataclasses.replace(failed.get_container('nginx'), execs=container.execs)
    unit.ctx.exec_history.clear()
    changed(unit, dataclasses.replace(failed, containers=[mended, *others]))
    commands = [execution.command[:2] for execution in unit.ctx.exec_history['nginx']]
    assert ['nginx', '-s'] in commands


# 11. Invalid JSON, missing url, bad port, non-http URL, unknown secret id in a databag: uncaught
# exceptions.


@pytest.mark.parametrize(
    'databag',
    [
        {'endpoint': '{'},
        {'endpoint': '{}'},
        {'endpoint': '{"url": "http://loki:99999/push"}'},
        {'endpoint': '{"url": "ftp://loki/push"}'},
    ],
)
def test_pain_11_a_bad_endpoint_is_ignored_and_no_exception(unit, databag):
    after = unit.update_status(unit.state(coordinators.loki(databags={1: databag}, id=15)))
    targets = juju.enabled_log_targets(after.get_container('nginx'))
    assert list(targets) == [coordinators.push_url('loki/0')]


def test_pain_11_an_unknown_secret_is_not_even_asked_for(worker):
    databag = {**workers.published(), 'privkey_secret_id': '"secret:d0000000000000000000"'}
    after = worker.update_status(worker.state(workers.coordinator(databag)))
    assert isinstance(after.unit_status, testing.ActiveStatus)


# 12. A required role with zero units counts as coherent; unknown roles accepted.


def test_pain_12_a_role_counts_by_the_units_that_published(unit):
    no_units = coordinators.workers('b', 'vault', units=[], id=12)
    deployment = [coordinators.workers('f', 'gate', id=11), no_units]
    after = unit.update_status(unit.state(*deployment))
    assert after.unit_status == testing.BlockedStatus('[cluster] missing roles: vault')


def test_pain_12_an_unknown_role_is_refused_and_named(unit):
    deployment = [coordinators.workers('f', id=11), coordinators.workers('b', 'backened', id=12)]
    after = unit.update_status(unit.state(*deployment))
    assert servers(unit, 'vault') == {workload('f/0')}
    assert 'ignored: b (unknown role "backened"' in after.unit_status.message


# 13. An application can claim another's identity in its databag.


@pytest.mark.parametrize(
    'topology_claimed',
    [
        {'application': 'victim', 'unit': 'victim/0'},
        {'application': 'victim', 'unit': 'w/1'},
        {'application': 'w', 'unit': 'w/0'},
    ],
)
def test_pain_13_nobody_can_be_somebody_else(unit, topology_claimed):
    claimed = {**topology_claimed, 'charm_name': 'worker-k8s'}
    liar = coordinators.worker_unit('w/1', juju_topology=claimed)
    deployment = [
        coordinators.workers('victim', id=10),
        coordinators.workers('w', databags={1: liar}, id=11),
        coordinators.scraper(id=14),
    ]
    after = unit.update_status(unit.state(*deployment))
    units = sorted(labels['juju_unit'] for labels in scraped(after).values())
    assert units == ['coordinator/0', 'victim/0', 'w/0']
    assert 'ignored: w/1 (claims to be ' in after.unit_status.message
