"""How nginx is brought to run with a configuration."""

import dataclasses
import shlex
import subprocess

import pytest
from ops import pebble, testing

import nginxconf
from coordinator import scene
from coordinator.source import nginx


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


WORKERS = scene.workers('both', id=11)


@pytest.fixture
def running(unit, calls):
    """The state of a unit whose nginx runs."""
    after = unit.update_status(unit.state(WORKERS))
    calls.clear()
    return after


def with_container(state, container):
    others = [other for other in state.containers if other.name != container.name]
    return dataclasses.replace(state, containers=[*others, container])


def one_more_worker(state):
    return scene.replaced(state, scene.workers('both', units=[0, 1], id=11))


def steps(calls):
    """What was done to the nginx container, in short."""
    found = []
    for tool, arguments in calls:
        if tool in ('pebble push', 'pebble rm'):
            found.append(f'{tool.removeprefix("pebble ")} {arguments[0].rpartition("/")[2]}')
        elif tool == 'pebble exec':
            found.append(' '.join(arguments[0][:2]))
        elif tool in ('pebble add', 'pebble replan', 'pebble restart', 'pebble signal'):
            found.append(tool.removeprefix('pebble '))
    return found


STARTED = ['add', 'replan'] * 2
"""The service, and then its check."""


def test_a_configuration_is_tested_before_it_is_in_use_and_nginx_is_started(unit, calls):
    unit.update_status(
        unit.state(
            WORKERS,
            containers=[unit.nginx(), testing.Container('nginx-prometheus-exporter')],
        )
    )
    assert steps(calls) == [
        'push nginx.conf.candidate',
        'nginx -t',
        'push nginx.conf',
        *STARTED,
        'rm nginx.conf.candidate',
        'nginx -v',
    ]
    pushed = dict(calls.of('pebble push'))
    assert pushed['/etc/nginx/nginx.conf.candidate'] == pushed['/etc/nginx/nginx.conf']
    assert unit.config == pushed['/etc/nginx/nginx.conf']


def test_what_is_tested_is_the_candidate(unit, running):
    unit.update_status(one_more_worker(running))
    tests = [e.command for e in unit.ctx.exec_history['nginx'] if '-t' in e.command]
    assert tests
    assert all(command[-2:] == ['-c', '/etc/nginx/nginx.conf.candidate'] for command in tests)


def test_a_running_nginx_is_reloaded_and_never_restarted(unit, running, calls):
    unit.update_status(one_more_worker(running))
    assert steps(calls) == [
        'push nginx.conf.candidate',
        'nginx -t',
        'push nginx.conf',
        'nginx -s',
        'rm nginx.conf.candidate',
    ]
    assert scene.host('both/1') in unit.config


def test_nothing_is_done_when_nothing_changed(unit, running, calls):
    unit.update_status(running)
    assert steps(calls) == []


REFUSAL = 'nginx: [emerg] no "x" in /etc/nginx/nginx.conf.candidate:7\nnginx: test failed\n'


def test_a_configuration_that_nginx_refuses_is_not_used(unit, running, calls):
    before = unit.config
    refusing = unit.nginx(refuses=REFUSAL)
    had = running.get_container('nginx')
    state = one_more_worker(
        with_container(running, dataclasses.replace(had, execs=refusing.execs))
    )
    after = unit.update_status(state)
    assert unit.config == before
    assert steps(calls) == ['push nginx.conf.candidate', 'nginx -t', 'rm nginx.conf.candidate']
    assert after.get_container('nginx').service_statuses == had.service_statuses


def test_what_nginx_says_of_it_is_in_the_status(unit):
    state = unit.state(WORKERS, containers=[unit.nginx(refuses=REFUSAL)])
    assert unit.update_status(state).unit_status == testing.BlockedStatus(
        '[nginx] cannot use the new configuration: nginx: [emerg] no "x":7 nginx: test failed'
    )


def test_a_long_complaint_is_cut(unit):
    state = unit.state(WORKERS, containers=[unit.nginx(refuses='word ' * 1000)])
    assert len(unit.update_status(state).unit_status.message) < 300


def test_a_refused_configuration_is_good_again_with_the_next_change(unit, running, calls):
    had = running.get_container('nginx')
    refusing = dataclasses.replace(had, execs=unit.nginx(refuses=REFUSAL).execs)
    refused = unit.update_status(one_more_worker(with_container(running, refusing)))
    accepting = dataclasses.replace(refused.get_container('nginx'), execs=had.execs)
    after = unit.update_status(with_container(refused, accepting))
    assert isinstance(after.unit_status, testing.ActiveStatus)
    assert scene.host('both/1') in unit.config


def interrupted(unit, state, monkeypatch, calls, method, when):
    """Run a hook that is cut short where it calls a method of Pebble's client."""
    from scenario import mocking

    original = getattr(mocking._MockPebbleClient, method)

    def cut_short(self, *arguments, **options):
        if when in str(arguments):
            raise pebble.ConnectionError('gone')
        return original(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(mocking._MockPebbleClient, method, cut_short)
        after = unit.update_status(state)
    calls.clear()
    return after


@pytest.mark.parametrize(
    ('method', 'when'),
    [
        ('push', 'candidate'),
        ('exec', '-t'),
        ('push', "nginx.conf'"),
        ('exec', 'reload'),
        ('remove_path', 'candidate'),
    ],
)
def test_a_hook_that_was_cut_short_is_made_good_by_the_next(
    unit, running, monkeypatch, calls, method, when
):
    after = interrupted(unit, one_more_worker(running), monkeypatch, calls, method, when)
    after = unit.update_status(after)
    assert scene.host('both/1') in unit.config
    assert 'nginx -s' in steps(calls)
    assert [path.name for path in unit.folder.iterdir()] == ['nginx.conf']
    calls.clear()
    unit.update_status(after)
    assert steps(calls) == []


def test_nginx_starts_with_all_the_open_files_that_its_container_allows(tmp_path):
    (tmp_path / 'nginx').write_text('#!/bin/sh\nulimit -Sn\n')
    (tmp_path / 'nginx').chmod(0o755)
    command = pebble.Layer(nginx.layer()).services['nginx'].command
    done = subprocess.run(
        [
            '/bin/sh',
            '-c',
            'ulimit -Sn 100; ulimit -Hn 200; exec "$@"',
            'sh',
            *shlex.split(command),
        ],
        env={'PATH': f'{tmp_path}:/usr/bin:/bin'},
        capture_output=True,
        text=True,
        start_new_session=True,  # it kills what is left of nginx's
    )
    assert done.stdout == '200\n', done.stderr


def test_a_new_pod_gets_everything_again(unit, running, calls):
    for path in unit.folder.iterdir():
        path.unlink()
    unit.update_status(with_container(running, unit.nginx()))
    assert steps(calls)[:8] == [
        'push nginx.conf.candidate',
        'nginx -t',
        'push nginx.conf',
        *STARTED,
        'rm nginx.conf.candidate',
    ]


def test_a_container_that_lost_its_plan_only_is_started_again(unit, running, calls):
    unit.update_status(with_container(running, unit.nginx()))
    assert steps(calls) == STARTED


def test_requests_are_asked_for_when_there_is_a_worker_of_each_role(unit):
    """An image's own check, that fails, stands until then; and one that was there stays."""

    def checks(state):
        return list(state.get_container('nginx').plan.checks)

    gates, vaults = (
        scene.workers('gate', 'gate'),
        scene.workers('vault', 'vault'),
    )
    state = unit.update_status(unit.state(gates))
    assert checks(state) == []
    assert list(nginxconf.upstreams(unit.config)) == ['gate']
    state = unit.update_status(scene.replaced(state, vaults))
    assert checks(state) == ['nginx-ready']
    others = [relation for relation in state.relations if relation.id != gates.id]
    state = unit.update_status(dataclasses.replace(state, relations=others))
    assert list(nginxconf.upstreams(unit.config)) == ['vault']
    assert checks(state) == ['nginx-ready']


def test_a_configuration_that_somebody_changed_is_put_right(unit, running):
    wanted = unit.config
    (unit.folder / 'nginx.conf').write_bytes(b'\xff')
    unit.update_status(running)
    assert unit.config == wanted


def test_dns_servers_that_nginx_cannot_use_block_and_change_nothing(unit, running, calls):
    before = unit.config
    unit.resolv_conf.write_text('nameserver fe80::1%eth0\n')
    after = unit.update_status(running)
    assert after.unit_status == testing.BlockedStatus(
        '[nginx] cannot use the new configuration: '
        '/etc/resolv.conf has no DNS server that nginx can use: fe80::1%eth0'
    )
    assert unit.config == before
    assert steps(calls) == []
    unit.resolv_conf.write_text('nameserver 10.0.0.1\n')
    assert isinstance(unit.update_status(after).unit_status, testing.ActiveStatus)


def test_a_low_limit_of_open_files_is_kept_and_noted(unit, running, tmp_path):
    limits = tmp_path / 'limits'
    limits.write_text(scene.LIMITS.format(128, 1024))
    container = running.get_container('nginx')
    mounts = {**container.mounts, 'proc': testing.Mount(location='/proc/1/limits', source=limits)}
    state = with_container(running, dataclasses.replace(container, mounts=mounts))
    after = unit.update_status(state)
    assert 'worker_connections 896;' in unit.config
    assert after.unit_status.message.endswith(
        '; nginx accepts 896 connections per process, not 4096: '
        "raise its container's hard limit of 1024 open files"
    )


def unreadable(monkeypatch, unreadable_path):
    """Let Pebble fail to read a file that is there."""
    from scenario import mocking

    original = mocking._MockPebbleClient.pull

    def pull(self, path, *arguments, **options):
        if path == unreadable_path:
            raise pebble.PathError('permission-denied', 'permission denied')
        return original(self, path, *arguments, **options)

    monkeypatch.setattr(mocking._MockPebbleClient, 'pull', pull)


def test_a_resolv_conf_that_cannot_be_read_changes_nothing(unit, running, monkeypatch):
    before = unit.config
    unreadable(monkeypatch, '/etc/resolv.conf')
    after = unit.update_status(running)
    assert unit.config == before
    assert isinstance(after.unit_status, testing.WaitingStatus)


def test_limits_that_cannot_be_read_are_taken_to_suffice(unit, running, monkeypatch):
    before = unit.config
    unreadable(monkeypatch, '/proc/1/limits')
    after = unit.update_status(running)
    assert unit.config == before
    assert after.unit_status == running.unit_status


def test_nginx_is_configured_although_its_exporter_does_not_start(unit, monkeypatch, calls):
    from scenario import mocking

    original = mocking._MockPebbleClient.replan_services

    def replan(self, *arguments, **options):
        if 'exporter' in self.socket_path:
            raise pebble.ConnectionError('gone')
        return original(self, *arguments, **options)

    monkeypatch.setattr(mocking._MockPebbleClient, 'replan_services', replan)
    after = unit.update_status(unit.state(WORKERS))
    assert after.get_container('nginx').service_statuses == {'nginx': pebble.ServiceStatus.ACTIVE}
    assert any('nginx-prometheus-exporter: gone' in message for _, message in calls.of('juju-log'))


@pytest.mark.parametrize(
    ('said', 'version'),
    [
        ('nginx version: nginx/1.27.5\n', '1.27.5'),
        ('nginx version: nginx/1.27.5 (Ubuntu)\n', '1.27.5'),
        ('', ''),
    ],
)
def test_the_version_is_what_nginx_says(unit, said, version):
    container = unit.nginx()
    execs = {e for e in container.execs if e.command_prefix != ('nginx', '-v')}
    execs.add(testing.Exec(['nginx', '-v'], stdout=said))
    container = dataclasses.replace(container, execs=execs)
    assert unit.update_status(unit.state(containers=[container])).workload_version == version


def test_a_version_that_cannot_be_told_fails_nothing(unit):
    container = unit.nginx()
    execs = {e for e in container.execs if e.command_prefix != ('nginx', '-v')}
    container = dataclasses.replace(container, execs=execs)
    after = unit.update_status(unit.state(WORKERS, containers=[container]))
    assert after.workload_version == ''
    assert isinstance(after.unit_status, testing.ActiveStatus)
