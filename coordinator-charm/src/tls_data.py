"""What this application and its units keep for TLS, in their own databags on `peers`."""

from typing import Annotated

import pydantic

from coordinated_telemetry import cluster_data, databag, pem

MAX_CAS = 8
"""How many CAs are trusted at once: in a change there are two, each perhaps with its root."""


class Certificate(databag.Databag):
    """A certificate to serve, without its key.

    Attributes:
        chain: the unit's own certificate, then each one's issuer.
        ca: the certificate that clients must trust, one of the chain's issuers.
    """

    chain: pem.Certificates
    ca: pem.Certificate

    @property
    def cas(self) -> set[str]:
        """What clients are to trust: the CA, and the root with which the chain may end."""
        return {self.ca, *filter(pem.is_root, pem.each_certificate(self.chain)[-1:])}


class Kept(databag.Databag):
    """What a coordinator unit keeps for its next pod, in its own databag on `peers`.

    Attributes:
        certificate: what its nginx serves; absent while it serves plain HTTP.
        upstream_scheme: how its nginx reaches the workers; without it, `http`.
        schemes: what its exporter serves; without it, `http`.
        client_schemes: what its nginx serves to clients; without it, `https` with a certificate
            and `http` with none.
    """

    certificate: Certificate | None = None
    upstream_scheme: cluster_data.Scheme | None = None
    schemes: cluster_data.Schemes | None = None
    client_schemes: cluster_data.Schemes | None = None

    @property
    def clients(self) -> list[cluster_data.Scheme]:
        """What its nginx serves to clients."""
        return self.client_schemes or ['https' if self.certificate else 'http']

    @property
    def upstream(self) -> cluster_data.Scheme:
        """How its nginx reaches the workers."""
        return self.upstream_scheme or 'http'

    @property
    def exported(self) -> list[cluster_data.Scheme]:
        """What its exporter serves."""
        return self.schemes or ['http']

    @property
    def uses_https(self) -> bool:
        """Whether anything of it depends on certificates and CAs."""
        return bool(self.certificate or self.upstream_scheme or self.schemes)


class Shared(databag.Databag):
    """What the leader keeps for its successor, in the application's databag on `peers`.

    Attributes:
        trusted: the CAs of all certificates that anything in the deployment may still serve.
        worker_schemes: what each worker is told to serve; without it, `http`.
        requests: worker unit → digest of its last request, and after a space what is wrong with
            it, if anything.
        issued: the same for what was last issued for it.
    """

    trusted: Annotated[list[pem.Certificate], pydantic.Field(max_length=MAX_CAS)] | None = None
    worker_schemes: cluster_data.Schemes | None = None
    requests: dict[str, str] | None = None
    issued: dict[str, str] | None = None

    @property
    def served_by_workers(self) -> list[cluster_data.Scheme]:
        """What each worker is told to serve."""
        return self.worker_schemes or ['http']
