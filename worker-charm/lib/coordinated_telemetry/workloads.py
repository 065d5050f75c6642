"""What both charms say of their workload: each has it in its own `workload.py`."""

from typing import Literal, NamedTuple

from .cluster_data import Scheme

Protocol = Literal['otlp_grpc', 'otlp_http']
"""How a workload sends its spans."""


class Ports(NamedTuple):
    """Where a workload serves.

    Attributes:
        plain: over HTTP, or whatever else it speaks, without TLS.
        tls: the same with TLS; None for a workload that cannot.
    """

    plain: int
    tls: int | None = None

    def of(self, scheme: Scheme) -> int:
        """The port for a scheme; the plain one if there is no other."""
        return self.tls if scheme == 'https' and self.tls else self.plain
