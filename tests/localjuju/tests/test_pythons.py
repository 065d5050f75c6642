"""Finding a real Python, whatever leads to it."""

import sys
from pathlib import Path

import pytest

from localjuju.common import pythons

#: The interpreter that runs the tests: one that is there for sure.
VERSION = f'{sys.version_info.major}.{sys.version_info.minor}'
REAL = Path(sys.base_prefix, 'bin', f'python{VERSION}').resolve()


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch) -> Path:
    """A machine on which nothing leads to a Python; its home."""
    for name in pythons.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('PATH', str(tmp_path / 'bin'))
    monkeypatch.setattr(pythons, 'SYSTEM', ())
    monkeypatch.setattr(sys, 'base_prefix', str(tmp_path))
    return tmp_path


def install(folder: Path, version: str = VERSION) -> Path:
    """The real interpreter under a name in a folder."""
    (folder / 'bin').mkdir(parents=True)
    program = folder / 'bin' / f'python{version}'
    program.symlink_to(REAL)
    return program


def test_nothing_is_found_where_nothing_is(nowhere: Path):
    assert pythons.find(VERSION) is None


@pytest.mark.parametrize(
    ('variable', 'folder'),
    [
        ('PATH', 'bin'),
        ('PYENV_ROOT', f'versions/{VERSION}.1/bin'),
        ('UV_PYTHON_INSTALL_DIR', f'cpython-{VERSION}.1-linux-x86_64-gnu/bin'),
        ('XDG_DATA_HOME', f'uv/python/cpython-{VERSION}.1-linux-x86_64-gnu/bin'),
        ('HOME', f'.pyenv/versions/{VERSION}.1/bin'),
        ('HOME', f'.local/share/uv/python/cpython-{VERSION}.1-linux-x86_64-gnu/bin'),
    ],
)
def test_each_variable_alone_leads_to_it(nowhere: Path, monkeypatch, variable: str, folder: str):
    install((nowhere / 'there' / folder).parent)
    value = nowhere / 'there' / folder if variable == 'PATH' else nowhere / 'there'
    monkeypatch.setenv(variable, str(value))
    found = pythons.find(VERSION)
    assert found
    assert found.executable == REAL


def test_pyenv_elsewhere_does_not_hide_the_one_at_home(nowhere: Path, monkeypatch):
    monkeypatch.setenv('PYENV_ROOT', str(nowhere / 'empty'))
    install(nowhere / f'.pyenv/versions/{VERSION}.1')
    assert pythons.find(VERSION)


def test_the_systems_own_is_found(nowhere: Path, monkeypatch):
    install(nowhere / 'usr')
    monkeypatch.setattr(pythons, 'SYSTEM', (nowhere / 'usr/bin',))
    assert pythons.find(VERSION)


def test_the_newest_release_is_taken(nowhere: Path):
    for release in 9, 10:
        install(nowhere / f'.pyenv/versions/{VERSION}.{release}')
    name = f'python{VERSION}'
    found = pythons._newest_first(nowhere / '.pyenv/versions', f'{VERSION}.*', name)
    assert [file.parent.parent.name for file in found] == [f'{VERSION}.10', f'{VERSION}.9']


def test_a_shim_is_no_interpreter(nowhere: Path):
    (nowhere / 'bin').mkdir()
    shim = nowhere / f'bin/python{VERSION}'
    shim.write_text(f'#!/bin/sh\nexec {REAL} "$@"\n')
    shim.chmod(0o755)
    assert pythons.find(VERSION) is None


def test_a_program_of_another_version_does_not_count(nowhere: Path):
    install(nowhere, '3.99')
    assert pythons.find('3.99') is None


def test_the_chosen_one_comes_first(nowhere: Path, monkeypatch):
    monkeypatch.setenv(pythons.CHOSEN, str(install(nowhere / 'chosen')))
    assert pythons.for_charms().version == VERSION
    assert pythons.find(VERSION)


def test_a_chosen_program_that_is_no_python_is_said(nowhere: Path, monkeypatch):
    monkeypatch.setenv(pythons.CHOSEN, '/bin/sh')
    with pytest.raises(pythons.PythonError, match='cannot use CHARM_PYTHON=/bin/sh'):
        pythons.for_charms()


def test_charms_are_packed_for_their_base_before_all_others(nowhere: Path, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(pythons, 'find', asked.append)
    with pytest.raises(pythons.PythonError, match=r'cannot find a Python 3\.12 or 3\.13 or'):
        pythons.for_charms()
    assert asked == ['3.12', '3.13', '3.11', '3.14']


def test_the_command_line_prints_the_first_that_is_here(nowhere: Path, capsys):
    install(nowhere)
    assert pythons.main(['3.99', VERSION]) == 0
    assert capsys.readouterr().out == f'{REAL}\n'


@pytest.mark.parametrize('quiet', [False, True])
def test_the_command_line_says_where_it_looked(nowhere: Path, capsys, quiet: bool):
    assert pythons.main(['3.99', *(['--quiet'] if quiet else [])]) == 1
    said = capsys.readouterr()
    assert said.out == ''
    assert ('PYENV_ROOT' in said.err) is not quiet
