"""Charms by name: charms.toml, and what status and refresh make of it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Program, serving

from localjuju.cli import charms
from localjuju.cli.commandline import UsageError

TABLE = """
[charms.tiny]
file = "tiny.charm"
revision = 495
channels."14/edge" = "edge.charm"
resources = { image = "known" }
[charms.named-otherwise]
file = "tiny.charm"
[charms.edge-only]
channels = { edge = "edge.charm" }
"""


@pytest.fixture
def juju(tmp_path: Path, monkeypatch, capsys) -> Iterator[Program]:
    with serving(tmp_path, monkeypatch, capsys) as program:
        table(tmp_path, monkeypatch, TABLE)
        for name in 'tiny', 'edge':
            packed = shutil.make_archive(str(tmp_path / name), 'zip', program.running.charm)
            Path(packed).rename(tmp_path / f'{name}.charm')
        yield program


def table(folder: Path, monkeypatch, text: str) -> None:
    (folder / 'charms.toml').write_text(text)
    monkeypatch.setenv('LOCALJUJU_CHARMS', str(folder / 'charms.toml'))


def shown(juju: Program, app: str) -> dict:
    return json.loads(juju('status', '--format', 'json').out)['applications'][app]


def test_a_name_in_the_table_is_deployed_with_its_channel_and_revision(juju: Program):
    said = juju('deploy', 'tiny', 'a', '--channel', '14/stable')
    assert 'charm-hub charm "tiny", revision 495 in channel 14/stable' in said.err
    app = shown(juju, 'a')
    assert app['charm'] == app['charm-name'] == 'tiny'
    assert (app['charm-origin'], app['charm-rev'], app['charm-channel']) == (
        'charmhub', 495, '14/stable',
    )  # fmt: skip
    juju.running.settle()
    assert 'tiny   14/stable  495' in juju('status').out


@pytest.mark.parametrize(
    ('arguments', 'channel', 'revision', 'file'),
    [
        (['tiny'], 'latest/stable', 495, 'tiny'),
        (['ch:tiny', '--channel', 'edge'], 'latest/edge', 495, 'tiny'),
        (['tiny', '--channel', '14'], '14/stable', 495, 'tiny'),
        (['tiny', '--channel', '14/edge'], '14/edge', 495, 'edge'),
        (['tiny', '--channel', '14/edge', '--revision', '7'], '14/edge', 7, 'edge'),
        (['edge-only', '--channel', 'latest/edge'], 'latest/edge', 0, 'edge'),
    ],
)
def test_channels_choose_the_file(tmp_path, monkeypatch, arguments, channel, revision, file):
    table(tmp_path, monkeypatch, TABLE)
    name, *flags = arguments
    given = dict(zip(flags[::2], flags[1::2], strict=True))
    charm = charms.find(name, given.get('--channel', ''), given.get('--revision', ''))
    assert (charm.channel, charm.revision, charm.path) == (
        channel, revision, tmp_path / f'{file}.charm',
    )  # fmt: skip


@pytest.mark.parametrize(
    ('arguments', 'why'),
    [
        (['postgresql-k8s', '--channel', '14/stable'], 'cannot deploy "postgresql-k8s": not in'),
        (['postgresql-k8s', '--to', '1', '--bind', 'x', '--overlay=x'], 'not in charms.toml'),
        (['tiny', '--channel', '14/stable', '--to', '1'], 'option --to is not supported'),
        (['tiny', '--channel', '14/nice'], 'channel "14/nice" not valid'),
        (['tiny', '--revision', '1'], 'when using --revision, also use --channel'),
        (['tiny', '--channel', 'edge', '--revision', 'x'], '"x" is no revision'),
        (['edge-only'], '"edge-only" in channel latest/stable: charms.toml has latest/edge'),
        (['named-otherwise'], 'is "tiny", not "named-otherwise"'),
        (['./tiny.charm', '--channel', 'edge'], 'are for charms by name, not for a path'),
        (['./bundle.yaml'], 'bundles are not supported'),
        (['tiny', 'Bad'], 'invalid application name "Bad"'),
    ],
)  # fmt: skip
def test_what_cannot_be_deployed_by_name_is_refused(juju: Program, arguments, why):
    said = juju.refused('deploy', *arguments)
    assert why in said
    assert 'applications' in json.loads(juju('status', '--format', 'json').out)
    assert not juju.running.controller.model.applications


def test_the_refusal_tells_the_way_out(juju: Program, tmp_path: Path):
    said = juju.refused('deploy', 'postgresql-k8s')
    assert 'Give the path of a charm file' in said
    assert f'add [charms.postgresql-k8s] with its file to {tmp_path}/charms.toml' in said


def test_a_path_that_looks_like_a_name_is_ambiguous(juju: Program, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert 'run `juju deploy ./edge.charm`' in juju.refused('deploy', 'edge.charm')


@pytest.mark.parametrize(
    ('text', 'why'),
    [
        ('[', 'cannot read '),
        ('[charms]\ntiny = "file"', 'charms.tiny has neither file nor channels'),
        ('[charms.tiny]\nrevision = 1', 'charms.tiny has neither file nor channels'),
        ('[charms.tiny]\nfile = "x"\nchanel = "y"', 'charms.tiny has an unknown key chanel'),
        ('[charms.tiny]\nfile = 1', 'file is a path'),
        ('[charms.tiny]\nfile = "x"\nresources = ["a"]', 'are tables of texts'),
        ('[charms.tiny]\nfile = "x"\nrevision = "a"', 'revision a number'),
        ('[charms.tiny]\nchannels = { "a/b/c/d" = "x" }', 'channel "a/b/c/d" not valid'),
        ('charms = 1', 'has no table [charms]'),
    ],
)
def test_a_wrong_table_is_named(tmp_path, monkeypatch, text, why):
    table(tmp_path, monkeypatch, text)
    with pytest.raises(UsageError) as refused:
        charms.find('tiny')
    assert why in str(refused.value)


def test_the_projects_own_table_is_one(monkeypatch):
    monkeypatch.delenv('LOCALJUJU_CHARMS', raising=False)
    assert charms.table().exists()
    with pytest.raises(UsageError, match='not in charms'):
        charms.find('postgresql-k8s')


def test_refresh_follows_the_channel(juju: Program, tmp_path: Path):
    juju('deploy', 'tiny', 'a', '--channel', '14/stable')
    juju.running.settle()
    assert 'charm "tiny": already up-to-date' in juju('refresh', 'a').err
    assert juju.running.pods.of('a/0')[-1] == 'start'
    assert juju('refresh', 'a', '--channel', '14/edge', '--revision', '500').code == 0
    app = shown(juju, 'a')
    assert (app['charm-channel'], app['charm-rev']) == ('14/edge', 500)
    juju.running.settle()
    assert 'upgrade-charm' in juju.running.pods.of('a/0')
    assert 'not valid' in juju.refused('refresh', 'a', '--channel', '14/nice')
    juju('refresh', 'a', '--path', tmp_path / 'tiny')
    app = shown(juju, 'a')
    assert (app['charm'], app['charm-origin'], app['charm-rev']) == ('local:tiny-0', 'local', 0)
    assert 'charm-channel' not in app


@pytest.mark.parametrize(
    ('arguments', 'why'),
    [
        (['a'], 'its charm "tiny" is local, so give --path'),
        (['a', '--channel', 'edge'], 'its charm "tiny" is local, so give --path'),
        (['a', '--path', './x', '--channel', 'edge'], 'mutually exclusive'),
        (['b'], 'application "b" not found'),
        (['a', '--path', './x', '--switch', 'y'], 'option --switch is not supported'),
        (['a', '--path', '/nowhere'], 'no such file'),
    ],
)
def test_a_refresh_that_cannot_be_is_refused(juju: Program, arguments, why):
    juju('deploy', juju.running.charm, 'a')
    assert why in juju.refused('refresh', *arguments)
