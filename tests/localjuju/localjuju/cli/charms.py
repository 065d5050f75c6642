"""Charms by name: charms.toml maps the names of Charmhub to local charm files.

    [charms.postgresql-k8s]
    file = "charms/postgresql-k8s.charm"
    revision = 495
    resources = { postgresql-image = "ghcr.io/canonical/charmed-postgresql:14.12" }
    channels."14/edge" = "charms/postgresql-k8s-edge.charm"

Paths are relative to the table. `channels` names the files of channels that have their own;
`revision` is what status shows unless ``--revision`` is given; `resources` are the images that
Charmhub would give. ``LOCALJUJU_CHARMS`` names another table.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from localjuju.cli.commandline import UsageError, is_number
from localjuju.common import paths

_RISKS = ('stable', 'candidate', 'beta', 'edge')
_TRACK = re.compile(r'^[A-Za-z0-9][A-Za-z0-9._-]*$')
_KEYS = {'file', 'revision', 'resources', 'channels'}


class Charm(NamedTuple):
    """A charm file. One that a name stands for also has that name, a channel and a revision."""

    path: Path
    name: str = ''
    channel: str = ''
    revision: int = 0
    resources: Mapping[str, str] = {}

    def __str__(self) -> str:
        if not self.name:
            return f'local charm "{self.path}"'
        where = f'revision {self.revision} in channel {self.channel}'
        return f'charm-hub charm "{self.name}", {where} (here: {self.path})'

    def store(self) -> dict[str, Any] | None:
        """What the controller notes of a charm with a name."""
        if not self.name:
            return None
        return {'name': self.name, 'channel': self.channel, 'revision': self.revision}


def find(text: str, channel: str = '', revision: str = '') -> Charm:
    """The charm that the user means by a path or a name; UsageError if there is none here."""
    if text.startswith(('.', '/')):
        if channel or revision:
            raise UsageError('--channel and --revision are for charms by name, not for a path')
        if text.endswith(('.yaml', '.yml')):
            raise UsageError(f'cannot deploy bundle {text}: bundles are not supported locally')
        return Charm(Path(text).absolute())
    name = text.removeprefix('ch:').removeprefix('charmhub:')
    entry, folder = _entry(name)
    if revision and not (is_number(revision) and channel):
        why = 'also use --channel' if is_number(revision) else f'"{revision}" is no revision'
        raise UsageError(f'cannot deploy "{name}": when using --revision, {why}')
    channel = _whole(channel or 'latest/stable')
    files = {_whole(key): file for key, file in entry.get('channels', {}).items()}
    file = files.get(channel, entry.get('file'))
    if file is None:
        known = ', '.join(files) or 'none'
        raise UsageError(f'cannot find "{name}" in channel {channel}: charms.toml has {known}')
    number = int(revision) if revision else entry.get('revision', 0)
    return Charm(folder / file, name, channel, number, entry.get('resources', {}))


def table() -> Path:
    """The path of charms.toml."""
    chosen = os.environ.get('LOCALJUJU_CHARMS')
    return Path(chosen).expanduser().absolute() if chosen else paths.LOCALJUJU_DIR / 'charms.toml'


def _entry(name: str) -> tuple[Mapping[str, Any], Path]:
    import tomllib  # noqa: PLC0415 - only needed for a name

    path = table()
    try:
        charms = tomllib.loads(path.read_text()).get('charms', {})
    except FileNotFoundError:
        charms = {}
    except (OSError, ValueError) as e:
        raise UsageError(f'cannot read {path}: {e}') from e
    if not isinstance(charms, dict):
        raise UsageError(f'cannot read {path}: it has no table [charms]')
    if name not in charms:
        if Path(name).exists():
            raise UsageError(
                f'The charm or bundle "{name}" is ambiguous: to deploy the local one, run '
                f'`juju deploy ./{name}`'
            )
        raise UsageError(
            f'cannot deploy "{name}": not in charms.toml, and nothing here talks to Charmhub. '
            f'Give the path of a charm file (./… or /…), or download it (juju download {name}, '
            f'on a machine with Juju) and add [charms.{name}] with its file to {path}'
        )
    entry = charms[name]
    if not isinstance(entry, dict) or not ({'file', 'channels'} & set(entry)):
        raise UsageError(f'cannot read {path}: charms.{name} has neither file nor channels')
    if unknown := set(entry) - _KEYS:
        raise UsageError(f'cannot read {path}: charms.{name} has an unknown key {min(unknown)}')
    _check(path, name, entry)
    return entry, path.parent


def _check(path: Path, name: str, entry: Mapping[str, Any]) -> None:
    """Raise UsageError for a value of the wrong type."""
    right = isinstance(entry.get('revision', 0), int) and isinstance(entry.get('file', ''), str)
    for key in ('channels', 'resources'):
        part = entry.get(key, {})
        right &= isinstance(part, dict) and all(isinstance(v, str) for v in part.values())
    if not right:
        raise UsageError(
            f'cannot read {path}: charms.{name}: file is a path, revision a number, channels and '
            'resources are tables of texts'
        )


def _whole(channel: str) -> str:
    """A channel as ``track/risk``; UsageError if it is none."""
    first, slash, risk = channel.partition('/')
    if not slash:
        track, risk = ('latest', first) if first in _RISKS else (first, 'stable')
    else:
        track = first
    risk, _, branch = risk.partition('/')
    if risk not in _RISKS or not _TRACK.match(track) or '/' in branch:
        raise UsageError(f'channel "{channel}" not valid: expected <track>/<risk>')
    return channel if branch else f'{track}/{risk}'
