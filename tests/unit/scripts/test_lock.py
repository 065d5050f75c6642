"""Where pins and hashes go, and what a build makes of them. What uv answers is uv's business."""

import pathlib
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

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


# The hashes of what a charm may be packed with

CHARMS = [lock.ROOT / charm for charm in ('coordinator-charm', 'worker-charm')]


def test_a_charm_whose_build_verifies_hashes_gets_them(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    charmcraft = {'charm': 'override-build: … requirements.lock …\n', 'other': 'name: x\n'}
    (tmp_path / 'pyproject.toml').write_text(HEAD)
    for name, text in charmcraft.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / 'pyproject.toml').write_text(HEAD)
        (tmp_path / name / 'charmcraft.yaml').write_text(text)
    subprocess.run(['git', 'init', '--quiet', tmp_path], check=True)
    monkeypatch.setattr(lock, 'ROOT', tmp_path)
    monkeypatch.setattr(lock, 'resolve', lambda *_, **__: ['a==1'])
    monkeypatch.setattr(lock, 'hashes', lambda file, uv: f'{lock.pins(file.read_text())}')
    monkeypatch.setattr(lock.shutil, 'which', lambda *_, **__: 'uv')
    monkeypatch.setattr(sys, 'argv', ['lock.py'])
    assert lock.main() == 0
    written = {path.parent.name: path.read_text() for path in tmp_path.rglob(lock.HASHES)}
    assert written == {'charm': "['a==1']"}


@pytest.mark.parametrize('charm', CHARMS, ids=lambda charm: charm.name)
def test_the_hashes_are_those_of_the_pins_and_name_no_host(charm: pathlib.Path) -> None:
    assert lock.has_hashes(charm / 'pyproject.toml')
    text = (charm / lock.HASHES).read_text()
    assert text.startswith(lock.HEADER)
    body = text.removeprefix(lock.HEADER)
    named = re.findall(r'^([\w.-]+==[\w.-]+)(?: ; .*)? \\$', body, re.MULTILINE)
    pinned = lock.pins((charm / 'pyproject.toml').read_text())
    assert sorted(named) == sorted(pin.partition(' ;')[0] for pin in pinned)
    hashes = r'    --hash=sha256:[0-9a-f]{64}(?: \\)?'
    others = [line for line in body.splitlines() if not re.fullmatch(hashes, line)]
    assert len(others) == len(named)
    assert not re.search('[/@:]', ''.join(others))


def build(charm: pathlib.Path) -> str:
    return yaml.safe_load((charm / 'charmcraft.yaml').read_text())['parts']['charm'][
        'override-build'
    ]


def test_both_charms_are_built_in_the_same_way() -> None:
    assert len({build(charm) for charm in CHARMS}) == 1


def test_a_file_without_a_known_hash_leaves_the_lock(tmp_path: pathlib.Path) -> None:
    known, unknown = 'a' * 64, 'b' * 64
    lines = [
        '[[package]]',
        'name = "x"',
        f'sdist = {{ url = "https://r/x.tar.gz", hash = "sha256:{unknown}", size = 1 }}',
        'wheels = [',
        f'    {{ url = "https://r/x-1.whl", hash = "sha256:{known}", size = 1 }},',
        f'    {{ url = "https://r/x-2.whl", hash = "sha256:{unknown}", size = 1 }},',
        ']',
        '[[package]]',
        'name = "project"',
        'source = { virtual = "." }',
    ]
    (tmp_path / 'uv.lock').write_text('\n'.join(lines))
    (tmp_path / lock.HASHES).write_text(f'{lock.HEADER}x==1 \\\n    --hash=sha256:{known}\n')
    verify = re.search(r'^awk .*?^mv .*?$', build(CHARMS[0]), re.MULTILINE | re.DOTALL)
    assert verify is not None
    subprocess.run(['sh', '-euc', verify[0]], cwd=tmp_path, check=True)
    left = (tmp_path / 'uv.lock').read_text().splitlines()
    assert left == [line for line in lines if unknown not in line]
