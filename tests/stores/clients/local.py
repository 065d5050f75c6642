"""The stores of a local model: Prometheus, VictoriaLogs and Jaeger."""

import json
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from . import logql
from .http import Api
from .prometheus import Prometheus, series_of
from .types import Line, Node, Rule, Series, Span, StoreError, of_kind, tree

LOG_RULES = '/loki/rules/fake'  # where the loki charm keeps the log rules
HOUR = 3600  # seconds


class Response(Protocol):
    """What `Model.http` returns."""

    @property
    def status(self) -> int: ...

    @property
    def body(self) -> bytes: ...


class Model(Protocol):
    """The part of a running local model (`localjuju.client.Model`) that is used here."""

    name: str

    def http(
        self, url: str, *, timeout: float = 10, context: ssl.SSLContext | None = None
    ) -> Response:
        """GET a URL inside the model's network; https with a context."""
        ...

    def request(self, command: str, /, **arguments: Any) -> Any:
        """Do what the `juju` program does with a command."""
        ...


class LocalStores(Prometheus):
    """This repository's store charms in a running local model; a `Stores`.

    A store that has a certificate is asked over TLS, trusting the CA that Juju shows for it.

    Args:
        model: the running model; all requests are made inside its network.
        prometheus: the application with the metrics. All its units have the same ones.
        loki: the unit with the logs. All units of its application have the same ones.
        tempo: the application with the traces. It should have one unit.
    """

    def __init__(
        self,
        model: Model,
        *,
        prometheus: str = 'prometheus',
        loki: str = 'loki/0',
        tempo: str = 'tempo',
    ) -> None:
        def api(name: str, host: str, port: int) -> Api:
            base = f'http://{host}.{model.name}.svc.cluster.local:{port}'
            return Api(name, base, _Get(model, name))

        self._model = model
        self._loki = loki
        super().__init__(api(prometheus, prometheus, 9090))
        application, _, number = loki.partition('/')
        self._logs = api(loki, f'{application}-{number}.{application}-endpoints', 3100)
        self._jaeger = api(tempo, tempo, 16686)

    def log_rules(self) -> list[Rule]:
        # VictoriaLogs does not know Loki's rules, so the charm keeps them in JSON files.
        command = f"find {LOG_RULES} -name '*.rules' -exec cat {{}} +"
        done = self._model.request('ssh', unit=self._loki, container='loki', command=command)
        if done['code']:
            raise StoreError(f'cannot read the rules of {self._loki}: {done["stderr"].strip()}')
        return [
            Rule(group['name'], rule['alert'], rule['expr'], rule.get('labels') or {}, '', '')
            for document in _documents(done['stdout'])
            for group in document['groups']
            for rule in group['rules']
        ]

    def log_vector(self, expression: str, at: float | None = None) -> list[Series]:
        """Return what `Stores.log_vector` promises, for now or a time in seconds."""
        when = {} if at is None else {'time': at}

        def count(query: str) -> logql.Vector:
            answer = self._logs.json('/select/logsql/stats_query', {'query': query, **when})
            return {
                frozenset(series.labels.items()): series.value
                for series in series_of(answer['data']['result'])
            }

        values = logql.evaluate(expression, count)
        return [Series('', dict(labels), value) for labels, value in values.items()]

    def lines(
        self,
        unit: str,
        *,
        charm_logs: bool | None = None,
        containing: str = '',
        limit: int = 1000,
    ) -> list[Line]:
        query = f'_time:1h juju_unit:={json.dumps(unit)}'
        if charm_logs is not None:
            # Pebble adds the label in Loki's protocol; in OTLP it is the scope.
            pebble = '(pebble_service:* or "scope.name":=pebble)'
            query += f' !{pebble}' if charm_logs else f' {pebble}'
        if containing:
            query += f' ~{json.dumps(re.escape(containing))}'
        return self._lines(query, limit)

    def log_lines(self, expression: str, *, limit: int = 1000) -> list[Line]:
        return self._lines(f'_time:1h {logql.lines(expression)}', limit)

    def _lines(self, query: str, limit: int) -> list[Line]:
        query += f' | sort by (_time desc) limit {limit}'
        text = self._logs.text('/select/logsql/query', {'query': query})
        return [_line(json.loads(line)) for line in reversed(text.splitlines())]

    def spans(self, unit: str, *, charm: bool | None = None, limit: int = 1000) -> list[Span]:
        tags = json.dumps({'juju_unit': unit})
        now = time.time_ns() // 1000  # Jaeger's times are in microseconds
        since = now - HOUR * 10**6
        found: dict[tuple[str, str], Span] = {}
        for service in self._jaeger.json('/api/services')['data'] or ():
            query = {'service': service, 'tags': tags, 'limit': limit, 'start': since, 'end': now}
            for trace in self._jaeger.json('/api/traces', query)['data'] or ():
                found |= {(span.trace_id, span.span_id): span for span in spans_of(trace)}
        return of_kind(found.values(), unit, charm)

    def trace(self, trace_id: str) -> tuple[Node, ...]:
        answer = self._jaeger.json(f'/api/traces/{trace_id}', absent=404)
        traces = answer['data'] if answer else ()
        return tree([span for trace in traces for span in spans_of(trace)])


class _Get:
    """A `Get` to one store; its URLs are plain ones, whether the store has TLS or not.

    Whether it has is looked up whenever it does not answer as before.

    Args:
        model: the running model.
        name: the store's application, or its unit.
    """

    def __init__(self, model: Model, name: str) -> None:
        self._model = model
        self._name = name
        self._cas = ''  # certificates in PEM; empty without TLS

    def __call__(self, url: str, timeout: float) -> tuple[int, bytes]:
        try:
            status, body = self._ask(url, timeout)
        except OSError:
            if not self._look():
                raise
            return self._ask(url, timeout)
        # What a server in Go answers to plain HTTP where it expects TLS.
        if status == 400 and not self._cas and self._look():
            return self._ask(url, timeout)
        return status, body

    def _ask(self, url: str, timeout: float) -> tuple[int, bytes]:
        if not self._cas:
            response = self._model.http(url, timeout=timeout)
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=self._cas)
            url = f'https{url.removeprefix("http")}'
            response = self._model.http(url, timeout=timeout, context=context)
        return response.status, response.body

    def _look(self) -> bool:
        """Look up which CAs to trust. Return True if they are others than before."""
        before, self._cas = self._cas, self._look_up()
        return self._cas != before

    def _look_up(self) -> str:
        application = self._name.partition('/')[0]
        status = self._model.request('status')['applications'].get(application, {})
        units = sorted(status.get('units', {}))
        if not units:
            return ''
        unit = self._name if self._name in units else units[0]
        shown = self._model.request('show-unit', unit=unit)[unit]
        found: set[str] = set()
        for relation in shown['relation-info']:
            if relation['endpoint'] == 'certificates':
                issued = json.loads(relation['application-data'].get('certificates', '[]'))
                found |= {one['ca'].strip() for one in issued}
        return '\n'.join(sorted(found))


def _documents(text: str) -> Iterator[Any]:
    """Yield the JSON values in a text, one after the other."""
    decoder = json.JSONDecoder()
    while text:
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:].lstrip()


def _line(entry: Mapping[str, str]) -> Line:
    """Return a log line from VictoriaLogs' answer; VictoriaLogs' own fields start with `_`."""
    labels = {key: value for key, value in entry.items() if not key.startswith('_')}
    return Line(_nanoseconds(entry['_time']), entry.get('_msg', ''), labels)


def _nanoseconds(moment: str) -> int:
    """Return a UTC time in RFC 3339, with up to nine decimals, as nanoseconds since the epoch."""
    seconds, _, fraction = moment.removesuffix('Z').partition('.')
    whole = int(datetime.fromisoformat(f'{seconds}+00:00').timestamp())
    return whole * 10**9 + int(fraction.ljust(9, '0'))


def spans_of(trace: Mapping[str, Any]) -> Iterator[Span]:
    """Yield the spans of a trace from Jaeger's HTTP API, which has times in microseconds."""
    for span in trace['spans']:
        process = trace['processes'][span['processID']]
        attributes = _tags(span['tags'])
        parents = [
            reference['spanID']
            for reference in span.get('references') or ()
            if reference['refType'] == 'CHILD_OF' and reference['traceID'] == span['traceID']
        ]
        yield Span(
            trace_id=span['traceID'].zfill(32),
            span_id=span['spanID'].zfill(16),
            parent_id=parents[0].zfill(16) if parents else '',
            name=span['operationName'],
            service=process['serviceName'],
            # Jaeger before 1.60 has the older name.
            scope=attributes.get('otel.scope.name', attributes.get('otel.library.name', '')),
            start=span['startTime'] * 1000,
            duration=span['duration'] * 1000,
            attributes=attributes,
            resource={'service.name': process['serviceName'], **_tags(process['tags'])},
        )


def _tags(tags: list[Mapping[str, Any]]) -> dict[str, str]:
    return {tag['key']: str(tag['value']) for tag in tags}
