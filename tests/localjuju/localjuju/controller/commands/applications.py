"""Applications and the end of their relations; how they begin is in `crossmodel`."""

import dataclasses
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from localjuju.controller import charmfile, kubernetes, statusview, yamltext
from localjuju.controller.commands.table import command
from localjuju.controller.controller import Controller
from localjuju.model import crossmodel
from localjuju.model import storage as storages
from localjuju.model.application import Application
from localjuju.model.charmmeta import Charm, ModelError, parse_settings

# Applications


@command('deploy')
def _deploy(
    controller: Controller,
    path: str,
    app: str = '',
    units: int = 1,
    config: Mapping[str, str] | None = None,
    config_file: str = '',
    resources: Mapping[str, str] | None = None,
    trust: bool = False,
    base: str = '',
    store: Mapping[str, Any] | None = None,
    storage: Sequence[str] = (),
) -> dict[str, Any]:
    """Deploy; the answer has the application's name and notes for the user.

    `store` is what a charm by name comes from: its name, channel and revision.
    """
    charm = _charm(controller, Path(path), store)
    _check_base(charm, base)
    name = app or charm.name
    _check_name(name)
    settings = parse_settings(charm, {**_config_file(config_file, name), **(config or {})})
    images = _images(controller, charm, resources or {}, {})
    directives = storages.directives(charm.name, charm.stores, storage)
    with controller.changes:
        if controller.model.destroying:
            raise ModelError(f'model "{controller.model.name}" is being destroyed')
        if name in controller.model.applications:
            raise ModelError(
                f'deploying application "{name}": application already exists: deploy the '
                'application with another name, or use "juju refresh"'
            )
    address = controller.address_of_service(name)
    with controller.changes:
        added = controller.model.add_application(
            name,
            charm,
            scale=units,
            settings=settings,
            images=images,
            trust=trust,
            directives=directives,
        )
        added.address = address
        added.since = time.time()
        controller.arrived(name)
        controller.changes.announce()
    return {'name': name, 'notes': _notes(controller, name, charm, trust)}


def _check_base(charm: Charm, base: str) -> None:
    if base and base != '@'.join(charm.base):
        raise ModelError(f'base "{base}" is not the charm\'s, which is {"@".join(charm.base)}')


#: Juju's rule: no group of only digits after a hyphen, or unit names would be ambiguous.
_NAME = re.compile(r'^[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*$')


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        raise ModelError(
            f'invalid application name "{name}": it has lowercase letters, digits and hyphens, '
            'starts with a letter, and no hyphen is followed by only digits'
        )


def _notes(controller: Controller, app: str, charm: Charm, trust: bool) -> list[str]:
    """What the user should know of an application, because it fails here; also logged."""
    note = kubernetes.note(charm, trust)
    if note:
        controller.log.add(f'application-{app}', 'WARNING', 'localjuju', note)
    return [note] if note else []


def _charm(controller: Controller, path: Path, store: Mapping[str, Any] | None) -> Charm:
    """Read and unpack a charm file."""
    charm = charmfile.read(path)
    if store and store['name'] != charm.name:
        raise ModelError(f'charm file {path} is "{charm.name}", not "{store["name"]}"')
    charm = dataclasses.replace(charm, source=str(controller.unpacked(path)))
    if not store:
        return charm
    return dataclasses.replace(charm, channel=store['channel'], revision=store['revision'])


def _config_file(text: str, app: str) -> dict[str, str]:
    """An application's settings in the text of a ``--config`` YAML file."""
    data = yamltext.mapping(text, 'config')
    if isinstance(data.get(app), dict):
        data = data[app]
    given = {name: value for name, value in data.items() if value is not None}
    return {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in given.items()}


def _images(
    controller: Controller, charm: Charm, given: Mapping[str, str], before: Mapping[str, str]
) -> dict[str, str]:
    """The image of each resource: the given one, else the previous one or the upstream source."""
    if unknown := sorted(set(given) - set(charm.resources)):
        raise ModelError(f'unrecognized resource "{unknown[0]}"')
    images = {}
    for name, upstream in charm.resources.items():
        image = given.get(name) or before.get(name) or upstream
        if not image:
            raise ModelError(
                f'local charm missing OCI images for: {name}: it has no upstream-source, '
                f'give --resource {name}=<image>'
            )
        controller.find_image(image)
        images[name] = image
    return images


@command('refresh')
def _refresh(
    controller: Controller,
    app: str,
    path: str = '',
    config: Mapping[str, str] | None = None,
    config_file: str = '',
    resources: Mapping[str, str] | None = None,
    trust: bool = False,
    base: str = '',
    store: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Refresh; the answer has notes for the user. `store` is as for deploy."""
    with controller.changes:
        application = controller.model.application(app)
    before = application.charm
    charm = _charm(controller, Path(path), store) if path else before
    if charm.name != before.name:
        raise ModelError(f'cannot upgrade "{before.name}" to "{charm.name}": names differ')
    _check_base(charm, base)
    settings = parse_settings(charm, {**_config_file(config_file, app), **(config or {})})
    images = _images(controller, charm, resources or {}, application.images)
    with controller.changes:
        current = (
            store is not None
            and (charm.source, charm.revision) == (before.source, before.revision)
            and images == application.images
        )
        if current:
            application.charm = dataclasses.replace(before, channel=charm.channel)
        else:
            controller.model.refresh(application, charm)
        application.settings.update(settings)
        application.images = images
        application.trust = application.trust or trust
        controller.changes.announce()
    if current:
        return {'notes': [f'charm "{charm.name}": already up-to-date']}
    new = charm.source != before.source
    return {'notes': _notes(controller, app, charm, trust) if new else []}


@command('scale')
def _scale(controller: Controller, app: str, to: int | None = None, by: int = 0) -> dict[str, int]:
    with controller.changes:
        application = controller.model.application(app)
        before = application.scale
        controller.model.set_scale(application, before + by if to is None else to)
        controller.changes.announce()
        return {'before': before, 'after': application.scale}


@command('remove-application')
def _remove_application(
    controller: Controller, app: str, force: bool = False, destroy_storage: bool = False
) -> None:
    with controller.changes:
        application = controller.model.application(app)
        connected = crossmodel.consumers_of(controller.model, app)
        if connected and not force:
            many = 's' if len(connected) > 1 else ''
            raise ModelError(
                f'cannot destroy application "{app}": '
                f'application is used by {len(connected)} consumer{many}'
            )
        if force:
            for relation in controller.model.relations_of(app):
                crossmodel.sever(controller.model, relation)
        controller.model.destroy_application(application, destroy_storage=destroy_storage)
        if force:
            _force(controller, application)
        controller.changes.announce()


def _force(controller: Controller, application: Application) -> None:
    for unit in application.units.values():
        if unit.name in controller.runners:
            controller.runners[unit.name].force()


@command('config')
def _config(
    controller: Controller,
    app: str,
    values: Mapping[str, str] | None = None,
    reset: tuple[str, ...] = (),
    file: str = '',
) -> dict[str, Any]:
    with controller.changes:
        application = controller.model.application(app)
        charm = application.charm
        for name in reset:
            if name not in charm.options:
                raise ModelError(f'unknown option "{name}"')
        texts = {**_config_file(file, app), **(values or {})}
        settings = parse_settings(charm, texts)
        application.settings.update(settings)
        for name in set(reset) - set(settings):
            application.settings.pop(name, None)
        controller.changes.announce()
        return statusview.config(application)


@command('trust')
def _trust(controller: Controller, app: str, trust: bool) -> None:
    with controller.changes:
        controller.model.application(app).trust = trust
        controller.changes.announce()


# Relations


@command('remove-relation')
def _remove_relation(
    controller: Controller, one: str, other: str = '', force: bool = False
) -> None:
    with controller.changes:
        model = controller.model
        if other:
            relation = model.find_relation(one, other)
        elif found := [r for r in model.relations.values() if str(r.id) == one]:
            (relation,) = found
        else:
            raise ModelError(f'relation "{one}" not found')
        if relation.is_peer:
            raise ModelError(f'cannot destroy relation "{relation}": is a peer relation')
        if force:
            crossmodel.sever(model, relation)
        model.destroy_relation(relation)
        controller.changes.announce()
