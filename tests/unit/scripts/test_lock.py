"""Where pins go in a pyproject.toml. What uv answers is uv's business."""

import pathlib
import subprocess
import sys
import tomllib

import pytest

import lock

HEAD = '[project]\nname = "x"\n\n[tool.uv]\n'


@pytest.mark.parametrize(
    'text',
    [
        f'{HEAD}package = false\n',
        f'{HEAD}constraint-dependencies = []\npackage = false\n',
        (
            f'{HEAD}constraint-dependencies = [\n    "old==1 ; python_version < \'3\'",\n]\n'
            'package = false\n'
        ),
    ],
    ids=['none yet', 'empty', 'others'],
)
def test_pins_replace_what_is_there_and_nothing_else(text: str) -> None:
    marked = "a==1 ; sys_platform == 'win32'"
    changed = lock.with_pins(text, [marked, 'b==2'])
    assert lock.pins(changed) == [marked, 'b==2']
    project = tomllib.loads(changed)
    assert project['project'] == {'name': 'x'}
    assert project['tool']['uv']['package'] is False
    assert lock.with_pins(changed, [marked, 'b==2']) == changed


def test_a_file_without_a_place_for_pins_is_refused() -> None:
    with pytest.raises(lock.LockError, match=r'no \[tool.uv\]'):
        lock.with_pins('[project]\n', ['a==1'])


def test_what_is_built_into_a_package_is_not_pinned(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = f'{HEAD}[build-system]\nrequires = []\n'
    files = {'pyproject.toml': HEAD, 'charm/pyproject.toml': HEAD, 'lib/pyproject.toml': library}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(['git', 'init', '--quiet', tmp_path], check=True)
    monkeypatch.setattr(lock, 'ROOT', tmp_path)
    monkeypatch.setattr(lock, 'resolve', lambda *_, **__: ['a==1'])
    monkeypatch.setattr(lock.shutil, 'which', lambda *_, **__: 'uv')
    monkeypatch.setattr(sys, 'argv', ['lock.py'])
    assert lock.main() == 0
    found = {name: lock.pins((tmp_path / name).read_text()) for name in files}
    assert found == {
        'pyproject.toml': ['a==1'],
        'charm/pyproject.toml': ['a==1'],
        'lib/pyproject.toml': [],
    }
