"""One collector for logs, traces and rules (`otlp`, requirer's side).

A collector offers endpoints: each has a protocol, a URL and the kinds of telemetry that it takes.
Here an endpoint has a key that says all of that, `logs_http`, `traces_grpc` and so on, and a URL
whose scheme says whether it wants TLS. `routes.py` decides what goes there.

PyPI's charmlibs-interfaces-otlp is not used: see docs/decisions.md.
"""

import base64
import itertools
import json
import lzma
from typing import Any

import ops
import pydantic
import pydantic_core

from . import addresses, databag, databags, publication, rules
from .topology import Topology

LOGS_HTTP = 'logs_http'
LOGS_GRPC = 'logs_grpc'
TRACES_HTTP = 'traces_http'
TRACES_GRPC = 'traces_grpc'
KEYS = (LOGS_GRPC, LOGS_HTTP, TRACES_GRPC, TRACES_HTTP)
"""What of an offer may be used; metrics are scraped, and go over no endpoint."""

MAX_ENDPOINTS = 32
"""How many endpoints of a collector are read."""

LOGS_PATH = '/v1/logs'
TRACES_PATH = '/v1/traces'

_PATHS = {'logs': LOGS_PATH, 'traces': TRACES_PATH}
_DEFERRED = pydantic.ConfigDict(strict=True, defer_build=True)
# cosl's preset: the same bytes as COS's charms write, in half the time of the default.
_PRESET = 3


class ProviderData(databag.Databag):
    """The application databag of an `otlp` provider."""

    by_endpoint = True

    # [{"protocol": "http", "endpoint": "http://…:4318", "telemetries": ["logs"]}, …]
    endpoints: list[Any]


class RequirerData(databag.Databag):
    """The application databag of an `otlp` requirer.

    Attributes:
        metadata: who publishes the rules.
        rules: from `compressed`.
    """

    max_bytes = publication.MAX_BYTES

    metadata: publication.Metadata
    rules: str


class _Endpoint(pydantic.BaseModel):
    model_config = _DEFERRED
    protocol: str
    endpoint: str
    telemetries: list[str]
    insecure: bool = False


def read_endpoints(bags: databags.Databags, endpoint: str) -> dict[str, str]:
    """Where the collector takes what is sent: one of `KEYS` → URL; the first of each counts.

    An invalid endpoint is ignored and named; a protocol or a telemetry that is not sent here is
    skipped silently.
    """
    found: dict[str, str] = {}
    for relation in bags.relations(endpoint):
        data = bags.load(relation, relation.app, ProviderData)
        offered = data.endpoints if data else []
        name = f'{relation.app.name} {endpoint}'
        if len(offered) > MAX_ENDPOINTS:
            why = f'{len(offered)} endpoints, of which the first {MAX_ENDPOINTS} are read'
            bags.report.ignore(name, why)
        for entry in itertools.islice(offered, MAX_ENDPOINTS):
            try:
                for key, url in _offers(_Endpoint.model_validate(entry)):
                    found.setdefault(key, url)
            except ValueError as error:
                bags.report.ignore(name, databag.reason(error))
    return dict(sorted(found.items()))


def _offers(offer: _Endpoint) -> list[tuple[str, str]]:
    keys = {f'{telemetry}_{offer.protocol}' for telemetry in offer.telemetries}
    wanted = [key for key in KEYS if key in keys]
    url = offer.endpoint
    if offer.protocol == 'grpc' and wanted and '://' not in url:
        # As in OpenTelemetry's SDKs: a scheme decides, and `insecure` only where there is none.
        url = f'{"http" if offer.insecure else "https"}://{url}'
    return [(key, check_endpoint(key, url)) for key in wanted]


def check_endpoint(key: str, url: str) -> str:
    """Accept the URL of an endpoint.

    Args:
        key: one of `KEYS`. Over gRPC, the URL is a scheme, a host and a port.
        url: where the endpoint claims to be.

    Returns:
        The URL without the path of the telemetry, to which each sender adds its own.

    Raises:
        ValueError: for anything else.
    """
    base = addresses.check_url(url).rstrip('/')
    telemetry, _, protocol = key.rpartition('_')
    if protocol == 'grpc':
        addresses.check_host_port(base.partition('://')[2])
    elif '?' in base:
        shown = addresses.shorten(url)
        raise ValueError(f'expected a URL to which a path can be added, got "{shown}"')
    return base.removesuffix(_PATHS.get(telemetry, '')).rstrip('/')


def compressed(metrics: list[rules.Group], logs: list[rules.Group]) -> str:
    """Rule groups as a collector reads them: JSON, compressed by LZMA, in base64."""
    texts = {'logql': publication.published(logs), 'promql': publication.published(metrics)}
    content = json.dumps(texts, sort_keys=True).encode()
    return base64.b64encode(lzma.compress(content, preset=_PRESET)).decode()


def ensure_rules(
    bags: databags.Databags,
    endpoint: str,
    application: ops.Application,
    requirer: Topology,
    metrics: list[rules.Group],
    logs: list[rules.Group],
) -> bool:
    """Publish alert rules to the collector; leader only. True if anything was changed.

    Uncompressed they have the room that they have over other endpoints, because a collector passes
    them on: if they exceed it, some applications' rules are left out, on metrics and on logs, and
    the report blocks and names these applications.

    Args:
        bags: the databags.
        endpoint: the endpoint.
        application: this application.
        requirer: who publishes them.
        metrics: rendered rules on metrics.
        logs: rendered rules on logs.
    """
    relations = bags.relations(endpoint)
    if not relations:
        return False
    both = [*metrics, *logs]
    size = len(json.dumps(both))
    if size > publication.MAX_BYTES:
        before = bags.content(relations[0], application).get('rules', '')
        both, without = publication.fit(both, publication.MAX_BYTES, _applications(before))
        publication.block(bags.report, endpoint, without, size, publication.MAX_BYTES)
        kept = {id(group) for group in both}
        metrics = [group for group in metrics if id(group) in kept]
        logs = [group for group in logs if id(group) in kept]
    data = RequirerData(
        metadata=publication.Metadata.of(requirer), rules=compressed(metrics, logs)
    )
    return bags.ensure(endpoint, application, data)


def _applications(text: str) -> set[str]:
    """The applications whose rules are in a databag that any revision of this charm wrote."""
    try:
        unpacker = lzma.LZMADecompressor()
        packed = base64.b64decode(pydantic_core.from_json(text))
        content = unpacker.decompress(packed, 2 * publication.MAX_BYTES)
        found = pydantic_core.from_json(content)
        return {
            name
            for kind in ('logql', 'promql')
            for name in publication.applications_of(found[kind])
        }
    except (ValueError, LookupError, TypeError, AttributeError, lzma.LZMAError):
        return set()
