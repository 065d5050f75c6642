"""The stores of COS Lite on a real Juju: Prometheus, Loki and Tempo.

This repository's own tests have no COS Lite, so recorded answers stand in for it there.
"""

import base64
import binascii
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from .http import Api, Get, urllib_get
from .prometheus import Prometheus, rules_of, series_of
from .types import Line, Node, Rule, Series, Span, of_kind, tree

HOUR = 3600  # seconds


class CosLiteStores(Prometheus):
    """Prometheus, Loki and Tempo, at URLs that this machine reaches; a `Stores`.

    Args:
        prometheus: such as http://traefik/cos-prometheus-0.
        loki: such as http://traefik/cos-loki-0.
        tempo: Tempo's HTTP API, port 3200.
        get: sends the requests.
    """

    def __init__(self, prometheus: str, loki: str, tempo: str, *, get: Get = urllib_get) -> None:
        super().__init__(Api('prometheus', prometheus, get))
        self._loki = Api('loki', loki, get)
        self._tempo = Api('tempo', tempo, get)

    def log_rules(self) -> list[Rule]:
        return rules_of(self._loki.json('/prometheus/api/v1/rules', {'type': 'alert'}))

    def log_vector(self, expression: str) -> list[Series]:
        answer = self._loki.json('/loki/api/v1/query', {'query': expression})
        return series_of(answer['data']['result'])

    def lines(
        self,
        unit: str,
        *,
        charm_logs: bool | None = None,
        containing: str = '',
        limit: int = 1000,
    ) -> list[Line]:
        selector = f'juju_unit={json.dumps(unit)}'
        if charm_logs is not None:
            selector += ', pebble_service=""' if charm_logs else ', pebble_service!=""'
        query = f'{{{selector}}}'
        if containing:
            query += f' |= {json.dumps(containing)}'
        return self.log_lines(query, limit=limit)

    def log_lines(self, expression: str, *, limit: int = 1000) -> list[Line]:
        now = time.time_ns()
        answer = self._loki.json(
            '/loki/api/v1/query_range',
            {
                'query': expression,
                'start': now - HOUR * 10**9,
                'end': now,
                'limit': limit,
                'direction': 'backward',
            },
        )
        # One stream for each set of labels; each of its values is [nanoseconds, line].
        found = [
            Line(int(value[0]), value[1], stream['stream'])
            for stream in answer['data']['result']
            for value in stream['values']
        ]
        return sorted(found, key=lambda line: line.time)

    def spans(self, unit: str, *, charm: bool | None = None, limit: int = 1000) -> list[Span]:
        now = int(time.time())
        query = {
            'q': f'{{ resource.juju_unit = {json.dumps(unit)} }}',
            'start': now - HOUR,
            'end': now,
            'limit': limit,
        }
        traces = self._tempo.json('/api/search', query).get('traces') or ()
        found = [span for trace in traces for span in self._spans(trace['traceID'])]
        return of_kind(found, unit, charm)

    def trace(self, trace_id: str) -> tuple[Node, ...]:
        return tree(self._spans(trace_id))

    def _spans(self, trace_id: str) -> list[Span]:
        answer = self._tempo.json(f'/api/traces/{trace_id}', absent=404)
        return list(spans_of(answer)) if answer else []


def spans_of(trace: Mapping[str, Any]) -> Iterator[Span]:
    """Yield the spans of a trace from Tempo's /api/traces: OTLP in protobuf's JSON."""
    for batch in trace.get('batches') or trace.get('resourceSpans') or ():
        resource = _attributes(batch['resource'])
        for scope in batch.get('scopeSpans') or batch.get('instrumentationLibrarySpans') or ():
            named = scope.get('scope') or scope.get('instrumentationLibrary') or {}
            for span in scope['spans']:
                start = int(span['startTimeUnixNano'])
                yield Span(
                    trace_id=_hex(span['traceId'], 16),
                    span_id=_hex(span['spanId'], 8),
                    parent_id=_hex(span.get('parentSpanId', ''), 8),
                    name=span['name'],
                    service=resource.get('service.name', ''),
                    scope=named.get('name', ''),
                    start=start,
                    duration=int(span['endTimeUnixNano']) - start,
                    attributes=_attributes(span),
                    resource=resource,
                )


def _attributes(owner: Mapping[str, Any]) -> dict[str, str]:
    """Return OTLP attributes as text. A value is an object with one key, such as stringValue."""
    return {
        attribute['key']: str(next(iter(attribute['value'].values()), ''))
        for attribute in owner.get('attributes') or ()
    }


def _hex(identifier: str, size: int) -> str:
    """Return a trace or span id of `size` bytes in hex; Tempo gives base64, OTLP's JSON hex."""
    if not identifier or len(identifier) == 2 * size:
        return identifier.lower()
    try:
        return base64.b64decode(identifier).hex().zfill(2 * size)
    except binascii.Error:
        return identifier.lower()
