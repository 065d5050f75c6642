"""Where a unit sends its telemetry: to a collector, or to the stores.

A collector (`otlp`) takes the place of the stores for each signal that it offers to take in a form
which the sender speaks. So nothing arrives twice, and whatever it does not take still goes to the
stores. The coordinator and each worker choose by the same function from the same URLs.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

from . import logs, otlp, traces
from .report import Report
from .workloads import Protocol

Signal = Literal['logs', 'charm traces', 'workload traces']

_PROTOCOLS = {'otlp_http': 'HTTP', 'otlp_grpc': 'gRPC'}
_TRACES: Mapping[Protocol, str] = {'otlp_http': otlp.TRACES_HTTP, 'otlp_grpc': otlp.TRACES_GRPC}
_OFFERS: Mapping[Signal, Mapping[Protocol, str]] = {
    'logs': {'otlp_http': otlp.LOGS_HTTP, 'otlp_grpc': otlp.LOGS_GRPC},
    'charm traces': _TRACES,
    'workload traces': _TRACES,
}
"""Signal → protocol → the key of what a collector offers."""


_NOWHERE = traces.Destination(None)


@dataclasses.dataclass(frozen=True)
class Routes:
    """Where each signal of a unit goes.

    Attributes:
        loki: Loki unit → push URL; empty while logs go to a collector.
        otlp_logs: where a collector takes logs over HTTP, without the path, or ''.
        charm_traces: where the charm's spans go.
        workload_traces: where the workload's spans go.
        over_otlp: the signals that go to a collector.
        untrusted: signal → the collector's URL, for which there is no CA.
        unusable: signal → what an endpoint of the collector would have to speak; without the
            signals that a store takes.
    """

    loki: Mapping[str, str] = dataclasses.field(default_factory=dict)
    otlp_logs: str = ''
    charm_traces: traces.Destination = _NOWHERE
    workload_traces: traces.Destination = _NOWHERE
    over_otlp: frozenset[Signal] = frozenset()
    untrusted: Mapping[Signal, str] = dataclasses.field(default_factory=dict)
    unusable: Mapping[Signal, str] = dataclasses.field(default_factory=dict)

    @property
    def otlp_log_push(self) -> str:
        """The URL to which the charm pushes its own log over OTLP, or ''."""
        return self.otlp_logs and f'{self.otlp_logs}{otlp.LOGS_PATH}'

    def why_not(self, signal: Signal) -> str:
        """Why a collector that would take this signal does not get it, or ''."""
        if url := self.untrusted.get(signal):
            return f'not sent over OTLP: no CA certificate for {url}'
        if needed := self.unusable.get(signal):
            return f'not sent over OTLP: no {needed} endpoint takes it'
        return ''

    def note(self, found: Report) -> None:
        """Note which signals a collector would take but does not get, and why."""
        if self.untrusted:
            url = next(iter(self.untrusted.values()))
            why = f'no CA certificate for {url}'
            found.note(f'{", ".join(self.untrusted)} are not sent over OTLP: {why}')
        for protocol in sorted({*self.unusable.values()}):
            signals = [signal for signal, needed in self.unusable.items() if needed == protocol]
            why = f'no {protocol} endpoint takes them'
            found.note(f'{", ".join(signals)} are not sent over OTLP: {why}')


def choose(
    found: Report,
    collector: Mapping[str, str],
    loki: Mapping[str, str],
    charm_receivers: Mapping[str, str],
    workload_receivers: Mapping[str, str],
    ca: str = '',
    *,
    workload: Sequence[Protocol] = ('otlp_grpc',),
) -> Routes:
    """Choose where each signal goes.

    An https endpoint without a CA is refused, since every attempt to send would fail.

    Args:
        found: where to note the log stores that cannot be used.
        collector: from `otlp.read_endpoints`.
        loki: Loki unit → push URL.
        charm_receivers: protocol → URL.
        workload_receivers: protocol → URL (`otlp_grpc`: host:port).
        ca: PEM certificates to trust, or ''.
        workload: how the workload can send spans, preferred first; empty if it makes none.
    """
    spoken: dict[Signal, Sequence[Protocol]] = {
        'logs': ('otlp_http',),  # Pebble's
        'charm traces': traces.CHARM_PROTOCOLS,
        'workload traces': workload,
    }
    chosen: dict[Signal, tuple[Protocol, str]] = {}
    untrusted: dict[Signal, str] = {}
    unusable: dict[Signal, str] = {}
    for signal, protocols in spoken.items():
        offers = _OFFERS[signal]
        urls: dict[Protocol, str] = {
            one: collector[offers[one]] for one in protocols if offers[one] in collector
        }
        good: list[tuple[Protocol, str]] = [
            (one, url) for one, url in urls.items() if ca or not url.startswith('https:')
        ]
        if good:
            chosen[signal] = good[0]
        elif urls:
            untrusted[signal] = next(iter(urls.values()))
        elif protocols and any(key in collector for key in offers.values()):
            unusable[signal] = ' or '.join(_PROTOCOLS[one] for one in protocols)
    stores: Mapping[str, str] = {}
    if 'logs' not in chosen:
        stores = logs.trusted(found, loki, ca)
    of_charm = _destination(chosen.get('charm traces')) or traces.charm_destination(
        charm_receivers, ca
    )
    of_workload = _destination(chosen.get('workload traces')) or traces.workload_destination(
        workload_receivers, ca, workload
    )
    stored: dict[Signal, bool] = {
        'logs': bool(stores),
        'charm traces': of_charm.url is not None,
        'workload traces': of_workload.url is not None,
    }
    return Routes(
        loki=stores,
        otlp_logs=chosen['logs'][1] if 'logs' in chosen else '',
        charm_traces=of_charm,
        workload_traces=of_workload,
        over_otlp=frozenset(chosen),
        untrusted=untrusted,
        unusable={signal: needs for signal, needs in unusable.items() if not stored[signal]},
    )


def _destination(chosen: tuple[Protocol, str] | None) -> traces.Destination | None:
    """Where a collector takes spans."""
    if chosen is None:
        return None
    protocol, base = chosen
    url = f'{base}{otlp.TRACES_PATH}' if protocol == 'otlp_http' else base
    return traces.Destination(url, protocol=protocol)
