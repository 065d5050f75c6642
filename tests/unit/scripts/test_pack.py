"""What pack.py makes of a charm's folder, without charmcraft."""

import subprocess
from pathlib import Path

import pytest

import pack
from localjuju.common import pythons

YAML = """\
name: example-k8s
parts:
  charm:
    plugin: uv
    build-snaps: [astral-uv]
    override-build: |
      craftctl default
"""
#: In place of charmcraft: packs the list of the files it was given.
FAKE = ('sh', '-c', 'files=$(find . -type f | sort); echo "$files" > example.charm')


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


def found(monkeypatch, scratch: Path, version: str) -> pack.Packer:
    """The packer of a machine without LXD that has one Python."""
    python = pythons.Python(version, Path(f'/opt/python{version}'), Path('/opt'))
    monkeypatch.setattr(pack.setup, 'lxd', lambda: False)
    monkeypatch.setattr(pack.components, 'ensure', lambda parts: None)
    monkeypatch.setattr(pythons, 'for_charms', lambda: python)
    scratch.mkdir()
    return pack.find_packer(scratch)


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
