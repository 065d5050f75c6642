"""The address of an offer, as users and Juju write it."""

import re
from typing import NamedTuple

#: The name of the one controller, and of its one user.
CONTROLLER = 'localjuju'
OWNER = 'admin'

_NAME = r'[a-z0-9][a-z0-9-]*'
_URL = re.compile(
    rf'^(?:(?P<controller>[^:/]+):)?(?:(?P<owner>[^/:.]+)/)?(?P<model>{_NAME})\.(?P<offer>{_NAME})'
    rf'(?::(?P<endpoint>[^:/]+))?$'
)


class OfferUrl(NamedTuple):
    """``[<controller>:][<owner>/]<model>.<offer>[:<endpoint>]``."""

    model: str
    offer: str
    endpoint: str = ''

    def __str__(self) -> str:
        """The offer's path, without controller and endpoint: ``admin/<model>.<offer>``."""
        return f'{OWNER}/{self.model}.{self.offer}'


class UrlError(ValueError):
    """A text is no offer's address, or that of one which cannot be here."""


def is_url(text: str) -> bool:
    """Whether a text can only be an offer's address, not the name of an application."""
    return '.' in text or '/' in text


def parse(text: str) -> OfferUrl:
    """An offer's address; UrlError if it is none, or names another controller or user."""
    found = _URL.match(text)
    if found is None:
        raise UrlError(f'application offer URL "{text}" not valid')
    controller, owner = found['controller'] or CONTROLLER, found['owner'] or OWNER
    if controller != CONTROLLER:
        raise UrlError(f'controller {controller} not found: the local Juju has only {CONTROLLER}')
    if owner != OWNER:
        raise UrlError(f'user "{owner}" not found: the local Juju has only "{OWNER}"')
    return OfferUrl(found['model'], found['offer'], found['endpoint'] or '')
