"""Where the telemetry of every unit goes, as far as the coordinator knows: pure.

`actions.py` gathers the facts, and `telemetry_text.py` writes the answer. Each flow says how it is
known:

- `configured`: read from this unit's own containers and from its charm's own log;
- `published`: read back from the databag of whoever acts on it, a scraper or a worker; only the
  leader can;
- `expected`: follows from the relations; another unit, or this one in its next hook, acts on it.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from coordinated_telemetry import routes, traces
from coordinated_telemetry.report import Report, first
from workload import WORKLOAD

Known = Literal['configured', 'published', 'expected']

FLOWS = ('metrics', 'workload-logs', 'charm-logs', 'charm-traces', 'workload-traces')
"""What every unit has, in the order in which it is shown."""

STORES = {
    'metrics-endpoint': 'PROMETHEUS',
    'logging': 'LOKI',
    'charm-tracing': 'TEMPO',
    'workload-tracing': 'TEMPO',
    'send-otlp': 'OTELCOL',
}
"""Endpoint → who may be at its other side."""

NO_SPANS = 'nginx makes no spans; its access log has the trace_id of every request'
NO_WORKLOAD_SPANS = 'the workload makes no spans'


@dataclasses.dataclass(frozen=True)
class Flow:
    """One signal of one unit.

    Attributes:
        to: where it goes: push URLs, the receiver's URL, or for metrics the scrapers' names.
        why: why it does not flow, or not to all stores; '' if nothing hinders it.
        known: how this is known.
        at: for metrics, the URLs that are scraped.
    """

    to: tuple[str, ...] = ()
    why: str = ''
    known: Known = 'expected'
    at: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Sent:
    """What units are told about stores, or tell themselves.

    Attributes:
        log_endpoints: Loki unit → push URL.
        charm_receivers: protocol → URL.
        workload_receivers: protocol → URL (`otlp_grpc`: host:port).
        ca: the CAs of the stores, in PEM, or ''.
        collector: one of `otlp.KEYS` → URL.
    """

    log_endpoints: Mapping[str, str]
    charm_receivers: Mapping[str, str]
    workload_receivers: Mapping[str, str]
    ca: str = ''
    collector: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def routes(self, found: Report) -> routes.Routes:
        """Where a unit sends that is told this; the report says to which stores it does not."""
        return routes.choose(
            found,
            self.collector,
            self.log_endpoints,
            self.charm_receivers,
            self.workload_receivers,
            self.ca,
            workload=WORKLOAD.traces,
        )


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a coordinator unit knows.

    Attributes:
        unit: the unit that answers.
        leads: whether it is the leader.
        entrypoint: where clients reach the workload.
        related: endpoint → the applications that are related to it.
        coordinators: the units of the coordinator.
        workers: worker application → its units, those that published nothing included.
        expected: what the relations say about stores.
        published: worker application → what it is told, if anything; None if this cannot be read.
        expected_scrapes: unit → the URLs to be scraped.
        scrapes: scraper → unit → the URLs that it is told to scrape; None on a unit that cannot
            read it.
        log_targets: container → where its Pebble forwards logs; None if it cannot be asked.
        charm_log: push URL → how many records of the charm's own log it has not taken, or None.
        awaited: units that have not published anything.
        ignored: name of a unit, an application, or both with its endpoint → why it is ignored.
        notes: what else an operator should know.
    """

    unit: str
    leads: bool
    entrypoint: str
    related: Mapping[str, Sequence[str]]
    coordinators: Sequence[str]
    workers: Mapping[str, Sequence[str]]
    expected: Sent
    published: Mapping[str, Sent] | None
    expected_scrapes: Mapping[str, tuple[str, ...]]
    scrapes: Mapping[str, Mapping[str, tuple[str, ...]]] | None
    log_targets: Mapping[str, Sequence[str] | None]
    charm_log: Mapping[str, int] | None = None
    awaited: Sequence[str] = ()
    ignored: Mapping[str, str] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def application(self) -> str:
        """The coordinator's name."""
        return self.unit.partition('/')[0]


def scraped(jobs: Any) -> dict[str, tuple[str, ...]]:
    """Unit → the URLs that scrape jobs name for it; another revision's may be unreadable.

    Args:
        jobs: as `metrics.scrape_jobs` makes them.
    """
    found: dict[str, tuple[str, ...]] = {}
    try:
        for job in jobs:
            for static in job['static_configs']:
                (target,) = static['targets']
                url = f'{job.get("scheme", "http")}://{target}{job["metrics_path"]}'
                unit = str(static['labels']['juju_unit'])
                found[unit] = (*found.get(unit, ()), url)
    except (AttributeError, LookupError, TypeError, ValueError):
        return {}
    return found


def view(facts: Facts) -> dict[str, dict[str, Flow]]:
    """Unit → flow → where it goes; coordinators first, then workers by application and number."""
    found = {unit: _of_coordinator(facts, unit) for unit in facts.coordinators}
    for application in sorted(facts.workers):
        for unit in facts.workers[application]:
            found[unit] = _of_worker(facts, application, unit)
    return found


def _of_coordinator(facts: Facts, unit: str) -> dict[str, Flow]:
    found = Report()
    chosen = facts.expected.routes(found)
    of_workload = of_charm = _logs(facts, chosen, found.notes, 'expected')
    if unit == facts.unit:
        of_workload = _own_workload_logs(facts, of_workload)
        of_charm = _own_charm_logs(facts, of_charm)
    return {
        'metrics': _metrics(facts, unit),
        'workload-logs': of_workload,
        'charm-logs': of_charm,
        'charm-traces': _charm_traces(facts, chosen, 'expected'),
        'workload-traces': Flow(why=NO_SPANS),
    }


def _of_worker(facts: Facts, application: str, unit: str) -> dict[str, Flow]:
    sent: Sent | None = facts.expected
    known: Known = 'expected'
    if facts.published is not None:
        known = 'published'
        sent = facts.published.get(application)
    if sent is None:
        nothing = Flow(why=f'nothing is published to {application} yet', known=known)
        return {'metrics': _metrics(facts, unit), **dict.fromkeys(FLOWS[1:], nothing)}
    found = Report()
    chosen = sent.routes(found)
    of_logs = _logs(facts, chosen, found.notes, known)
    of_workload = Flow(why=NO_WORKLOAD_SPANS)
    if WORKLOAD.traces:
        why = chosen.why_not('workload traces')
        of_workload = _traces(facts, 'workload-tracing', chosen.workload_traces, known, why)
    return {
        'metrics': _metrics(facts, unit),
        'workload-logs': of_logs,
        'charm-logs': of_logs,
        'charm-traces': _charm_traces(facts, chosen, known),
        'workload-traces': of_workload,
    }


def _metrics(facts: Facts, unit: str) -> Flow:
    scrapers = facts.related['metrics-endpoint']
    if not scrapers:
        return Flow(why=_absent(facts, 'metrics-endpoint'))
    if facts.scrapes is None:
        at = facts.expected_scrapes.get(unit, ())
        to = tuple(scrapers) if at else ()
        return Flow(to, '' if at else _not_scraped(facts, unit), at=at)
    to = tuple(name for name in scrapers if unit in facts.scrapes.get(name, {}))
    at = facts.scrapes[to[0]][unit] if to else ()
    if unit not in facts.expected_scrapes:
        why = _not_scraped(facts, unit)
    else:
        missing = [name for name in scrapers if name not in to]
        why = f'not published to {", ".join(missing)} yet' if missing else ''
    return Flow(to, why, 'published', at)


def _not_scraped(facts: Facts, unit: str) -> str:
    if unit in facts.ignored:
        return f'ignored: {facts.ignored[unit]}'
    if unit in facts.awaited:
        return 'it has not published its address yet'
    return 'it has no valid address'


def _logs(facts: Facts, chosen: routes.Routes, notes: Iterable[str], known: Known) -> Flow:
    if chosen.otlp_logs:
        return Flow((chosen.otlp_log_push,), known=known)
    whys = [*filter(None, [chosen.why_not('logs')]), *notes]
    if not chosen.loki and not whys:
        whys = [_absent(facts, 'logging', facts.expected.log_endpoints)]
    return Flow(tuple(sorted(set(chosen.loki.values()))), '; '.join(whys), known)


def _own_workload_logs(facts: Facts, expected: Flow) -> Flow:
    """What the Pebble of each container does, held against what it should do."""
    to = {url for urls in facts.log_targets.values() for url in urls or ()}
    whys = [expected.why] if expected.why else []
    for container, urls in facts.log_targets.items():
        if urls is None:
            whys.append(f'the container {container} cannot be asked')
        elif lacking := sorted({*expected.to} - {*urls}):
            whys.append(f'{container} sends nothing to {first(lacking)}')
    return Flow(tuple(sorted(to)), '; '.join(whys), 'configured')


def _own_charm_logs(facts: Facts, expected: Flow) -> Flow:
    if facts.charm_log is None:
        return expected
    whys = [expected.why] if expected.why else []
    for url, records in facts.charm_log.items():
        if records:
            whys.append(f'{records} record{"" if records == 1 else "s"} wait for {url}')
    return Flow(tuple(sorted(facts.charm_log)), '; '.join(whys), 'configured')


def _charm_traces(facts: Facts, chosen: routes.Routes, known: Known) -> Flow:
    why = chosen.why_not('charm traces')
    return _traces(facts, 'charm-tracing', chosen.charm_traces, known, why)


def _traces(
    facts: Facts, endpoint: str, destination: traces.Destination, known: Known, why: str
) -> Flow:
    if destination.url:
        return Flow((destination.url,), why, known)
    if why := '; '.join(filter(None, [why, destination.refused])):
        return Flow(why=why, known=known)
    expected = facts.expected
    received = {
        'charm-tracing': expected.charm_receivers,
        'workload-tracing': expected.workload_receivers,
    }
    return Flow(why=_absent(facts, endpoint, received[endpoint]), known=known)


def _absent(facts: Facts, endpoint: str, expected: Mapping[str, str] | None = None) -> str:
    """Why there is nowhere to send to; `expected` is what the store has published."""
    names = facts.related[endpoint]
    if not names and endpoint != 'metrics-endpoint':
        names = facts.related.get('send-otlp', ())
        if names:
            endpoint, expected = 'send-otlp', facts.expected.collector
    if not names:
        command = f'juju integrate {facts.application}:{endpoint} {STORES[endpoint]}'
        return f'nothing is related to {endpoint}: {command}'
    whys = [
        f'{name} ({why})'
        for name, why in facts.ignored.items()
        if _is_of(name, names) and name.partition(' ')[2] in ('', endpoint)
    ]
    if whys:
        return f'ignored: {first(whys)}'
    if expected:
        return f'what {first(names)} offers is not usable, or not published yet'
    return f'{first(names)} has not published where to send'


def _is_of(name: str, applications: Iterable[str]) -> bool:
    return name.partition(' ')[0].partition('/')[0] in applications
