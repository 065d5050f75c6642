"""Traces: the requested protocols, and where charms and workloads send their spans.

`tracing`, requirer's side, without events of its own: ops.tracing.Tracing and the library inside
it clear and rewrite their databag in every dispatch of the leader.
"""

import os
import urllib.request
from collections.abc import Collection, Mapping, Sequence
from http.client import HTTPResponse
from typing import Any, NamedTuple

import ops
import pydantic

from . import addresses, databag, databags, report
from .topology import Topology
from .workloads import Protocol

CHARM_PROTOCOLS: tuple[Protocol, ...] = ('otlp_http',)
"""What ops.tracing speaks."""


_DEFERRED = pydantic.ConfigDict(defer_build=True)  # few hooks read a receiver's URL


class RequirerData(databag.Databag):
    """The application databag of a `tracing` requirer: names of protocols."""

    receivers: list[str]


class _ProviderData(databag.Databag):
    # [{"protocol": {"name": "otlp_http", "type": "http"}, "url": "http://…:4318"}, …]
    receivers: list[Any]


class _Protocol(pydantic.BaseModel):
    model_config = _DEFERRED
    name: str


class _Receiver(pydantic.BaseModel):
    model_config = _DEFERRED
    protocol: _Protocol
    url: str


def ensure_request(
    bags: databags.Databags,
    endpoint: str,
    application: ops.Application,
    protocols: tuple[str, ...],
) -> bool:
    """Request these protocols of the provider; leader only. True if anything was changed."""
    data = RequirerData(receivers=list(protocols))
    return bags.ensure(endpoint, application, data)


def read_receivers(
    bags: databags.Databags, endpoint: str, protocols: tuple[str, ...]
) -> dict[str, str]:
    """The receivers of these protocols: protocol → URL (`otlp_grpc`: host:port).

    An invalid receiver is ignored and named; one of any other protocol is skipped silently.
    """
    found: dict[str, str] = {}
    for relation in bags.relations(endpoint):
        data = bags.load(relation, relation.app, _ProviderData)
        for entry in data.receivers if data else ():
            try:
                receiver = _Receiver.model_validate(entry, strict=True)
                protocol = receiver.protocol.name
                if protocol in protocols and protocol not in found:
                    found[protocol] = addresses.check_receiver(protocol, receiver.url)
            except ValueError as error:
                bags.report.ignore(f'{relation.app.name} {endpoint}', databag.reason(error))
    return dict(sorted(found.items()))


class Destination(NamedTuple):
    """Where spans are sent.

    Attributes:
        url: in the form that the sender needs, or None if spans are not sent.
        refused: why an existing receiver is not used, or ''.
        protocol: how the receiver is spoken to.
    """

    url: str | None
    refused: str = ''
    protocol: Protocol = 'otlp_http'


def charm_destination(receivers: Mapping[str, str], ca: str | None = None) -> Destination:
    """Where a charm with these receivers sends its spans: a URL that ends in `/v1/traces`.

    An https receiver without its CA is refused, since every attempt to send would fail.
    """
    return _destination(receivers, ca, CHARM_PROTOCOLS)


def ensure_charm_tracing(wanted: Destination, ca: str | None = None) -> None:
    """From now on, send this charm's spans there, or nowhere; ops writes only a difference."""
    if wanted.url and not wanted.url.startswith('https:'):
        urllib.request.install_opener(urllib.request.build_opener(_LateHTTPS()))
    ops.tracing.set_destination(url=wanted.url, ca=(ca or None) if wanted.url else None)


class _LateHTTPS(urllib.request.HTTPSHandler):
    """Loads the image's CAs with the first https request.

    Python's own does so for http too, which at the end of each dispatch costs 25 ms: ops.tracing
    sends spans with urlopen.
    """

    def __init__(self) -> None:
        urllib.request.AbstractHTTPHandler.__init__(self)

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return urllib.request.HTTPSHandler().https_open(req)


def resource_attributes(topology: Topology) -> str:
    """The unit's labels in the form of OTEL_RESOURCE_ATTRIBUTES: `key=value,key=value`."""
    return ','.join(f'{label}={value}' for label, value in topology.labels.items())


def label_charm_spans(charm: str) -> None:
    """Put the label `juju_charm` on the charm's own spans; call it before ops.main.

    ops labels its spans with the other four, but has `charm` instead of `juju_charm`.
    OpenTelemetry's SDK merges this variable into the resource.
    """
    os.environ['OTEL_RESOURCE_ATTRIBUTES'] = f'juju_charm={charm}'


def workload_protocols(spoken: Collection[Protocol]) -> tuple[Protocol, ...]:
    """The protocols to request for a workload that can send spans like this, sorted.

    The URL of `otlp_grpc` has no scheme, so `otlp_http` reveals whether to use TLS.
    """
    return tuple(sorted({*spoken, 'otlp_http'})) if spoken else ()


def workload_destination(
    receivers: Mapping[str, str],
    ca: str | None = None,
    spoken: Sequence[Protocol] = ('otlp_grpc',),
) -> Destination:
    """Where a workload with these receivers sends its spans: a URL with its scheme.

    As for charms, TLS without a CA is refused.

    Args:
        receivers: protocol → URL (`otlp_grpc`: host:port).
        ca: PEM certificates to trust.
        spoken: how the workload can send spans, preferred first.
    """
    return _destination(receivers, ca, spoken)


def _destination(
    receivers: Mapping[str, str], ca: str | None, spoken: Sequence[Protocol]
) -> Destination:
    refused = ''
    for protocol in spoken:
        find = _http_destination if protocol == 'otlp_http' else _grpc_destination
        found = find(receivers, ca)
        if found.url:
            return found
        refused = refused or found.refused
    return Destination(None, refused or _unfit(receivers, spoken))


def _unfit(receivers: Mapping[str, str], spoken: Sequence[Protocol]) -> str:
    """Why none of the receivers is used by a sender that speaks this; '' if there is no reason."""
    if not receivers or not spoken:
        return ''
    offered = report.first([addresses.shorten(one, 40) for one in sorted(receivers)])
    return f'no {" or ".join(spoken)} receiver, only {offered}'


def _http_destination(receivers: Mapping[str, str], ca: str | None) -> Destination:
    base = receivers.get('otlp_http')
    if base is None:
        return Destination(None)
    if base.startswith('https:') and not ca:
        return Destination(None, f'no CA certificate for {base}')
    return Destination(f'{base.rstrip("/").removesuffix("/v1/traces")}/v1/traces')


def _grpc_destination(receivers: Mapping[str, str], ca: str | None) -> Destination:
    """The relation does not say whether gRPC uses TLS: the scheme is that of `otlp_http`."""
    target = receivers.get('otlp_grpc')
    if target is None:
        return Destination(None)
    if not receivers.get('otlp_http', '').startswith('https:'):
        return Destination(f'http://{target}', protocol='otlp_grpc')
    if not ca:
        return Destination(None, f'no CA certificate for {target}')
    return Destination(f'https://{target}', protocol='otlp_grpc')
