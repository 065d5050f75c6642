"""The questions to the stores, and the types of their answers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Labels = Mapping[str, str]


class StoreError(Exception):
    """A store cannot be asked, or its answer makes no sense; the message names the store."""


@dataclass(frozen=True)
class Series:
    """A time series that is being scraped: its labels, without the name, and its newest value."""

    name: str
    labels: Labels
    value: float


@dataclass(frozen=True)
class Target:
    """A scrape target.

    Attributes:
        labels: the labels that every sample of the target gets, `job` and `instance` included.
        url: the URL that is scraped.
        health: `up`, `down`, or `unknown` before the first scrape.
        error: why the last scrape failed, or ''.
    """

    labels: Labels
    url: str
    health: str
    error: str


@dataclass(frozen=True)
class Rule:
    """An alert rule as the store has it.

    Attributes:
        group: the name of its group.
        name: the alert's name.
        expr: the expression, normalized if the store evaluates rules.
        labels: the labels of the alerts that it raises.
        state: `inactive`, `pending` or `firing`; '' if the store only keeps rules.
        error: why its last evaluation failed, or ''.
    """

    group: str
    name: str
    expr: str
    labels: Labels
    state: str
    error: str


@dataclass(frozen=True)
class Alert:
    """An alert that a rule raises.

    Attributes:
        name: the alert's name.
        labels: its labels, those of the rule included.
        annotations: its texts, rendered.
        state: `pending` or `firing`.
    """

    name: str
    labels: Labels
    annotations: Labels
    state: str


@dataclass(frozen=True)
class Line:
    """A log line; `time` is in nanoseconds since the epoch."""

    time: int
    text: str
    labels: Labels


@dataclass(frozen=True)
class Span:
    """A span.

    Attributes:
        trace_id: 32 lower-case hex digits.
        span_id: 16 lower-case hex digits.
        parent_id: its parent's span id, which the store may not know; '' for a root.
        name: the name of the operation.
        service: the resource's `service.name`.
        scope: the instrumentation scope's name, such as `ops`.
        start: nanoseconds since the epoch.
        duration: nanoseconds.
        attributes: its own attributes, as text.
        resource: the resource's attributes, as text.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    service: str
    scope: str
    start: int
    duration: int
    attributes: Labels
    resource: Labels

    @property
    def of_charm(self) -> bool:
        """Whether a charm, not a workload, made this span."""
        return self.scope == 'ops' or self.scope.startswith('ops.')


@dataclass(frozen=True)
class Node:
    """A span and the spans below it, in the order of their start."""

    span: Span
    children: 'tuple[Node, ...]'

    def walk(self, depth: int = 0) -> 'Iterator[tuple[int, Span]]':
        """Yield each span of the tree, parents first, with its depth below this node."""
        yield depth, self.span
        for child in self.children:
            yield from child.walk(depth + 1)


def tree(spans: Sequence[Span]) -> tuple[Node, ...]:
    """Return the spans as trees; a span whose parent is not among them is the root of one.

    So the children of a span that the store never got, such as nginx's, are roots.
    """
    known = {span.span_id for span in spans}
    children: dict[str, list[Span]] = {}
    for span in sorted(spans, key=lambda span: (span.start, span.span_id)):
        parent = span.parent_id if span.parent_id in known else ''
        children.setdefault(parent, []).append(span)

    def nodes(parent: str) -> tuple[Node, ...]:
        return tuple(Node(span, nodes(span.span_id)) for span in children.get(parent, ()))

    return nodes('')


def of_kind(spans: Iterable[Span], unit: str, charm: bool | None) -> list[Span]:
    """Return the unit's spans of the requested kind, the oldest first."""
    chosen = [
        span
        for span in spans
        if span.resource.get('juju_unit') == unit and charm in (None, span.of_charm)
    ]
    return sorted(chosen, key=lambda span: (span.start, span.span_id))


class Stores(Protocol):
    """The three stores of a model. Every method raises StoreError if it cannot ask."""

    def series(self, unit: str) -> list[Series]:
        """Return the series of a unit that are being scraped now, `up` included."""
        ...

    def vector(self, expression: str) -> list[Series]:
        """Return the series that an expression in PromQL gives now."""
        ...

    def samples(self, unit: str) -> int:
        """Return how many samples were scraped from a unit in the last ten minutes."""
        ...

    def targets(self) -> list[Target]:
        """Return all active scrape targets."""
        ...

    def rules(self) -> list[Rule]:
        """Return the loaded alert rules on metrics."""
        ...

    def alerts(self) -> list[Alert]:
        """Return the alerts that the rules on metrics raise now."""
        ...

    def log_rules(self) -> list[Rule]:
        """Return the alert rules on logs that arrived."""
        ...

    def log_vector(self, expression: str) -> list[Series]:
        """Return the series that an expression on logs gives now, without names.

        Args:
            expression: in LogQL, in a form that `clients.logql` knows.
        """
        ...

    def log_lines(self, expression: str, *, limit: int = 1000) -> list[Line]:
        """Return the newest lines of the last hour, the oldest of them first.

        Args:
            expression: in LogQL, in a form that `clients.logql` knows.
            limit: how many lines at most.
        """
        ...

    def lines(
        self,
        unit: str,
        *,
        charm_logs: bool | None = None,
        containing: str = '',
        limit: int = 1000,
    ) -> list[Line]:
        """Return the newest log lines of a unit in the last hour, the oldest of them first.

        Args:
            unit: the unit that logged them.
            charm_logs: True for the charm's own, False for those that Pebble forwarded from a
                workload (they have the label `pebble_service` or, over OTLP, Pebble's scope),
                None for both.
            containing: text that a line must contain.
            limit: how many lines at most.
        """
        ...

    def spans(self, unit: str, *, charm: bool | None = None, limit: int = 1000) -> list[Span]:
        """Return spans of a unit in the last hour, the oldest first.

        Args:
            unit: the resource attribute `juju_unit`.
            charm: True for the charm's own, False for its workload's, None for both.
            limit: how many traces to search at most.
        """
        ...

    def trace(self, trace_id: str) -> tuple[Node, ...]:
        """Return the spans of a trace as trees, or nothing if the store has none of it.

        Args:
            trace_id: 32 hex digits.
        """
        ...
