"""Offers and what consumes them: the user's requests, and those of other models' controllers."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from localjuju.common import controllers, offerurl, registry
from localjuju.common.controllers import RequestError
from localjuju.common.offerurl import OfferUrl
from localjuju.controller import exchange, statusview
from localjuju.controller.commands.table import command
from localjuju.controller.controller import Controller
from localjuju.model import crossmodel
from localjuju.model.charmmeta import Endpoint, ModelError, Role
from localjuju.model.offers import Saas
from localjuju.model.unitstate import Status

# The user's, in the offering model


@command('offer')
def _offer(controller: Controller, app: str, endpoints: Sequence[str], name: str = '') -> str:
    with controller.changes:
        made = crossmodel.offer(controller.model, app, endpoints, name)
        controller.changes.announce()
    return str(OfferUrl(controller.model.name, made.name))


@command('offers')
def _offers(controller: Controller) -> dict[str, Any]:
    with controller.changes:
        return statusview.offers(controller.model)


@command('remove-offer')
def _remove_offer(controller: Controller, name: str, force: bool = False) -> None:
    with controller.changes:
        crossmodel.remove_offer(controller.model, name, force=force)
        controller.changes.announce()


# The user's, in the consuming model


@command('consume')
def _consume(controller: Controller, url: str, alias: str = '') -> str:
    parsed = _parsed(url)
    if parsed.endpoint:
        raise ModelError(f'saas offer "{url}" shouldn\'t include endpoint')
    return consume(controller, parsed, alias).name


def _parsed(url: str) -> OfferUrl:
    try:
        return offerurl.parse(url)
    except offerurl.UrlError as e:
        raise ModelError(str(e)) from e


def consume(controller: Controller, url: OfferUrl, alias: str = '') -> Saas:
    """Add the offer as a saas, by its own name unless another is given; link the networks."""
    if url.model == controller.model.name:
        raise ModelError(f'cannot consume "{url}": it is an offer of this model')
    try:
        found = exchange.ask(url.model, 'offer-details', {'name': url.offer})
    except (registry.RegistryError, RequestError, OSError) as e:
        raise ModelError(f'application offer "{url}" not found: {e}') from e
    endpoints = {name: Endpoint(name, *declared) for name, declared in found['endpoints'].items()}
    saas = Saas(
        alias or url.offer,
        url.model,
        found['uuid'],
        url.offer,
        endpoints,
        Status(*found['status']),
    )
    with controller.changes:
        known = controller.model.saas.get(saas.name)
        if known and not known.gone and (known.uuid, known.offer) == (saas.uuid, saas.offer):
            return known
        crossmodel.consume(controller.model, saas)
        controller.changes.announce()
    try:
        _link(controller, url.model, found['uuid'])
    except BaseException:
        with controller.changes:
            controller.model.saas.pop(saas.name, None)
            controller.changes.announce()
        raise
    return saas


def _link(controller: Controller, name: str, uuid: str) -> None:
    """Let the pods of two models reach each other."""
    if controller.exchange.linked.get(name) == uuid:
        return
    own = registry.number(controller.model.name)
    try:
        _, namespace = controllers.request(name, 'network-namespace', {}, timeout=10)
        assert namespace is not None
        with open(namespace, 'rb'):
            controller.pods.link(registry.number(name), namespace)
        arguments = {'name': controller.model.name, 'uuid': controller.model.uuid, 'number': own}
        exchange.ask(name, 'linked', arguments)
    except (registry.RegistryError, RequestError) as e:
        raise ModelError(f'cannot reach the network of model "{name}": {e}') from e
    controller.pods.join(name, registry.number(name))
    controller.exchange.linked[name] = uuid


@command('remove-saas')
def _remove_saas(controller: Controller, name: str, force: bool = False) -> None:
    with controller.changes:
        crossmodel.remove_saas(controller.model, name, force=force)
        controller.changes.announce()


@command('integrate')
def _integrate(controller: Controller, one: str, other: str) -> None:
    names = [_consumed(controller, name) for name in (one, other)]
    model = controller.model
    with controller.changes:
        ends = model.ends_of(*names)
        saas = next((model.saas[end.app] for end in ends if end.app in model.saas), None)
        if saas is None:
            model.add_relation(*ends)
            controller.changes.announce()
            return
        introduction = crossmodel.introduce(model, ends)
    try:
        exchange.ask(saas.model, 'connect-offer', {'uuid': saas.uuid, **introduction})
    except (registry.RegistryError, RequestError, OSError) as e:
        raise ModelError(f'cannot relate to "{saas.name}": {e}') from e
    with controller.changes:
        try:
            crossmodel.join(model, model.ends_of(*names), introduction['token'])
        except ModelError:
            # Something has changed meanwhile: the other side must not wait for ever.
            crossmodel.retract(model, saas, introduction['token'])
            raise
        finally:
            controller.changes.announce()


def _consumed(controller: Controller, name: str) -> str:
    """An application as `Model.ends_of` takes it; an offer given by its URL is consumed."""
    if not offerurl.is_url(name):
        return name
    url = _parsed(name)
    saas = consume(controller, url)
    return f'{saas.name}:{url.endpoint}' if url.endpoint else saas.name


# Those of other models' controllers


@command('offer-details')
def _offer_details(controller: Controller, name: str) -> dict[str, Any]:
    model = controller.model
    with controller.changes:
        if name not in model.offers:
            raise ModelError(f'model "{model.name}" has no such offer')
        offer = model.offers[name]
        declared = model.application(offer.app).charm.endpoints
        return {
            'uuid': model.uuid,
            'status': _status(controller, name),
            'endpoints': {
                endpoint: [declared[endpoint].role, declared[endpoint].interface]
                for endpoint in offer.endpoints
            },
        }


def _status(controller: Controller, offer: str) -> list[Any] | None:
    """The status of an offer's application, None if there is no such offer."""
    found = controller.model.offers.get(offer)
    if found is None:
        return None
    status = statusview.application_status(controller.model.application(found.app))
    return [status.current, status.message, status.since]


@command('network-namespace')
def _network_namespace(controller: Controller) -> BinaryIO:  # noqa: ARG001
    """The answer carries a file descriptor of the model's outer network namespace."""
    return Path('/proc/self/ns/net').open('rb')


@command('linked')
def _linked(controller: Controller, name: str, uuid: str, number: int) -> None:
    controller.pods.join(name, number)
    controller.exchange.linked[name] = uuid


@command('connect-offer')
def _connect(
    controller: Controller,
    uuid: str,
    offer: str,
    endpoint: str,
    token: str,
    remote: tuple[str, Role, str],
    consumer: tuple[str, str],
) -> None:
    with controller.changes:
        if uuid != controller.model.uuid:
            raise ModelError('the model of the offer is gone')
        crossmodel.connect(
            controller.model,
            offer=offer,
            endpoint=endpoint,
            token=token,
            remote=remote,
            consumer=consumer,
        )
        controller.changes.announce()


@command('exchange')
def _exchange(controller: Controller, uuid: str, token: str, half: Mapping[str, Any]) -> str:
    with controller.changes:
        relation = crossmodel.by_token(controller.model, token)
        if uuid != controller.model.uuid or relation is None:
            return exchange.UNKNOWN
        if crossmodel.apply(controller.model, relation, dict(half)):
            controller.changes.announce()
        return ''


@command('farewell')
def _farewell(controller: Controller, uuid: str, token: str, forced: bool) -> None:
    model = controller.model
    with controller.changes:
        relation = crossmodel.by_token(model, token)
        if uuid != model.uuid or relation is None or relation.is_refused:
            return
        assert relation.across
        relation.across.cut = True
        if forced:
            crossmodel.lose(relation)
        else:
            model.destroy_relation(relation)
        controller.changes.announce()
    # Whether the offer is gone too, the next look tells.


@command('ping')
def _ping(controller: Controller, uuid: str, offers: Sequence[str]) -> Any:
    with controller.changes:
        if uuid != controller.model.uuid:
            return exchange.UNKNOWN
        return {offer: _status(controller, offer) for offer in offers}


@command('model-ended')
def _model_ended(controller: Controller, name: str, uuid: str) -> None:
    with controller.changes:
        status = Status('terminated', exchange.REMOVED, time.time())
        if crossmodel.lose_model(controller.model, name, uuid, status):
            controller.changes.announce()
    controller.exchange.forget(name, uuid)
