"""The exporter: nginx's status page as metrics."""

from collections.abc import Callable, Collection

import ops

import nginx
from coordinated_telemetry import containers

PORT = 9113
"""Where a scraper reaches nginx's metrics over HTTP."""
TLS_PORT = 9114
"""The same over HTTPS."""


def ensure_running(
    container: ops.Container,
    schemes: Collection[str] = ('http',),
    path: str = '',
    content: Callable[[], str] = str,
) -> bool:
    """Make the exporter serve these schemes. True if anything was changed.

    Args:
        container: reachable.
        schemes: `http`, `https` or both.
        path: of the file with certificates and key; '' if there is none now: what serves https
            goes on with what it has.
        content: gives the content of the file; called only if the file is missing.
    """
    return containers.ensure_layer(container, container.name, nginx.exporter_layer())
