"""Pods in real namespaces. Skipped where the machine does not let them be made."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import podprobe
import pytest

from localjuju.common import paths, venvs
from localjuju.pods import goprograms, namespaces

try:
    namespaces.check()
except namespaces.PodError as e:
    pytestmark = pytest.mark.skip(str(e))


@pytest.fixture(scope='module')
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What podprobe.py saw."""
    folder = tmp_path_factory.mktemp('probe')
    (folder / 'cache/bin').mkdir(parents=True)
    (folder / 'work').mkdir()
    log = folder / 'log'
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('COORDINATED_TELEMETRY_CACHE', str(folder / 'cache'))
        for name in 'pebble', 'hooktool':
            program = goprograms.built(name)
            program.write_text('#!/bin/sh\necho "${0##*/} $*"\n')
            program.chmod(0o755)
        patch.setenv('PYTHONPATH', str(paths.LOCALJUJU_DIR))
        argv = [sys.executable, podprobe.__file__, str(folder / 'work')]
        pid = namespaces.launch(argv, None, log)
    os.waitpid(pid, 0)
    text = log.read_text()
    assert text.startswith('{'), text
    return json.loads(text)


def test_addresses_are_distinct(seen: dict[str, Any]):
    assert len(set(seen['addresses'].values())) == 3


def test_dispatch_runs_in_the_charm_folder_with_hook_tools(seen: dict[str, Any]):
    code, output, errors = seen['dispatch']
    assert (code, errors) == (3, '')
    assert output == [
        'two words from /var/lib/juju/agents/unit-a-0/charm',
        'config-get --format=json',
        'a-0.a-endpoints.probe.svc.cluster.local',
    ]


def test_a_charm_sees_the_clock_ahead_but_durations_as_they_are(seen: dict[str, Any]):
    (now, running), (ahead, still) = seen['clocks'], seen['clocks ahead']
    assert 86400 <= ahead - now < 2 * 86400
    assert 0 <= still - running < 86400


def test_a_dispatch_that_cannot_be_run_exits_as_in_a_shell(seen: dict[str, Any]):
    assert (seen['no interpreter'], seen['no program']) == (127, 126)


def test_exec_passes_stdin(seen: dict[str, Any]):
    assert seen['stdin'] == 'in'


def test_exec_starts_in_the_charm_folder_or_where_it_is_told_to(seen: dict[str, Any]):
    assert seen['folders'] == ['/var/lib/juju/agents/unit-a-0/charm', '/var/lib/juju']


def test_a_unit_is_found_by_its_short_name(seen: dict[str, Any]):
    address, name = seen['hosts'].split()
    assert address == seen['addresses']['a/0']
    assert name == 'a-0.a-endpoints.probe.svc.cluster.local'


def test_the_controller_reaches_a_unit_by_name(seen: dict[str, Any]):
    assert seen['direct'].startswith('a-0 ')


def test_a_service_has_no_name_before_it_is_set(seen: dict[str, Any]):
    assert seen['no service'] == 'gaierror'


def test_a_service_spreads_over_its_units(seen: dict[str, Any]):
    assert [answer.split()[0] for answer in seen['spread']] == ['a-0', 'a-1']


def test_a_service_refuses_other_ports(seen: dict[str, Any]):
    assert seen['other port'] == 'ConnectionRefusedError'


def test_a_service_keeps_the_address_of_the_client(seen: dict[str, Any]):
    assert {answer.split()[1] for answer in seen['from a pod']} == {seen['addresses']['b/0']}


def test_a_unit_reaches_itself_through_its_service(seen: dict[str, Any]):
    assert seen['hairpin'].startswith('a-0 ')


def test_a_service_without_ready_units_refuses_at_the_same_address(seen: dict[str, Any]):
    assert seen['none ready'] == 'ConnectionRefusedError'
    assert seen['same address']


def test_a_removed_service_has_no_name(seen: dict[str, Any]):
    assert seen['removed'] == 'gaierror'


def test_a_timeout_kills_all_that_the_command_started(seen: dict[str, Any]):
    why = 'cannot finish `sleep 97 & sleep 98` in the charm of b/0: still running after 0.2 s'
    assert seen['timeout'] == why
    assert seen['left after timeout'] == []


def test_a_deleted_unit_has_no_name(seen: dict[str, Any]):
    assert seen['deleted'] == 'gaierror'


def test_a_new_pod_gets_a_new_address(seen: dict[str, Any]):
    assert seen['new address'] not in seen['addresses'].values()


def test_storage_is_one_folder_wherever_it_is_mounted(seen: dict[str, Any]):
    assert seen['storage'] == 'kept\n'


def test_read_only_storage_cannot_be_written(seen: dict[str, Any]):
    assert seen['read-only storage'] == ['file']


def test_storage_outlives_its_pod(seen: dict[str, Any]):
    assert seen['storage of a new pod'] == 'kept'


def test_a_pod_is_not_made_twice(seen: dict[str, Any]):
    assert seen['twice'] == 'cannot create the pod of a/0: it exists'


def test_close_leaves_no_network_device(seen: dict[str, Any]):
    assert seen['links after close'] == ['lo']


@pytest.mark.parametrize('victim', ['unshare', 'catatonit', 'sh'])
def test_all_ends_when_one_of_the_chain_is_killed(victim: str, tmp_path: Path):
    script = 'sleep 321.5 & setsid sleep 321.5 & echo ready; sleep 321.5'
    top = namespaces.launch(['sh', '-c', script], None, tmp_path / 'log')
    wait_for(lambda: 'ready' in (tmp_path / 'log').read_text())
    started = descendants(top)
    assert len(started) >= 5
    chain = {'unshare': top} | {name: pid for pid, name in started.items() if name != 'sleep'}
    os.kill(chain[victim], signal.SIGKILL)
    os.waitpid(top, 0)
    wait_for(lambda: not any(alive(pid) for pid in started))


def descendants(root: int) -> dict[int, str]:
    """The names of all that descend from a process, by pid."""
    rows: list[tuple[int, int, str]] = []
    for stat in Path('/proc').glob('[0-9]*/stat'):
        with contextlib.suppress(OSError):  # it may have ended by now
            # The name in parentheses, the second field, may hold spaces itself.
            head, _, tail = stat.read_text().rpartition(')')
            rows.append((int(stat.parent.name), int(tail.split()[1]), head.partition('(')[2]))
    found: dict[int, str] = {}
    for _ in rows:
        found |= {pid: name for pid, parent, name in rows if parent in {root, *found}}
    return found


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie that some other process has yet to reap."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Two checkouts side by side


@pytest.fixture
def checkouts(monkeypatch, tmp_path: Path) -> Iterator[list[Path]]:
    """The `juju` programs of two checkouts that share a cache, as one user has them."""
    cache = tmp_path / 'cache'
    (cache / 'bin').mkdir(parents=True)
    monkeypatch.setenv('COORDINATED_TELEMETRY_CACHE', str(cache))
    monkeypatch.setenv('LOCALJUJU_OWNER', str(os.getpid()))
    for name in 'LOCALJUJU_HOME', 'JUJU_MODEL':
        monkeypatch.delenv(name, raising=False)
    python = venvs.folder('localjuju', (paths.LOCALJUJU_DIR / 'pyproject.toml').read_bytes())
    programs = {
        python / 'bin/python': f'exec {sys.executable} "$@"',
        goprograms.built('pebble'): '',
        goprograms.built('hooktool'): '',
    }
    for program, text in programs.items():
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!/bin/sh\n{text}\n')
        program.chmod(0o755)
    folders = [tmp_path / name for name in ('one', 'other')]
    for folder in folders:
        skipped = shutil.ignore_patterns('__pycache__', 'tests', '.*')
        shutil.copytree(paths.LOCALJUJU_DIR, folder, ignore=skipped)
    with tempfile.TemporaryDirectory() as runtime:  # short, for the sockets
        monkeypatch.setenv('XDG_RUNTIME_DIR', runtime)
        yield [folder / 'bin/juju' for folder in folders]


def test_checkouts_run_models_of_one_name_at_the_same_time(checkouts: list[Path]):
    def juju(program: Path, *arguments: str) -> str:
        done = subprocess.run([program, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    one, other = checkouts
    try:
        starting = [subprocess.Popen([program, 'add-model', 'demo']) for program in checkouts]
        assert [process.wait() for process in starting] == [0, 0]
        juju(one, 'model-config', 'update-status-hook-interval=7s')
        seen = [juju(p, 'model-config', 'update-status-hook-interval').strip() for p in checkouts]
        assert seen[0] == '7s'
        assert seen[1] != '7s'
        juju(one, 'add-model', 'second')  # which becomes the current one of this checkout only
        assert json.loads(juju(other, 'models', '--format', 'json'))['current-model'] == 'demo'
        juju(one, 'destroy-model', 'demo', '--no-prompt')
        assert json.loads(juju(other, 'status', '--format', 'json'))['model']['name'] == 'demo'
    finally:
        for program, name in ((one, 'demo'), (one, 'second'), (other, 'demo')):
            command = [program, 'destroy-model', name, '--no-prompt', '--force']
            subprocess.run(command, capture_output=True)
