"""Recipes of root file systems, and where their packages come from."""

import dataclasses
import re
from pathlib import Path

import pytest

from localjuju.common.progress import SetupError
from localjuju.pods import debian, goprograms, images
from localjuju.pods.namespaces import PodError

# Recipes

NGINX = 'ghcr.io/canonical/nginx:1.27.5'


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
    assert [layer.name.partition('-')[0] for layer in layers] == ['ghcr', 'base']
    assert len(images.find('nginx/nginx-prometheus-exporter:1.5.1').layers) == 1


@pytest.mark.parametrize(
    'change',
    [
        {'packages': ('nginx', 'jq')},
        {'folders': ('/x',)},
        {'links': {'/x': 'y'}},
        {'pebble': 'checks: {}'},
        {'only': ('/x',)},
        {'workdir': '/x'},
    ],
)
def test_a_changed_recipe_is_another_layer(change: dict):
    recipe = images.Recipe(packages=('nginx',))
    assert recipe.hash('base') == images.Recipe(packages=('nginx',)).hash('base')
    assert dataclasses.replace(recipe, **change).hash('base') != recipe.hash('base')
    assert recipe.hash('other base') != recipe.hash('base')


def test_a_changed_program_is_another_layer(monkeypatch):
    recipe = images.Recipe(program={'podinfo': '/podinfo'})
    before = recipe.hash('base')
    monkeypatch.setattr(goprograms, 'recipe_hash', lambda name: 'changed')
    assert recipe.hash('base') != before


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
