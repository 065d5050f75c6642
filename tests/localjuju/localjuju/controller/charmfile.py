"""A charm as a file: read what it declares, and unpack it."""

import os
import shutil
import stat
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from localjuju.controller import kubernetes
from localjuju.model import storage
from localjuju.model.charmmeta import Action, Charm, Endpoint, ModelError, Option, Role, Store

_ROLES: tuple[Role, ...] = ('provides', 'requires', 'peers')
#: What a charm may declare but the local Juju does not have; such a charm is refused.
_UNSUPPORTED = ('devices', 'subordinate', 'payloads', 'functions')


def read(path: Path) -> Charm:
    """What a .charm file, or the folder of an unpacked one, declares.

    Raises ModelError if it is neither, or declares something unsupported.
    """
    if not path.exists():
        raise ModelError(f'cannot read charm {path}: no such file')
    files = _metadata_files(path)
    project = files.get('charmcraft.yaml') or {}
    metadata = files.get('metadata.yaml') or project
    if not metadata.get('name'):
        raise ModelError(f'cannot read charm {path}: it has no metadata.yaml with a name')
    for key in _UNSUPPORTED:
        if metadata.get(key):
            raise ModelError(f'charm "{metadata["name"]}" uses {key}: not supported locally')
    config = files.get('config.yaml') or project.get('config') or {}
    actions = files.get('actions.yaml') or project.get('actions') or {}
    resources = metadata.get('resources') or {}
    for name, resource in resources.items():
        if resource.get('type') != 'oci-image':
            raise ModelError(f'resource "{name}": only oci-image is supported locally')
    containers = metadata.get('containers') or {}
    declared = metadata.get('storage') or {}
    stores = {n: _store(metadata['name'], n, s or {}) for n, s in declared.items()}
    return Charm(
        name=metadata['name'],
        source=str(path),
        endpoints=_endpoints(metadata),
        containers={n: c['resource'] for n, c in containers.items()},
        resources={n: r.get('upstream-source') for n, r in resources.items()},
        options={n: _option(n, o) for n, o in (config.get('options') or {}).items()},
        actions={n: _action(n, a or {}) for n, a in actions.items()},
        base=_base(files.get('manifest.yaml') or {}),
        kubernetes=kubernetes.clients(_file_names(path)),
        stores=stores,
        mounts={n: _mounts(n, c.get('mounts') or (), stores) for n, c in containers.items()},
    )


_FILES = ('metadata.yaml', 'config.yaml', 'actions.yaml', 'charmcraft.yaml', 'manifest.yaml')


def _metadata_files(path: Path) -> dict[str, dict[str, Any]]:
    try:
        if path.is_dir():
            if not (path / 'dispatch').exists():
                raise ModelError(f'cannot read charm {path}: it has no dispatch; pack it first')
            texts = {f: (path / f).read_text() for f in _FILES if (path / f).exists()}
        else:
            with zipfile.ZipFile(path) as archive:
                present = set(archive.namelist())
                texts = {f: archive.read(f).decode() for f in _FILES if f in present}
                if 'dispatch' not in present:
                    raise ModelError(f'cannot read charm {path}: it has no dispatch')
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as e:
        raise ModelError(f'cannot read charm {path}: {e}') from e
    return {name: _mapping(path, name, text) for name, text in texts.items()}


def _mapping(path: Path, name: str, text: str) -> dict[str, Any]:
    try:
        data = yaml.safe_load(text) or {}
    except yaml.YAMLError as e:
        raise ModelError(f'cannot read charm {path}: {name} is no YAML: {e}') from e
    if not isinstance(data, dict):
        raise ModelError(f'cannot read charm {path}: {name} is no YAML mapping')
    return data


def _file_names(path: Path) -> Iterable[str]:
    if path.is_dir():
        # Deep enough for an environment's packages.
        return [str(file.relative_to(path)) for file in path.glob('venv/**/__init__.py')]
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def _endpoints(metadata: Mapping[str, Any]) -> dict[str, Endpoint]:
    endpoints = {}
    for role in _ROLES:
        for name, declared in (metadata.get(role) or {}).items():
            if declared.get('scope') == 'container':
                raise ModelError(f'endpoint "{name}": scope container is not supported locally')
            endpoints[name] = Endpoint(name, role, declared['interface'], declared.get('limit'))
    return endpoints


def _option(name: str, declared: Mapping[str, Any]) -> Option:
    return Option(
        name,
        declared.get('type', 'string'),
        declared.get('default'),
        str(declared.get('description', '')),
    )


#: What an action may declare besides the keywords of a JSON schema.
_NO_KEYWORDS = ('description', 'execution-group', 'parallel', 'params', 'title')


def _action(name: str, declared: Mapping[str, Any]) -> Action:
    params = declared.get('params') or {}
    more = {key: value for key, value in declared.items() if key not in _NO_KEYWORDS}
    if not more.get('required'):
        more.pop('required', None)
    schema = {'type': 'object', **more, 'properties': params}
    return Action(name, str(declared.get('description', '')), params, schema)


def _store(charm: str, name: str, declared: Mapping[str, Any]) -> Store:
    kind = declared.get('type', 'filesystem')
    if kind == 'block':
        raise ModelError(f'storage "{name}": block storage on a container model not supported')
    if kind != 'filesystem':
        raise ModelError(f'storage "{name}": type "{kind}" is not known')
    if declared.get('shared'):
        raise ModelError(f'charm "{charm}" store "{name}": shared storage support not implemented')
    location = str(declared.get('location') or '').rstrip('/')
    if location.startswith(storage.ROOT):
        raise ModelError(f'invalid location "{location}": must not fall within "{storage.ROOT}"')
    multiple = declared.get('multiple') or {}
    least, most = storage.counts(str(multiple['range'])) if 'range' in multiple else (1, 1)
    minimum = storage.minimum_size(str(declared.get('minimum-size') or '0'))
    return Store(name, minimum, least, most, location, declared.get('read-only') is True)


def _mounts(
    container: str, declared: Iterable[Mapping[str, Any]], stores: Mapping[str, Store]
) -> dict[str, tuple[str, ...]]:
    mounts: dict[str, tuple[str, ...]] = {}
    for mount in declared:
        name = mount.get('storage', '')
        if name not in stores:
            raise ModelError(f'container "{container}": storage "{name}" is not declared')
        mounts[name] = (*mounts.get(name, ()), str(mount.get('location') or ''))
    return mounts


def _base(manifest: Mapping[str, Any]) -> tuple[str, str]:
    for base in manifest.get('bases') or ():
        return base.get('name', 'ubuntu'), str(base.get('channel', '24.04')).partition('/')[0]
    return 'ubuntu', '24.04'


def unpack(source: Path, target: Path) -> None:
    """Put the files of a charm (a file or a folder) into a new folder."""
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
        return
    with zipfile.ZipFile(source) as archive:
        for entry in archive.infolist():
            file = target / entry.filename
            mode = entry.external_attr >> 16
            if stat.S_ISLNK(mode):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.symlink_to(archive.read(entry).decode())
                continue
            archive.extract(entry, target)
            if not entry.is_dir():
                file.chmod(stat.S_IMODE(mode) or 0o644)


def replicate(unpacked: Path, target: Path, former: Path | None = None) -> None:
    """Give a unit its own copy of an unpacked charm; files that the charm itself wrote stay.

    Hard links share the virtual environment, nine tenths of a charm: nothing writes to it in
    place, and a model's memory is limited. All other files are the unit's own.

    Args:
        unpacked: the folder of the unpacked charm.
        target: the unit's charm folder.
        former: the folder of the charm that the unit has so far; its files are removed.
    """
    if former:
        for entry in former.iterdir():
            _remove(target / entry.name)
    target.mkdir(parents=True, exist_ok=True)
    for entry in unpacked.iterdir():
        copy = os.link if entry.name == 'venv' else shutil.copy2
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, target / entry.name, symlinks=True, copy_function=copy)
        else:
            shutil.copy2(entry, target / entry.name, follow_symlinks=False)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)


def write_resources(folder: Path, images: Mapping[str, str]) -> None:
    """Write what resource-get gives for an image: a file that names its registry path."""
    for name, image in images.items():
        file = folder / name / 'content.yaml'
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump({'registrypath': image, 'username': '', 'password': ''}))


def remove(folder: Path) -> None:
    """Remove a unit's folder, if it exists."""
    shutil.rmtree(folder, ignore_errors=True)
