"""What of the shared cache goes, and what stays."""

import os
import subprocess
import sys
import time
from pathlib import Path

from localjuju.common import cache, paths, venvs

DAY = 24 * 3600


def entry(folder: Path, name: str, *, days: float, size: int = 10) -> Path:
    """An entry of the cache that was last used some days ago."""
    path = folder / f'{name}-{"0" * 16}'
    path.mkdir(parents=True)
    (path / 'content').write_bytes(b'0' * size)
    cache.touch(path)
    date(folder / f'.{path.name}.used', days)
    return path


def date(file: Path, days: float) -> None:
    """Date a file some days back."""
    then = time.time() - days * DAY
    os.utime(file, (then, then))


def names(folder: Path) -> set[str]:
    return {path.name.partition('-')[0] for path in folder.iterdir() if path.name[0] != '.'}


def test_what_nobody_has_used_for_long_goes(tmp_path: Path):
    entry(tmp_path, 'old', days=31)
    entry(tmp_path, 'new', days=29)
    own = entry(tmp_path, 'own', days=31)
    (tmp_path / 'work').mkdir()
    assert cache.clean(tmp_path, {own}) == [f'old-{"0" * 16}']
    assert names(tmp_path) == {'new', 'own', 'work'}
    assert not list(tmp_path.glob('.old*'))


def test_an_entry_from_before_uses_were_dated_counts_from_its_making(tmp_path: Path):
    for name, days in (('old', 31), ('new', 1)):
        path = entry(tmp_path, name, days=0)
        (tmp_path / f'.{path.name}.used').unlink()
        date(path, days)
    cache.clean(tmp_path, ())
    assert names(tmp_path) == {'new'}


def test_the_longest_unused_go_until_the_rest_fits(tmp_path: Path):
    for number, days in enumerate((5, 4, 3, 2)):
        entry(tmp_path, f'e{number}', days=days, size=100)
    own = entry(tmp_path, 'own', days=9, size=100)
    cache.clean(tmp_path, {own}, most=300)
    assert names(tmp_path) == {'e2', 'e3', 'own'}


def test_what_was_used_today_stays_however_much_it_is(tmp_path: Path):
    entry(tmp_path, 'e', days=0.5, size=100)
    cache.clean(tmp_path, (), most=10)
    assert names(tmp_path) == {'e'}


def test_what_a_process_holds_stays_until_it_ends(tmp_path: Path):
    held = entry(tmp_path, 'held', days=0)
    script = (
        'import sys; from pathlib import Path; from localjuju.common import cache;'
        'cache.use(Path(sys.argv[1])); print(flush=True); sys.stdin.read()'
    )
    holder = subprocess.Popen(
        [sys.executable, '-c', script, str(held)],
        env={**os.environ, 'PYTHONPATH': str(paths.LOCALJUJU_DIR)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout
    holder.stdout.readline()
    date(tmp_path / f'.{held.name}.used', 31)
    assert cache.clean(tmp_path, ()) == []
    holder.communicate()
    assert cache.clean(tmp_path, ()) == [held.name]


def test_half_of_an_entry_is_never_found_and_goes_at_last(tmp_path: Path):
    (tmp_path / f'.removed-e-{"0" * 16}').mkdir()
    cache.clean(tmp_path, ())
    assert list(tmp_path.iterdir()) == []


def test_environments_of_two_checkouts_are_two(monkeypatch, tmp_path: Path):
    monkeypatch.setenv('COORDINATED_TELEMETRY_CACHE', str(tmp_path))
    made = []
    for requirements in b'uv==1', b'uv==2':
        environment = venvs.folder('tools', requirements)
        (environment / 'bin').mkdir(parents=True)
        (environment / 'bin/python').touch()
        assert not venvs.is_ready(environment)
        venvs.finish(environment)
        made.append(environment)
    assert all(map(venvs.is_ready, made))


def test_programs_in_other_languages_know_where_an_environment_is(monkeypatch, tmp_path: Path):
    monkeypatch.setenv('COORDINATED_TELEMETRY_CACHE', str(tmp_path))
    file = paths.LOCALJUJU_DIR / 'pyproject.toml'
    hashed = subprocess.run(['sha256sum', file], capture_output=True, text=True, check=True)
    environment = venvs.folder('localjuju', file.read_bytes())
    assert environment.name == f'localjuju-{hashed.stdout[:16]}'
    (environment / 'bin').mkdir(parents=True)
    (environment / 'bin/python').write_text('#!/bin/sh\necho "$@"\n')
    (environment / 'bin/python').chmod(0o755)
    juju = [paths.LOCALJUJU_DIR / 'bin/juju', 'status']
    done = subprocess.run(juju, capture_output=True, text=True, check=True)
    assert done.stdout == '-P -m localjuju.cli.main status\n'
