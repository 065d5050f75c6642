"""What makes relations cross models: offers, what a model consumes, and what both sides share."""

import dataclasses
import secrets
from collections.abc import Mapping

from localjuju.model.charmmeta import Endpoint
from localjuju.model.unitstate import Life, Status


@dataclasses.dataclass(frozen=True)
class Offer:
    """Endpoints of an application that other models may relate to."""

    name: str
    app: str
    endpoints: tuple[str, ...]


@dataclasses.dataclass
class Saas:
    """An offer of another model, under the name that it has in this one.

    ``status`` is that of the offered application until the offer or its model is ``gone``.
    """

    name: str
    model: str
    uuid: str
    offer: str
    endpoints: Mapping[str, Endpoint]
    status: Status
    life: Life = Life.ALIVE
    gone: bool = False


@dataclasses.dataclass
class Across:
    """What a relation with an application of another model has besides.

    Args:
        app: the remote application's name here: a saas, or ``remote-<token>``.
        model: the other model's name.
        uuid: the other model's UUID.
        offer: the offer's name.
        token: identifies the relation in both models.
        offering: whether the offer is this model's.
        heard: whether the other side has spoken; the offering side waits for that.
        cut: whether the other side must hear nothing more about it.
        refused: whether Juju has forgotten it, although units still list it.
    """

    app: str
    model: str
    uuid: str
    offer: str
    token: str
    offering: bool
    heard: bool = True
    cut: bool = False
    refused: bool = False


@dataclasses.dataclass(frozen=True)
class Farewell:
    """The last message about a relation. ``forced``: the other side loses it without notice."""

    model: str
    uuid: str
    token: str
    forced: bool


def new_token() -> str:
    """32 hexadecimal digits, a UUID without its hyphens, as Juju's own."""
    return secrets.token_hex(16)
