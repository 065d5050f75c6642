"""What pods are put together from, as far as it needs no namespaces."""

import ipaddress
import itertools
import json
import os
import resource
import shutil
import signal
import subprocess
import types
from pathlib import Path

import pytest

from localjuju.common import pythons, registry
from localjuju.pods import bundle, host, namespaces, network, processes
from localjuju.pods.namespaces import PodError

# Names


def test_names_are_those_of_kubernetes():
    assert network.unit_fqdn('app/3', 'm') == 'app-3.app-endpoints.m.svc.cluster.local'
    assert network.service_fqdn('app', 'm') == 'app.m.svc.cluster.local'


def test_resolv_conf_searches_the_model_first():
    assert network.resolv_conf('m').splitlines() == [
        'search m.svc.cluster.local svc.cluster.local cluster.local',
        'nameserver 10.152.183.10',
        'options ndots:5',
    ]


def test_hosts_names_the_pod_in_full_first():
    last = network.hosts('app/3', 'm', '10.1.0.9').splitlines()[-1]
    assert last.split() == ['10.1.0.9', 'app-3.app-endpoints.m.svc.cluster.local', 'app-3']


def test_models_have_disjoint_subnets():
    subnets = [network.Subnets(number) for number in registry.NUMBERS]
    ranges = [subnet for each in subnets for subnet in (each.pods, each.services)]
    starts = sorted(ranges, key=lambda subnet: subnet[0])
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(starts))
    assert not any(
        ipaddress.ip_address(network.DNS_ADDRESS) in each.pods
        or ipaddress.ip_address(network.DNS_ADDRESS) in list(each.services)[20:]
        for each in subnets
    )


# Services


def service(ports: list[tuple[str, int]], endpoints: list[str]) -> network.Service:
    made = network.Service('10.152.183.20')
    made.ports = ports
    made.endpoints = endpoints
    return made


def test_a_service_spreads_each_port_over_its_endpoints():
    rules = list(service([('tcp', 80), ('udp', 53)], ['10.1.0.2', '10.1.0.3']).rules())
    target = 'dnat to numgen random mod 2 map { 0 : 10.1.0.2, 1 : 10.1.0.3 }'
    assert rules == [
        f'ip daddr 10.152.183.20 tcp dport 80 {target}',
        f'ip daddr 10.152.183.20 udp dport 53 {target}',
    ]


def test_a_service_without_endpoints_translates_nothing():
    assert list(service([('tcp', 80)], []).rules()) == []


def test_only_what_a_pod_sends_to_itself_changes_its_source():
    text = network.ruleset([service([('tcp', 80)], ['10.1.0.2', '10.1.0.3'])], network.Subnets())
    pairs = '10.1.0.2 . 10.1.0.2, 10.1.0.3 . 10.1.0.3'
    assert f'ip saddr . ip daddr {{ {pairs} }} snat to 10.1.0.1' in text
    assert 'snat' not in network.ruleset([service([('tcp', 80)], [])], network.Subnets())


# The OCI configuration


def write(tmp_path: Path, mounts: list[bundle.Mount]) -> dict:
    spec = bundle.Spec('title', 'app-0', Path('/ns/app-0'), mounts, ['x'], {'A': 'b c'}, '/home')
    bundle.write(tmp_path, spec)
    return json.loads((tmp_path / 'config.json').read_text())


def test_bundle_joins_the_network_of_the_pod(tmp_path: Path):
    namespaces_ = write(tmp_path, [])['linux']['namespaces']
    assert {'type': 'network', 'path': '/ns/app-0'} in namespaces_


def test_bundle_mounts_read_only_unless_told_otherwise(tmp_path: Path):
    mounts = [bundle.Mount(Path('/a'), '/b'), bundle.Mount(Path('/c'), '/d', writable=True)]
    found = {m['destination']: m['options'] for m in write(tmp_path, mounts)['mounts']}
    assert found['/b'] == ['rbind', 'ro']
    assert found['/d'] == ['rbind', 'rw']


def test_bundle_asks_for_no_more_files_than_it_may(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(resource, 'getrlimit', lambda which: (1024, 20000))
    process = write(tmp_path, [])['process']
    assert process['rlimits'] == [{'type': 'RLIMIT_NOFILE', 'hard': 20000, 'soft': 20000}]
    assert process['env'] == ['A=b c']


# Processes


def test_wait_tells_whether_all_have_ended():
    process = subprocess.Popen(['sleep', '60'])
    pidfd = os.pidfd_open(process.pid)
    try:
        assert not processes.wait([pidfd], 0)
        process.kill()
        assert processes.wait([pidfd], 60)
    finally:
        os.close(pidfd)
        process.wait()


def test_kill_tree_ends_the_children_too():
    script = 'sleep 60 & echo $!; wait'
    process = subprocess.Popen(['sh', '-c', script], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    child = os.pidfd_open(int(process.stdout.readline()))
    try:
        processes.kill_tree(process.pid)
        assert processes.wait([child], 60)
        assert process.wait() == -signal.SIGKILL
    finally:
        os.close(child)
        process.stdout.close()


def test_signal_by_name_finds_executables_not_arguments(tmp_path: Path):
    program = tmp_path / 'program-of-a-test'
    shutil.copy('/usr/bin/sleep', program)
    process = subprocess.Popen([program, '60'])
    other = subprocess.Popen(['sh', '-c', 'sleep 60', 'program-of-a-test'])
    try:
        # This test shares its process namespace: signal 0 does nothing to anyone.
        assert processes.signal_by_name(os.getpid(), 'program-of-a-test', 0) == 1
        assert processes.signal_by_name(os.getpid(), 'no-such-program', 0) == 0
    finally:
        for started in process, other:
            processes.kill_tree(started.pid)
            started.wait()


# The charm container's Python


def test_a_charm_without_packages_needs_no_interpreter(tmp_path: Path):
    assert host.charm_python(tmp_path) is None


def test_a_charm_for_an_unknown_python_is_said(tmp_path: Path):
    (tmp_path / 'venv/lib/python3.99').mkdir(parents=True)
    with pytest.raises(PodError, match=r'packed for Python 3\.99, which this machine lacks'):
        host.charm_python(tmp_path)


def test_pyvenv_cfg_follows_the_interpreter_here(tmp_path: Path):
    (tmp_path / 'venv').mkdir()
    file = tmp_path / 'venv/pyvenv.cfg'
    python = pythons.Python('3.12', Path('/opt/python/bin/python3.12'), Path('/opt/python'))
    file.write_text('home = /usr/bin\nversion_info = 3.12.3\n')
    fitting = host.venv_config(tmp_path, python)
    assert fitting == 'home = /opt/python/bin\nversion_info = 3.12.3\n'
    file.write_text(fitting)
    assert host.venv_config(tmp_path, python) is None


# What is said where pods cannot run


def test_missing_programs_are_named_with_their_packages(monkeypatch):
    monkeypatch.setattr(namespaces.shutil, 'which', lambda name, path: None)
    with pytest.raises(PodError, match=r'crun, .*; as root: apt-get install catatonit crun '):
        namespaces.check()


@pytest.mark.parametrize(('uid', 'said'), [(0, 'lacks CAP_SYS_ADMIN'), (1000, 'run as root, or ')])
def test_the_way_out_is_named(monkeypatch, uid: int, said: str):
    refusal = types.SimpleNamespace(returncode=1, stderr='unshare failed: Operation not permitted')
    monkeypatch.setattr(namespaces, 'missing_programs', dict)
    monkeypatch.setattr(namespaces.os, 'geteuid', lambda: uid)
    monkeypatch.setattr(namespaces.subprocess, 'run', lambda *a, **k: refusal)
    with pytest.raises(PodError, match=f'cannot make namespaces: unshare failed.*{said}'):
        namespaces.check()


def test_a_network_is_not_made_on_the_host(monkeypatch):
    monkeypatch.delenv(namespaces.OUTSIDE, raising=False)
    with pytest.raises(PodError, match='not started by'):
        namespaces.require_inside()
