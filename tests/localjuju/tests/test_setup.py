"""What setup brings and when it does nothing."""

import contextlib
import dataclasses
import fcntl
import re
import shutil
import types
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from localjuju import setup
from localjuju.common import components, paths, progress
from localjuju.common.progress import SetupError
from localjuju.pods import goprograms

# Components


def names(*wanted: str) -> list[str]:
    return [component.name for component in components.selected(setup.COMPONENTS, wanted)]


def test_all_components_are_selected_by_default():
    assert names() == ['runtime', 'pods', 'binaries', 'images', 'extra-images']


def test_a_component_brings_those_it_needs_before_it():
    assert names('images') == ['runtime', 'binaries', 'images']
    assert names('pods') == ['pods']


def component(
    done: list[str], name: str, missing: Sequence[str], packages: Iterable[str] = ()
) -> components.Component:
    return components.Component(
        name, '', (), lambda: packages, lambda: missing, lambda: done.append(name)
    )


def test_only_what_is_missing_is_installed():
    done: list[str] = []
    components.ensure([component(done, 'a', []), component(done, 'b', ['something'])])
    assert done == ['b']


def test_what_is_missing_is_announced_with_its_time(capsys, monkeypatch, tmp_path: Path):
    monkeypatch.setenv('COORDINATED_TELEMETRY_CACHE', str(tmp_path))
    done: list[str] = []
    parts = [component(done, name, missing) for name, missing in (('a', ['x']), ('b', []))]
    timed = [dataclasses.replace(p, summary=f'all of {p.name}', seconds=lambda: 90) for p in parts]
    components.ensure(timed)
    assert capsys.readouterr().out == (
        f'setup: once, for about 1.5 min on two processors: all of a; kept in {tmp_path}\n'
    )
    components.ensure(parts)
    assert capsys.readouterr().out == ''


def test_packages_come_first_and_together(monkeypatch):
    done: list[str] = []
    monkeypatch.setattr(
        components, '_install_packages', lambda packages: done.append(str(packages))
    )
    components.ensure(
        [component(done, 'a', ['x'], ['p2']), component(done, 'b', [], ['p1', 'p2'])]
    )
    assert done == ["['p1', 'p2']", 'a']


def test_an_unprivileged_user_is_told_the_command(monkeypatch):
    monkeypatch.setattr(components.os, 'geteuid', lambda: 1000)
    command = 'sudo apt-get install --yes --no-install-recommends crun git'
    with pytest.raises(SetupError, match=f'not root; run: {command}'):
        components._install_packages(['crun', 'git'])


def test_two_setups_install_packages_one_after_the_other(monkeypatch, tmp_path: Path):
    monkeypatch.setenv('COORDINATED_TELEMETRY_CACHE', str(tmp_path))
    monkeypatch.setattr(components.os, 'geteuid', lambda: 0)
    monkeypatch.setattr(components.shutil, 'which', lambda name: name)
    ran: list[Sequence[str]] = []

    def run(command: Sequence[str], **_: object) -> str:
        with (tmp_path / '.packages.lock').open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ran.append(command)
        return ''

    monkeypatch.setattr(components, 'run', run)
    components._install_packages(['crun'])
    assert [
        next(word for word in command if word in ('update', 'install')) for command in ran
    ] == [
        'update',
        'install',
    ]
    assert 'DPkg::Lock::Timeout=600' in ran[1]  # for the apt of somebody else


def test_check_names_what_is_missing_and_fails(monkeypatch, capsys):
    parts = (component([], 'pods', ['x'], ['crun']), component([], 'runtime', []))
    monkeypatch.setattr(setup, 'COMPONENTS', parts)
    assert setup.main(['--check']) == 1
    assert capsys.readouterr().out.splitlines() == ['pods: package crun', 'pods: x']


def test_an_error_is_one_message_without_a_traceback(monkeypatch, capsys):
    def refuse() -> None:
        raise SetupError('cannot do it: no')

    part = components.Component('tools', '', (), tuple, lambda: ['x'], refuse)
    monkeypatch.setattr(setup, 'COMPONENTS', (part,))
    assert setup.main([]) == 1
    assert capsys.readouterr().err == 'setup: cannot do it: no\n'


# The cache


@pytest.mark.parametrize(
    ('environment', 'expected'),
    [
        ({'COORDINATED_TELEMETRY_CACHE': '/c'}, '/c'),
        ({'XDG_CACHE_HOME': '/x'}, '/x/coordinated-telemetry'),
        ({'HOME': '/h'}, '/h/.cache/coordinated-telemetry'),
    ],
)
def test_the_cache_is_where_the_environment_says(monkeypatch, environment: dict, expected: str):
    for name in 'COORDINATED_TELEMETRY_CACHE', 'XDG_CACHE_HOME':
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert paths.cache_dir() == Path(expected)


def test_a_lock_is_free_again_after_use(monkeypatch, tmp_path: Path):
    monkeypatch.setenv('COORDINATED_TELEMETRY_CACHE', str(tmp_path))
    lock = tmp_path / '.x.lock'
    with progress.locked('x'), lock.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with lock.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_failed_command_is_quoted_with_its_end():
    script = 'for i in $(seq 30); do echo line $i >&2; done; exit 1'
    with pytest.raises(SetupError) as caught:
        progress.run(['sh', '-c', script], action='count')
    first, *rest = str(caught.value).splitlines()
    assert first == 'cannot count: sh failed:'
    assert rest == [f'line {i}' for i in range(11, 31)]


# Go programs


@pytest.fixture
def modules(tmp_path: Path, monkeypatch) -> Path:
    """Two modules, one with a tool of another module and one with a program of its own."""
    monkeypatch.setattr(paths, 'LOCALJUJU_DIR', tmp_path)
    monkeypatch.setenv('COORDINATED_TELEMETRY_CACHE', str(tmp_path / 'cache'))
    for name, text in {
        'jaeger': 'go 1.24.0\n\ntool example.test/jaeger/cmd/all\n\nrequire (\n'
        '\texample.test/jaeger v1.62.0 // indirect\n)\n',
        'own': 'go 1.25\n',
    }.items():
        (tmp_path / 'go' / name).mkdir(parents=True)
        (tmp_path / 'go' / name / 'go.mod').write_text(f'module {name}\n\n{text}')
    (tmp_path / 'go/own/main.go').write_text('package main\n')
    return tmp_path


def test_sources_of_our_own_belong_to_the_recipe_but_tests_do_not(modules: Path):
    before = goprograms.recipe_hash('own')
    (modules / 'go/own/main_test.go').write_text('package main\n')
    assert goprograms.recipe_hash('own') == before
    (modules / 'go/own/main.go').write_text('package main // changed\n')
    assert goprograms.recipe_hash('own') != before


def test_the_newest_wanted_go_decides(modules: Path):
    assert goprograms.wanted_version() == (1, 25)


def test_the_version_of_the_required_module_is_linked_in(modules: Path, monkeypatch):
    monkeypatch.setattr(
        goprograms, '_VERSIONS', {'jaeger': ('example.test/jaeger', 'x.latestVersion')}
    )
    flag = goprograms._version_flag('jaeger')
    assert flag == '-X x.latestVersion=v1.62.0'
    assert goprograms._version_flag('own') == ''


@pytest.fixture
def compiler(monkeypatch) -> list[str]:
    """In place of Go: what it builds says from which package. Lists what was fetched before."""
    fetched: list[str] = []

    def build(command: list[str], **_: object) -> str:
        Path(command[command.index('-o') + 1]).write_text(command[-1])
        return ''

    monkeypatch.setattr(goprograms, '_VERSIONS', {})
    monkeypatch.setattr(goprograms, 'environment', dict)
    monkeypatch.setattr(goprograms, 'toolchain', lambda: Path('go'))
    monkeypatch.setattr(goprograms, 'run', build)
    monkeypatch.setattr(goprograms, 'say', lambda *what: contextlib.nullcontext())
    monkeypatch.setattr(goprograms, '_fetch', fetched.append)
    return fetched


@pytest.mark.usefixtures('compiler')
def test_a_changed_program_is_built_beside_that_of_another_checkout(modules: Path):
    both = ['jaeger', 'own']
    goprograms.build(both)
    assert goprograms.missing(both) == []
    assert goprograms.built('jaeger').read_text() == 'example.test/jaeger/cmd/all'
    old = goprograms.built('own')
    (modules / 'go/own/main.go').write_text('package main // changed\n')
    assert goprograms.missing(both) == ['own']
    goprograms.build(both)
    assert goprograms.missing(both) == []
    assert old.exists()


def test_while_one_is_built_the_others_are_fetched(modules: Path, compiler: list[str]):
    shutil.copytree(modules / 'go/own', modules / 'go/third')
    goprograms.build(['jaeger', 'own', 'third'])
    assert compiler == ['third', 'jaeger']


@pytest.mark.usefixtures('compiler')
def test_what_nobody_asks_for_is_not_built(modules: Path):
    goprograms.build(['own'])
    assert goprograms.missing(['jaeger', 'own']) == ['jaeger']


def test_a_build_says_what_for_and_how_long(modules: Path, monkeypatch, capsys):
    monkeypatch.setattr(goprograms, '_ABOUT', {'own': ('serves pages', 90)})
    monkeypatch.setattr(goprograms, 'environment', dict)
    monkeypatch.setattr(goprograms, 'run', lambda command, **_: Path(command[-2]).touch())
    (modules / 'cache/bin').mkdir(parents=True)
    goprograms._build('own', goprograms.built('own'))
    said = capsys.readouterr().out.splitlines()
    assert said[0] == 'setup: building own (Go): serves pages; about 90 s …'
    assert re.fullmatch(r'setup: building own \(Go\): \d+ s', said[1])
    assert goprograms.seconds(['own', 'jaeger']) == 120


def test_an_old_go_is_not_taken(modules: Path, monkeypatch, tmp_path: Path):
    (tmp_path / 'go-1.24').touch()
    answer = types.SimpleNamespace(stdout='go1.24.6\n')
    monkeypatch.setattr(goprograms.shutil, 'which', lambda name: str(tmp_path / 'go-1.24'))
    monkeypatch.setattr(goprograms.subprocess, 'run', lambda *a, **k: answer)
    assert goprograms.toolchain() is None
    with pytest.raises(SetupError, match=r'no Go 1\.25 or newer'):
        goprograms.environment()
