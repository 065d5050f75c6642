"""Recipes of root file systems, and where their packages come from."""

import dataclasses
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localjuju.common import cache, paths
from localjuju.common.progress import SetupError
from localjuju.pods import debian, goprograms, images, pythonpackages, recipes
from localjuju.pods.namespaces import PodError

# Recipes

NGINX = 'nginx:1.30.4'


def test_an_unknown_reference_names_the_known_ones():
    with pytest.raises(
        PodError, match=f'cannot find image nginx:latest: .* knows .*{re.escape(NGINX)}'
    ):
        images.find('nginx:latest')


@pytest.mark.parametrize('prefix', ['', 'docker.io/'])
def test_an_image_that_is_not_built_is_said(prefix: str, tmp_path: Path, monkeypatch):
    monkeypatch.setenv('COORDINATED_TELEMETRY_CACHE', str(tmp_path))
    with pytest.raises(PodError, match=r'prometheus:v3\.5\.0: not built yet; run `make setup`'):
        images.find(f'{prefix}prom/prometheus:v3.5.0')


def test_all_is_missing_from_an_empty_cache(tmp_path: Path, monkeypatch):
    monkeypatch.setenv('COORDINATED_TELEMETRY_CACHE', str(tmp_path))
    missing = images.missing()
    assert missing[0] == 'Debian forky'
    assert NGINX in missing


def test_the_base_comes_last_but_not_under_an_image_of_few_files(tmp_path: Path, monkeypatch):
    monkeypatch.setenv('COORDINATED_TELEMETRY_CACHE', str(tmp_path))
    monkeypatch.setattr(Path, 'exists', lambda self: True)
    layers = images.find(NGINX).layers
    assert [layer.name.partition('-')[0] for layer in layers] == ['nginx', 'base']
    assert len(images.find('nginx/nginx-prometheus-exporter:1.5.1').layers) == 1


@pytest.mark.parametrize(
    'change',
    [
        {'packages': ('nginx', 'jq')},
        {'folders': ('/x',)},
        {'links': {'/x': 'y'}},
        {'python': ('flask==3.1.0',)},
        {'venv': '/x'},
        {'pebble': 'checks: {}'},
        {'only': ('/x',)},
        {'workdir': '/x'},
    ],
)
def test_a_changed_recipe_is_another_layer(change: dict):
    recipe = recipes.Recipe(packages=('nginx',))
    assert recipe.hash('base') == recipes.Recipe(packages=('nginx',)).hash('base')
    assert dataclasses.replace(recipe, **change).hash('base') != recipe.hash('base')
    assert recipe.hash('other base') != recipe.hash('base')


def test_a_changed_program_is_another_layer(monkeypatch):
    recipe = recipes.Recipe(program={'podinfo': '/podinfo'})
    before = recipe.hash('base')
    monkeypatch.setattr(goprograms, 'recipe_hash', lambda name: 'changed')
    assert recipe.hash('base') != before


@pytest.mark.parametrize('change', ['content', 'mode', 'said mode', 'name', 'another'])
def test_a_changed_file_is_another_layer(tmp_path: Path, change: str):
    file = tmp_path / 'folder/file'
    file.parent.mkdir()
    file.write_text('text')
    recipe = recipes.Recipe(files={'/x': recipes.File(file.parent)})
    before = recipe.hash('base')
    assert recipe.hash('base') == before
    match change:
        case 'content':
            file.write_text('other')
        case 'mode':
            file.chmod(0o755)
        case 'said mode':
            recipe = recipes.Recipe(files={'/x': recipes.File(file.parent, 0o600)})
        case 'name':
            file.rename(file.with_name('renamed'))
        case 'another':
            file.with_name('another').touch()
    assert recipe.hash('base') != before


# References

DIGEST = f'sha256:{"0" * 64}'


@pytest.mark.parametrize(
    ('reference', 'found'),
    [
        ('docker.io/team/app:2', 'team/app:2'),
        ('index.docker.io/team/app:2', 'team/app:2'),
        ('team/app', 'team/app:latest'),
        ('docker.io/library/redis', 'redis:latest'),
        ('team/app:3', None),
        ('app:2', None),
        (f'team/app@{DIGEST}', 'team/app:2'),
        (f'docker.io/team/app@{DIGEST}', 'team/app:2'),
        (f'team/app:latest@{DIGEST}', 'team/app:latest'),
        (f'team/app:9@{DIGEST}', 'team/app:2'),
        (f'localhost:32000/app@{DIGEST}', 'localhost:32000/app:1'),
        (f'exact@{DIGEST}', f'exact@{DIGEST}'),
        (f'exact@sha256:{"1" * 64}', f'exact@{DIGEST}'),
        (f'other@{DIGEST}', None),
    ],
)
def test_a_reference_finds_its_recipe(reference: str, found: str | None):
    known = (
        *('team/app:2', 'team/app:latest', 'redis:latest', 'localhost:32000/app:1'),
        f'exact@{DIGEST}',
    )
    table = recipes.Table('forky', (), dict.fromkeys(known, recipes.Recipe()))
    assert table.find(reference) == found


# Tables, and layers that several checkouts share


@pytest.fixture
def shared(tmp_path: Path, monkeypatch) -> Path:
    """A cache in which layers are built of nothing but what their recipes place."""
    monkeypatch.setenv('COORDINATED_TELEMETRY_CACHE', str(tmp_path / 'cache'))
    monkeypatch.delenv(paths.IMAGES, raising=False)

    def bootstrap(target: Path, suite: str, packages: object, downloads: dict) -> None:
        (target / suite).mkdir(parents=True)
        for folder in downloads:
            folder.mkdir()

    monkeypatch.setattr(debian, 'bootstrap', bootstrap)
    monkeypatch.setattr(debian, 'unpack', lambda archives, target: None)
    return tmp_path


def checkout(shared: Path, name: str, images_toml: str) -> Path:
    """A checkout with images of its own."""
    folder = shared / name
    (folder / 'files').mkdir(parents=True)
    (folder / 'images.toml').write_text(
        f'[base]\nsuite = "forky"\npackages = ["openssl"]\n{images_toml}'
    )
    return folder


def build(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(paths, 'LOCALJUJU_DIR', folder)
    images._build()


def age(layer: Path, days: float) -> None:
    """Date a layer's last use some days back."""
    then = time.time() - days * 24 * 3600
    os.utime(layer.with_name(f'.{layer.name}.used'), (then, then))


@pytest.fixture
def released() -> Iterator[None]:
    """Let go of the layers that the test used."""
    yield
    for descriptor in cache._held.values():
        os.close(descriptor)
    cache._held.clear()


@pytest.mark.usefixtures('released')
def test_files_are_placed_with_their_modes(shared: Path, monkeypatch):
    folder = checkout(
        shared,
        'one',
        '[images."app:1"]\n[images."app:1".files]\n'
        '"/etc/app.conf" = "app.conf"\n"/srv" = "site"\n"/bin/start" = "start.sh"\n'
        '"/etc/key" = { from = "app.conf", mode = "600" }\n',
    )
    (folder / 'files/app.conf').write_text('text')
    (folder / 'files/start.sh').touch(0o700)
    (folder / 'files/site/a').mkdir(parents=True)
    (folder / 'files/site/a/page').write_text('page')
    build(folder, monkeypatch)
    layer = images.find('app:1').layers[0]
    placed = {
        str(file.relative_to(layer)): f'{file.stat().st_mode & 0o777:o}'
        for file in layer.rglob('*')
        if file.is_file()
    }
    assert placed == {
        'etc/app.conf': '644',
        'etc/key': '600',
        'srv/a/page': '644',
        'bin/start': '755',
    }
    assert (layer / 'srv/a/page').read_text() == 'page'


def test_a_file_that_is_not_there_is_named(shared: Path, monkeypatch):
    folder = checkout(shared, 'one', '[images."app:1"]\nfiles = { "/x" = "none" }\n')
    with pytest.raises(SetupError, match=r'cannot place .*one/files/none in an image: no such'):
        build(folder, monkeypatch)
    with pytest.raises(PodError, match=r'cannot place .*one/files/none in an image: no such'):
        images.find('app:1')


@pytest.mark.parametrize(
    ('entry', 'said'),
    [
        ('pakages = ["x"]', 'no recipe has pakages'),
        ('python = ["flask"]', '"flask" is not pinned'),
        ('python = ["flask>=3"]', '"flask>=3" is not pinned'),
        ('python = ["flask==3.*"]', r'"flask==3\.\*" is not pinned'),
        ('files = { "/x" = { from = "y", mode = "rw" } }', "'rw'"),
        ('program = { nothing = "/x" }', 'there is no Go program nothing'),
        ('packages = [', 'Unclosed array|Invalid value'),
    ],
)
def test_a_wrong_entry_is_named_with_its_table(shared: Path, monkeypatch, entry: str, said: str):
    folder = checkout(shared, 'one', f'[images."app:1"]\n{entry}\n')
    monkeypatch.setattr(paths, 'LOCALJUJU_DIR', folder)
    with pytest.raises(SetupError, match=f'cannot read the images of .*one/images.toml: .*{said}'):
        images.missing()


def test_a_further_table_comes_first(shared: Path, monkeypatch):
    own = checkout(shared, 'one', '[images."app:1"]\n[images."db:1"]\n')
    further = shared / 'mine'
    (further / 'go/serve').mkdir(parents=True)
    (further / 'go/serve/go.mod').write_text('module serve\n\ngo 1.25\n')
    (further / 'table.toml').write_text(
        '[images."app:1"]\nworkdir = "/app"\n[images."web:1"]\nprogram = { serve = "/serve" }\n'
    )
    monkeypatch.setattr(paths, 'LOCALJUJU_DIR', own)
    monkeypatch.setenv(paths.IMAGES, str(further / 'table.toml'))
    found = recipes.table().recipes
    assert {name: recipe.workdir for name, recipe in found.items()} == {
        'app:1': '/app',
        'web:1': '/',
        'db:1': '/',
    }
    assert goprograms.names() == ['serve']
    assert recipes.table().programs() == {'hooktool', 'pebble', 'serve'}


def test_extra_images_are_set_up_apart(shared: Path, monkeypatch):
    text = '[images."app:1"]\n[images."few:1"]\nprogram = { serve = "/serve" }\n'
    folder = checkout(shared, 'one', text)
    (folder / 'go/serve').mkdir(parents=True)
    (folder / 'go/serve/go.mod').write_text('module serve\n\ngo 1.25\n')
    monkeypatch.setattr(paths, 'LOCALJUJU_DIR', folder)
    layer = images._layers()['few:1']
    (folder / 'images.toml').write_text(f'{(folder / "images.toml").read_text()}extra = true\n')
    recipes._tables.cache_clear()
    assert images._layers(extra=True) == {'few:1': layer}
    assert images.missing() == ['Debian forky', 'app:1']
    assert images.missing(extra=True) == ['Debian forky', 'few:1']
    assert recipes.table().programs() == {'hooktool', 'pebble'}
    assert recipes.table().programs(extra=True) == {'serve'}


def test_checkouts_leave_each_others_layers(shared: Path, monkeypatch):
    one = checkout(shared, 'one', '[images."app:1"]\nfolders = ["/one"]\n')
    other = checkout(shared, 'other', '[images."app:1"]\nfolders = ["/other"]\n')
    build(one, monkeypatch)
    build(other, monkeypatch)
    assert images.missing() == []
    monkeypatch.setattr(paths, 'LOCALJUJU_DIR', one)
    assert images.missing() == []


@pytest.mark.usefixtures('released')
def test_a_layer_that_nobody_has_used_for_long_goes(shared: Path, monkeypatch):
    checkouts = {
        name: checkout(shared, name, f'[images."app:1"]\nfolders = ["/{name}"]\n')
        for name in ('old', 'used', 'running', 'now')
    }
    for folder in checkouts.values():
        build(folder, monkeypatch)

    def layer(name: str) -> Path:
        monkeypatch.setattr(paths, 'LOCALJUJU_DIR', checkouts[name])
        return images._layers()['app:1']

    layer('running')
    images.find('app:1')  # by a model that has been running since then
    for name in checkouts:
        age(layer(name), 31)
    layer('used')
    images.missing()  # a setup that finds it
    checkouts['now'].joinpath('images.toml').write_text(
        checkouts['now'].joinpath('images.toml').read_text() + '[images."app:2"]\n'
    )
    recipes._tables.cache_clear()
    build(checkouts['now'], monkeypatch)
    assert {name: layer(name).exists() for name in checkouts} == {
        'old': False,
        'used': True,
        'running': True,
        'now': True,
    }


def test_two_setups_at_once_build_a_layer_once(shared: Path, monkeypatch):
    folder = checkout(shared, 'one', '[images."app:1"]\nfolders = ["/x"]\n')
    monkeypatch.setattr(paths, 'LOCALJUJU_DIR', folder)
    made: list[Path] = []
    bootstrap = debian.bootstrap
    second = threading.Thread(target=images._build)

    def slow(target: Path, *rest) -> None:
        if not made:
            second.start()  # which finds all missing, and must wait
        made.append(target)
        bootstrap(target, *rest)

    monkeypatch.setattr(debian, 'bootstrap', slow)
    images._build()
    second.join()
    assert len(made) == 1
    assert images.missing() == []


# Python packages


def test_the_images_own_python_is_found(tmp_path: Path):
    for name in 'python3', 'python3.13', 'python3.13-config':
        (tmp_path / 'base/usr/bin').mkdir(parents=True, exist_ok=True)
        (tmp_path / 'base/usr/bin' / name).touch()
    layers = (tmp_path / 'layer', tmp_path / 'base')
    assert pythonpackages.python_version(layers) == '3.13'
    with pytest.raises(SetupError, match='no Python in the image'):
        pythonpackages.python_version(layers[:1])


def distribution(site: Path, name: str, version: str) -> None:
    folder = site / f'{name}-{version}.dist-info'
    folder.mkdir(parents=True)
    (folder / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')


def test_python_packages_come_into_an_environment_of_the_image(tmp_path: Path, monkeypatch):
    base, layer = tmp_path / 'base', tmp_path / 'layer'
    (base / 'usr/bin').mkdir(parents=True)
    (base / 'usr/bin/python3.13').touch()
    here = pythonpackages.runtime.folder() / 'bin/python'

    def install(environment: Path, *arguments: str, action: str) -> None:
        site = Path(next(a for a in arguments if a.startswith('--target=')).partition('=')[2])
        assert '--python-version=3.13' in arguments
        assert '--only-binary=:all:' in arguments
        assert Path(arguments[-1]).read_text() == 'Flask_Thing==3.1'
        distribution(site, 'flask-thing', '3.1')
        (site / 'bin').mkdir()
        (site / 'bin/flask').write_text(f'#!{here}\nimport flask\n')
        (site / 'bin/flask').chmod(0o755)

    monkeypatch.setattr(pythonpackages.venvs, 'pip_install', install)
    pythonpackages.install(layer, base, '/opt/venv', ['Flask_Thing==3.1'])
    script = layer / 'opt/venv/bin/flask'
    assert script.read_text() == '#!/opt/venv/bin/python3\nimport flask\n'
    assert script.stat().st_mode & 0o111
    assert (layer / 'opt/venv/bin/python3').readlink() == Path('/usr/bin/python3.13')
    assert 'home = /usr/bin' in (layer / 'opt/venv/pyvenv.cfg').read_text()


def test_packages_that_came_unlisted_are_named(tmp_path: Path):
    for name, version in (('Flask', '3.1'), ('click', '8.2'), ('MarkupSafe', '3.0')):
        distribution(tmp_path, name, version)
    listed = ['flask[async]==3.1 --hash=sha256:0', 'markupsafe==3.0']
    assert pythonpackages.unlisted(tmp_path, listed) == ['click==8.2']


# Files in layers


def test_the_topmost_layer_wins(tmp_path: Path):
    for name in 'upper', 'lower':
        (tmp_path / name).mkdir()
        (tmp_path / name / 'file').touch()
    (tmp_path / 'lower/other').touch()
    layers = (tmp_path / 'upper', tmp_path / 'lower')
    assert images._in(layers, '/file') == tmp_path / 'upper/file'
    assert images._in(layers, '/other') == tmp_path / 'lower/other'
    with pytest.raises(PodError, match='cannot find /none in the image'):
        images._in(layers, '/none')


# Where packages come from

DEBIAN = 'ID=debian\nVERSION_CODENAME=bookworm\n'
UBUNTU = 'ID=ubuntu\nVERSION_CODENAME=noble\n'
DEB822 = """\
# the archive
Types: deb deb-src
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc

Types: deb
URIs: http://mirror.invalid/security
Suites: bookworm-security
Components: main
"""
ONE_LINE = """\
# deb http://commented.invalid/debian bookworm main
deb-src http://sources.invalid/debian bookworm main
deb cdrom:[Debian 12]/ bookworm main
deb http://mirror.invalid/security bookworm-security main
deb [arch=amd64 signed-by=/key.gpg] http://mirror.invalid/debian bookworm main contrib
"""


@pytest.fixture
def etc(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.delenv(debian.MIRROR, raising=False)
    (tmp_path / 'apt/sources.list.d').mkdir(parents=True)
    (tmp_path / 'os-release').write_text(DEBIAN)
    return tmp_path


def test_a_stanza_of_the_machine_is_kept_but_for_the_suite(etc: Path):
    (etc / 'apt/sources.list.d/debian.sources').write_text(DEB822)
    assert debian.sources('forky', etc) == (
        'Types: deb\n'
        'URIs: http://mirror.invalid/debian\n'
        'Suites: forky\n'
        'Components: main\n'
        'Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n'
    )


def test_a_disabled_stanza_is_passed_over(etc: Path):
    text = DEB822.replace('# the archive\n', 'Enabled: no\n')
    (etc / 'apt/sources.list.d/debian.sources').write_text(text)
    with pytest.raises(SetupError, match='no apt source of bookworm'):
        debian.sources('forky', etc)


def test_a_line_of_the_machine_is_kept_but_for_the_suite(etc: Path):
    (etc / 'apt/sources.list').write_text(ONE_LINE)
    assert debian.sources('forky', etc) == (
        'deb [arch=amd64 signed-by=/key.gpg] http://mirror.invalid/debian forky main\n'
    )


def test_elsewhere_than_on_debian_a_mirror_is_asked_for(etc: Path):
    (etc / 'os-release').write_text(UBUNTU)
    (etc / 'apt/sources.list.d/ubuntu.sources').write_text(DEB822)
    with pytest.raises(SetupError, match=r'this machine is not Debian; .*LOCALJUJU_DEBIAN_MIRROR'):
        debian.sources('forky', etc)


def test_a_named_mirror_is_taken(etc: Path, monkeypatch):
    (etc / 'os-release').write_text(UBUNTU)
    monkeypatch.setenv(debian.MIRROR, 'http://mirror.invalid/debian')
    line = debian.sources('forky', etc)
    assert line.endswith('debian-archive-keyring.gpg] http://mirror.invalid/debian forky main\n')
