"""The ingress in front of nginx (`ingress`, version 2, requirer's side), such as traefik.

Keys and values are those of the library `charms.traefik_k8s.v2.ingress`. It is in no package, and
its requirer clears and rewrites both databags in every event of the relation.
"""

from typing import Any

import pydantic

import nginx_config
from coordinated_telemetry import addresses, databag, databags, reconciler, topology
from coordinated_telemetry.cluster_data import Scheme

ENDPOINT = 'ingress'

_HEALTH_CHECK = {'path': nginx_config.HEALTH_PATH, 'interval': '5s', 'timeout': '2s'}
"""By which an ingress leaves out a unit whose nginx is away."""


class _Url(databag.Databag):
    url: addresses.Url


class ProviderData(databag.Databag):
    """The provider's application databag."""

    by_endpoint = True

    ingress: _Url


class RequirerData(databag.Databag):
    """The requirer's application databag.

    Attributes:
        model: the model's name, which may be a part of the URL.
        name: the application's name, likewise.
        port: where each unit serves.
        scheme: how each unit is called.
        strip_prefix: whether nginx never sees the path prefix that the ingress adds. It has its
            roles at fixed paths.
        redirect_https: whether plain HTTP is redirected to the ingress' port 443.
        healthcheck_params: how the ingress finds out whether a unit serves.
    """

    model: str
    name: str
    port: int
    scheme: Scheme
    strip_prefix: bool = pydantic.Field(default=True, serialization_alias='strip-prefix')
    redirect_https: bool = pydantic.Field(default=False, serialization_alias='redirect-https')
    healthcheck_params: dict[str, Any]


class UnitData(databag.Databag):
    """The databag of a requirer's unit.

    Attributes:
        host: its DNS name, which its certificate has.
        ip: its address.
    """

    host: str
    ip: str | None = None


def read_url(bags: databags.Databags) -> str:
    """The URL at which the ingress serves the application; '' if there is none."""
    for relation in bags.relations(ENDPOINT)[:1]:
        data = bags.load(relation, relation.app, ProviderData)
        return data.ingress.url if data else ''
    return ''


def ensure_request(
    bags: databags.Databags, charm: reconciler.ReconcilingCharm, scheme: Scheme, url: str
) -> bool:
    """Ask for the application to be served; leader only. True if anything was changed.

    Args:
        bags: the databags.
        charm: the coordinator's.
        scheme: what every unit serves.
        url: from `read_url`. If it is https, the ingress has TLS itself and may redirect to it;
            without TLS, traefik would redirect to where nothing is.
    """
    data = RequirerData(
        model=charm.model.name,
        name=charm.app.name,
        port=nginx_config.PORT,
        scheme=scheme,
        redirect_https=url.startswith('https:'),
        healthcheck_params=_HEALTH_CHECK,
    )
    return bags.ensure(ENDPOINT, charm.app, data)


def ensure_unit_data(bags: databags.Databags, charm: reconciler.ReconcilingCharm) -> bool:
    """Publish where this unit is. True if anything was changed.

    Every unit has to: traefik refuses the whole application as long as one has published nothing.
    """
    if not bags.relations(ENDPOINT):
        return False
    host = charm.hosts.unit(charm.unit.name)
    ip = topology.bind_address(charm, ENDPOINT) or None
    return bags.ensure(ENDPOINT, charm.unit, UnitData(host=host, ip=ip))
