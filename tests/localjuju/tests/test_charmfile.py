"""Charms as files: what they declare, and unpacking them."""

import os
import zipfile
from pathlib import Path

import pytest

from localjuju.controller import charmfile
from localjuju.model.charmmeta import Action, Endpoint, ModelError, Option, Store

METADATA = """
name: web
containers:
  nginx: {resource: nginx-image}
resources:
  nginx-image: {type: oci-image, upstream-source: "nginx:1"}
provides:
  web: {interface: http}
requires:
  db: {interface: sql, limit: 1, optional: true}
peers:
  peers: {interface: web-peers}
"""
CONFIG = """
config:
  options:
    color: {type: string, default: red, description: the color}
    size: {type: int}
"""
ACTIONS = """
actions:
  backup:
    description: back up
    params: {where: {type: string}}
    required: [where]
    additionalProperties: false
"""


def folder(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, text in {'dispatch': '#!/bin/sh', 'metadata.yaml': METADATA, **files}.items():
        (path / name).write_text(text)
    return path


def nested(text: str, key: str) -> str:
    """What charmcraft writes into a file of its own from a part of charmcraft.yaml."""
    lines = [line.removeprefix('  ') for line in text.splitlines()]
    return '\n'.join(line for line in lines if line not in ('', f'{key}:'))


@pytest.mark.parametrize('packed', [False, True])
@pytest.mark.parametrize('split', [False, True])
def test_a_charm_is_read(tmp_path, packed, split):
    """From a file or a folder, with charmcraft.yaml whole or split into its parts."""
    files = (
        {'config.yaml': nested(CONFIG, 'config'), 'actions.yaml': nested(ACTIONS, 'actions')}
        if split
        else {'metadata.yaml': '', 'charmcraft.yaml': METADATA + CONFIG + ACTIONS}
    )
    path = folder(tmp_path / 'charm', **files)
    if packed:
        archive = tmp_path / 'web.charm'
        with zipfile.ZipFile(archive, 'w') as made:
            for file in path.iterdir():
                made.write(file, file.name)
        path = archive
    charm = charmfile.read(path)
    assert charm.name == 'web'
    assert charm.containers == {'nginx': 'nginx-image'}
    assert charm.resources == {'nginx-image': 'nginx:1'}
    assert charm.endpoints == {
        'web': Endpoint('web', 'provides', 'http'),
        'db': Endpoint('db', 'requires', 'sql', 1),
        'peers': Endpoint('peers', 'peers', 'web-peers'),
    }
    assert charm.options == {
        'color': Option('color', 'string', 'red', 'the color'),
        'size': Option('size', 'int'),
    }
    params = {'where': {'type': 'string'}}
    schema = {
        'type': 'object', 'properties': params, 'required': ['where'],
        'additionalProperties': False,
    }  # fmt: skip
    assert charm.actions == {'backup': Action('backup', 'back up', params, schema)}
    assert charm.kubernetes == ()


@pytest.mark.parametrize(
    ('metadata', 'why'),
    [
        ('name: x\nstorage: {d: {type: block}}', 'block storage on a container model not supp'),
        ('name: x\nstorage: {d: {type: tape}}', 'type "tape" is not known'),
        ('name: x\nstorage: {d: {shared: true}}', 'store "d": shared storage support not impl'),
        (
            'name: x\nstorage: {d: {location: /var/lib/juju/storage/d}}',
            'must not fall within "/var/lib/juju/storage"',
        ),
        (
            'name: x\ncontainers: {c: {resource: r, mounts: [{storage: d, location: /d}]}}',
            'container "c": storage "d" is not declared',
        ),
        ('name: x\nsubordinate: true', 'uses subordinate'),
        ('name: x\nresources: {r: {type: file}}', 'only oci-image is supported'),
        ('name: x\nrequires: {e: {interface: i, scope: container}}', 'scope container'),
        ('summary: x', 'no metadata.yaml with a name'),
        ('name: {', 'metadata.yaml is no YAML'),
        ('- x', 'metadata.yaml is no YAML mapping'),
    ],
)
def test_a_charm_that_needs_more_is_refused(tmp_path, metadata, why):
    with pytest.raises(ModelError, match=why):
        charmfile.read(folder(tmp_path / 'charm', **{'metadata.yaml': metadata}))


def test_storage_is_read(tmp_path):
    metadata = """
name: x
containers:
  c:
    resource: r
    mounts:
      - {storage: data, location: /one}
      - {storage: data, location: /two}
      - {storage: logs}
storage:
  data: {type: filesystem, location: /srv/, minimum-size: 2G, read-only: true}
  logs: {type: filesystem, multiple: {range: 0-2}, minimum-size: 700}
  bare:
"""
    charm = charmfile.read(folder(tmp_path / 'charm', **{'metadata.yaml': metadata}))
    assert charm.stores == {
        'data': Store('data', 2048, 1, 1, '/srv', read_only=True),
        'logs': Store('logs', 700, 0, 2),
        'bare': Store('bare'),
    }
    assert charm.mounts == {'c': {'data': ('/one', '/two'), 'logs': ('',)}}


@pytest.mark.parametrize('place', ['venv', 'venv/lib/python3.12/site-packages'])
def test_clients_of_the_kubernetes_api_are_seen(tmp_path, place):
    path = folder(tmp_path / 'charm')
    for package in ('lightkube', 'kubernetes', 'lightkube_models', 'ops'):
        (path / place / package).mkdir(parents=True)
        (path / place / package / '__init__.py').touch()
    archive = tmp_path / 'web.charm'
    with zipfile.ZipFile(archive, 'w') as made:
        for file in path.rglob('*'):
            made.write(file, file.relative_to(path))
    assert charmfile.read(path).kubernetes == ('kubernetes', 'lightkube')
    assert charmfile.read(archive).kubernetes == ('kubernetes', 'lightkube')


def test_what_is_no_charm_is_refused(tmp_path):
    with pytest.raises(ModelError, match='no such file'):
        charmfile.read(tmp_path / 'x.charm')
    (tmp_path / 'x.charm').write_text('no zip')
    with pytest.raises(ModelError, match='not a zip file'):
        charmfile.read(tmp_path / 'x.charm')
    (tmp_path / 'source').mkdir()
    with pytest.raises(ModelError, match='it has no dispatch; pack it first'):
        charmfile.read(tmp_path / 'source')


def test_unpacking_keeps_modes_and_links(tmp_path):
    source = folder(tmp_path / 'charm')
    (source / 'dispatch').chmod(0o755)
    archive = tmp_path / 'web.charm'
    with zipfile.ZipFile(archive, 'w') as made:
        made.write(source / 'dispatch', 'dispatch')
        link = zipfile.ZipInfo('bin/python')
        link.external_attr = 0o120777 << 16
        made.writestr(link, '/usr/bin/python3')
    charmfile.unpack(archive, tmp_path / 'unpacked')
    assert os.access(tmp_path / 'unpacked' / 'dispatch', os.X_OK)
    assert (tmp_path / 'unpacked' / 'bin' / 'python').readlink() == Path('/usr/bin/python3')


def test_units_share_the_environment_but_nothing_that_a_charm_may_write(tmp_path):
    unpacked = folder(tmp_path / 'unpacked')
    for name in ('venv', 'src'):
        (unpacked / name).mkdir()
        (unpacked / name / 'file').write_text('x')
    charmfile.replicate(unpacked, tmp_path / 'unit')
    for name, shared in (('venv', True), ('src', False)):
        same = (tmp_path / 'unit' / name / 'file').samefile(unpacked / name / 'file')
        assert same == shared


def test_a_new_charm_takes_the_place_of_the_former_and_spares_what_the_charm_wrote(tmp_path):
    old = folder(tmp_path / 'old', **{'old.txt': ''})
    new = folder(tmp_path / 'new', **{'new.txt': ''})
    for made in (old, new):
        (made / 'venv').mkdir()
    unit = tmp_path / 'unit'
    charmfile.replicate(old, unit)
    (unit / '.unit-state.db').write_text('state')
    charmfile.replicate(new, unit, old)
    names = {entry.name for entry in unit.iterdir()}
    assert names == {'.unit-state.db', 'dispatch', 'metadata.yaml', 'new.txt', 'venv'}
