"""What pack.py makes of a charm's folder, without charmcraft."""

import re
import subprocess
from pathlib import Path

import pytest

import pack
from localjuju.common import pythons

YAML = """\
name: example-k8s
base: ubuntu@24.04
parts:
  charm:
    plugin: uv
    build-snaps: [astral-uv]
    override-build: |
      craftctl default
"""
#: In place of charmcraft: packs the list of the files it was given.
FAKE = (
    *('sh', '-c'),
    'files=$(find . -name .git -prune -o -type f -print | sort); echo "$files" > example.charm',
)


@pytest.fixture
def charm(tmp_path: Path, monkeypatch) -> Path:
    """A charm in a git checkout of its own, with a file that git ignores."""
    monkeypatch.setattr(pack, 'BUILD', tmp_path / 'build')
    folder = tmp_path / 'charms/example'
    (folder / 'src').mkdir(parents=True)
    (folder / 'charmcraft.yaml').write_text(YAML)
    (folder / 'src/charm.py').write_text('print()\n')
    (folder / '.gitignore').write_text('uv.lock\n')
    (folder / 'uv.lock').touch()
    subprocess.run(['git', 'init', '--quiet', tmp_path], check=True)
    return folder


def packer(command: tuple[str, ...] = FAKE, words: str = 'fake', destructive: bool = True):
    return pack.Packer(command, {'PATH': '/usr/bin:/bin'}, words, destructive)


def test_a_charm_is_packed_under_its_name_from_what_git_would_take(charm: Path):
    pack.pack(charm, packer())
    packed = pack.BUILD / 'example-k8s.charm'
    assert packed.read_text().split() == [
        './.gitignore',
        './charmcraft.yaml',
        './src/charm.py',
    ]


def test_stores_and_examples_go_to_folders_of_their_own(charm: Path):
    assert pack.target_file(charm) == pack.BUILD / 'example-k8s.charm'
    for stores, target in (
        ('tests/stores', 'stores/loki.charm'),
        ('stores', 'loki.charm'),  # a checkout of this name
        ('tests/localjuju/examples', 'examples/loki.charm'),
        ('tests/localjuju/examples/several', 'examples/loki.charm'),
    ):
        folder = charm / stores / 'loki'
        folder.mkdir(parents=True)
        (folder / 'charmcraft.yaml').write_text('name: loki\n')
        assert pack.target_file(folder) == pack.BUILD / target


def test_a_link_is_packed_as_the_file_that_it_leads_to_and_again_when_that_changes(charm: Path):
    shared = charm.parent / 'shared.py'
    shared.touch()
    (charm / 'src/shared.py').symlink_to('../../shared.py')
    pack.pack(charm, packer())
    assert './src/shared.py' in (pack.BUILD / 'example-k8s.charm').read_text().split()
    assert pack.pack(charm, packer()) == 'up to date'
    shared.write_text('print()\n')
    assert pack.pack(charm, packer()) != 'up to date'


def test_an_unchanged_charm_is_left_alone(charm: Path):
    pack.pack(charm, packer())
    assert pack.pack(charm, packer(('false',))) == 'up to date'


@pytest.mark.parametrize('change', ['content', 'new file', 'mode', 'tools', 'force', 'gone'])
def test_a_change_is_packed_again(charm: Path, change: str):
    pack.pack(charm, packer())
    words = 'fake'
    match change:
        case 'content':
            (charm / 'src/charm.py').write_text('print(1)\n')
        case 'new file':
            (charm / 'src/new.py').touch()
        case 'mode':
            (charm / 'src/charm.py').chmod(0o755)
        case 'tools':
            words = 'other'
        case 'gone':
            (pack.BUILD / 'example-k8s.charm').unlink()
    said = pack.pack(charm, packer(words=words), force=change == 'force')
    assert said != 'up to date'


def test_the_snap_of_uv_is_dropped_only_where_snaps_are_not(charm: Path):
    show = ('sh', '-c', 'cp charmcraft.yaml example.charm')
    pack.pack(charm, packer(show))
    packed = pack.BUILD / 'example-k8s.charm'
    assert packed.read_text() == YAML.replace('    build-snaps: [astral-uv]\n', '')
    pack.pack(charm, packer(show, words='lxd', destructive=False))
    assert packed.read_text() == YAML
    assert (charm / 'charmcraft.yaml').read_text() == YAML


@pytest.mark.parametrize(
    'snaps', ['build-snaps: [astral-uv, x]\n', 'build-snaps:\n      - astral-uv\n      - x\n']
)
def test_snaps_are_dropped_however_they_are_written(charm: Path, snaps: str):
    show = ('sh', '-c', 'cp charmcraft.yaml example.charm')
    written = YAML.replace('build-snaps: [astral-uv]\n', snaps)
    assert snaps in written
    (charm / 'charmcraft.yaml').write_text(written)
    pack.pack(charm, packer(show))
    packed = pack.BUILD / 'example-k8s.charm'
    assert packed.read_text() == YAML.replace('    build-snaps: [astral-uv]\n', '')


def test_a_failure_quotes_charmcraft_and_leaves_the_former_charm(charm: Path):
    pack.pack(charm, packer())
    before = (pack.BUILD / 'example-k8s.charm').read_text()
    (charm / 'src/charm.py').write_text('print(2)\n')
    with pytest.raises(pack.PackError, match=r'cannot pack .*example: .*\nbad part'):
        pack.pack(charm, packer(('sh', '-c', 'echo bad part >&2; exit 1')))
    assert (pack.BUILD / 'example-k8s.charm').read_text() == before
    assert pack.pack(charm, packer()) != 'up to date'


def test_a_folder_without_a_charm_is_said(tmp_path: Path):
    with pytest.raises(pack.PackError, match=r'no charmcraft\.yaml with a name'):
        pack.target_file(tmp_path)


# The Python that charms are packed for


def found(
    monkeypatch, scratch: Path, version: str, release: str = '24.04', own: str = ''
) -> pack.Packer:
    """The packer of a machine without LXD that has a Python, and maybe the release's own."""
    python = pythons.Python(version, Path(f'/opt/python{version}'), Path('/opt'))
    monkeypatch.setattr(pack.setup, 'lxd', lambda: False)
    monkeypatch.setattr(pack.components, 'ensure', lambda parts: None)
    others = {own: pythons.Python(own, Path(f'/opt/python{own}'), Path('/opt'))}
    monkeypatch.setattr(pythons, 'for_charms', lambda: python)
    monkeypatch.setattr(pythons, 'find', others.get)
    scratch.mkdir()
    return pack.find_packer(scratch, release)


def test_the_python_that_the_finder_names_is_the_one_on_path(monkeypatch, tmp_path: Path):
    packer = found(monkeypatch, tmp_path / 'scratch', '3.11')
    first = packer.environment['PATH'].split(':')[0]
    assert Path(first, 'python3').readlink() == Path('/opt/python3.11')
    assert 'PYTHONPATH' not in packer.environment


def test_a_charm_that_was_packed_for_another_python_is_packed_again(
    charm: Path, monkeypatch, tmp_path: Path
):
    words = [found(monkeypatch, tmp_path / version, version).words for version in ('3.12', '3.11')]
    pack.pack(charm, packer(words=words[0]))
    assert pack.pack(charm, packer(words=words[0])) == 'up to date'
    assert pack.pack(charm, packer(words=words[1])) != 'up to date'


def test_a_machine_without_a_python_is_said(monkeypatch, tmp_path: Path):
    def none() -> pythons.Python:
        raise pythons.PythonError('cannot find a Python')

    monkeypatch.setattr(pack.setup, 'lxd', lambda: False)
    monkeypatch.setattr(pack.components, 'ensure', lambda parts: None)
    monkeypatch.setattr(pythons, 'for_charms', none)
    with pytest.raises(pack.PackError, match='cannot find a Python'):
        pack.find_packer(tmp_path)


# The Ubuntu that charms are packed for


@pytest.mark.parametrize(
    ('text', 'release'),
    [
        ('base: ubuntu@24.04', '24.04'),
        ('base: "ubuntu@26.04"  # as ubuntu@24.04 was', '26.04'),
        ('base: ubuntu@24.04\nbuild-base: ubuntu@26.04', '26.04'),
        ('platforms:\n  ubuntu@26.04:amd64:\n  ubuntu@26.04:arm64:', '26.04'),
        ('platforms:\n  jammy:\n    build-on: [ubuntu@22.04:amd64]', '22.04'),
        ('bases:\n  - name: ubuntu\n    channel: "22.04"', '22.04'),
        # Several, of which this machine has the Python of one, or of none.
        (
            'platforms:\n  ubuntu@22.04:amd64:\n  ubuntu@24.04:amd64:\n  ubuntu@26.04:amd64:',
            '24.04',
        ),
        ('platforms:\n  ubuntu@22.04:amd64:\n  ubuntu@26.04:amd64:', '26.04'),
    ],
)
def test_the_release_is_that_of_the_charm(monkeypatch, tmp_path: Path, text: str, release: str):
    monkeypatch.setattr(pythons, 'find', {'3.12': object()}.get)
    (tmp_path / 'charmcraft.yaml').write_text(f'name: x\n{text}\n')
    assert pack.release(tmp_path) == release


@pytest.mark.parametrize(
    ('text', 'said'),
    [('base: ubuntu@18.04', '18.04'), ('base: almalinux@9', 'none'), ('', 'none')],
)
def test_a_release_that_is_unknown_is_said(tmp_path: Path, text: str, said: str):
    (tmp_path / 'charmcraft.yaml').write_text(f'name: x\n{text}\n')
    with pytest.raises(pack.PackError, match=f'must be an Ubuntu 22.04, .*: found {said}'):
        pack.release(tmp_path)


def test_in_lxd_charmcraft_finds_the_release(charm: Path, monkeypatch, tmp_path: Path, capsys):
    (charm / 'charmcraft.yaml').write_text(YAML.replace('24.04', '20.04'))
    (tmp_path / 'bin').mkdir()
    charmcraft = tmp_path / 'bin/charmcraft'
    charmcraft.write_text('#!/bin/sh\ntouch example.charm\n')
    charmcraft.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}/bin', prepend=':')
    monkeypatch.setattr(pack.setup, 'lxd', lambda: True)
    assert pack.main([str(charm)]) == 0
    monkeypatch.setattr(pack.setup, 'lxd', lambda: False)
    assert pack.main([str(charm)]) == 1
    assert 'must be an Ubuntu' in capsys.readouterr().err


def test_charmcraft_takes_the_machine_for_the_charms_ubuntu(monkeypatch, tmp_path: Path):
    packer = found(monkeypatch, tmp_path / 'scratch', '3.12', '26.04')
    text = Path(packer.environment['UNIXCONFDIR'], 'os-release').read_text()
    assert 'VERSION_ID="26.04"\nVERSION_CODENAME=resolute\n' in text


@pytest.mark.parametrize(('own', 'used'), [('3.14', '3.14'), ('3.13', '3.12')])
def test_another_ubuntu_has_another_python_where_there_is_one(
    monkeypatch, tmp_path: Path, own: str, used: str
):
    packer = found(monkeypatch, tmp_path / 'scratch', '3.12', '26.04', own)
    first = packer.environment['PATH'].split(':')[0]
    assert Path(first, 'python3').readlink() == Path(f'/opt/python{used}')


# Whose files, and what git says of them

DESCRIBE = 'git describe --tags --always --dirty'


def git(folder: Path, *arguments: str) -> str:
    identity = ('-c', 'user.name=a', '-c', 'user.email=a@b', '-c', 'commit.gpgsign=false')
    command = ['git', *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def copied(tmp_path: Path, monkeypatch) -> Path:
    """A charm with a lock file, in a folder of a repository that ignores lock files and drafts."""
    monkeypatch.setattr(pack, 'BUILD', tmp_path / 'build')
    repository = tmp_path / 'repository'
    charm = repository / 'examples/team/charm'
    (charm / 'src').mkdir(parents=True)
    (charm / 'charmcraft.yaml').write_text(YAML)
    for name in 'uv.lock', 'src/charm.py', 'draft.txt', 'old.charm':
        (charm / name).touch()
    (charm / '.venv').mkdir()
    (charm / '.venv/x').touch()
    (repository / '.gitignore').write_text('uv.lock\ndraft.txt\n*.charm\n.venv/\n')
    git(tmp_path, 'init', '--quiet', str(repository))
    git(repository, 'add', '.gitignore')
    git(repository, 'commit', '--quiet', '--message=first')
    return charm


def packed_files(charm: Path) -> set[str]:
    pack.pack(charm, packer())
    return set((pack.BUILD / 'example-k8s.charm').read_text().split())


def test_a_copied_charm_has_what_the_repository_around_it_ignores(copied: Path):
    files = {'./charmcraft.yaml', './src/charm.py', './uv.lock', './draft.txt'}
    assert packed_files(copied) == files
    (copied.parent / '.gitignore').write_text('draft.txt\n')  # of the project that was copied
    assert packed_files(copied) == files - {'./draft.txt'}


def test_a_charm_of_the_repository_obeys_it(copied: Path):
    git(copied, 'add', '.')
    assert packed_files(copied) == {'./charmcraft.yaml', './src/charm.py'}
    (copied / '.gitignore').write_text('draft.txt\n')  # now a project of its own
    assert './uv.lock' in packed_files(copied)
    assert './draft.txt' not in packed_files(copied)


def test_a_charm_in_no_repository_can_be_packed(copied: Path, tmp_path: Path):
    charm = copied.rename(tmp_path / 'alone')
    assert './uv.lock' in packed_files(charm)
    assert './.venv/x' not in packed_files(charm)


@pytest.mark.parametrize('nested', [False, True])
def test_a_build_that_asks_git_hears_what_git_says_of_the_charm(
    copied: Path, tmp_path: Path, nested: bool
):
    ask = packer(('sh', '-c', f'{{ {DESCRIBE}; git log --oneline; }} > example.charm'))
    charm = copied if nested else copied.rename(tmp_path / 'alone')
    if not nested:
        git(charm, 'init', '--quiet')
    (charm / 'charmcraft.yaml').write_text(f'{YAML}      {DESCRIBE} > version\n')
    (charm / 'link').symlink_to('src/charm.py')
    git(charm, 'add', '.')
    git(charm, 'commit', '--quiet', '--message=charm')
    git(charm, 'tag', '--annotate', 'v1.2', '--message=v1.2')

    def heard() -> list[str]:
        pack.pack(charm, ask)
        return (pack.BUILD / 'example-k8s.charm').read_text().splitlines()

    assert heard()[0] == 'v1.2'
    (charm / 'src/charm.py').write_text('print()\n')
    assert heard()[0] == 'v1.2-dirty'
    git(charm, 'commit', '--quiet', '--all', '--message=more')
    assert heard()[0].startswith('v1.2-1-g')
    assert '\n'.join(heard()[1:]) == git(charm, 'log', '--oneline').strip()
    git(charm, 'tag', 'v2')  # nothing else has changed
    assert heard()[0] == 'v2'


def test_a_charm_without_history_has_one_commit_when_packed(copied: Path, tmp_path: Path):
    charm = copied.rename(tmp_path / 'alone')
    pack.pack(charm, packer(('sh', '-c', f'{DESCRIBE} > example.charm')))
    first = (pack.BUILD / 'example-k8s.charm').read_text()
    assert re.fullmatch('[0-9a-f]{7,}\n', first)


def test_a_commit_alone_packs_no_charm_again_that_does_not_ask(copied: Path):
    git(copied, 'add', '.')
    git(copied, 'commit', '--quiet', '--message=charm')
    pack.pack(copied, packer())
    git(copied, 'commit', '--quiet', '--allow-empty', '--message=other')
    assert pack.pack(copied, packer()) == 'up to date'
