"""Where a unit sends its telemetry: to a collector, or to the stores.

A collector (`otlp`) takes the place of the stores for each signal that it offers to take in a form
which the sender speaks. So nothing arrives twice, and whatever it does not take still goes to the
stores. The coordinator and each worker choose by the same function from the same URLs.
"""

import dataclasses
from collections.abc import Mapping
from typing import Literal

from . import logs, otlp, traces
from .report import Report

Signal = Literal['logs', 'charm traces', 'workload traces']

_OFFERS: Mapping[Signal, tuple[str, str, str]] = {
    'logs': (otlp.LOGS_HTTP, otlp.LOGS_GRPC, 'HTTP'),
    'charm traces': (otlp.TRACES_HTTP, otlp.TRACES_GRPC, 'HTTP'),
    'workload traces': (otlp.TRACES_GRPC, otlp.TRACES_HTTP, 'gRPC'),
}
"""The offer that a sender can use, the one that it cannot, and what it speaks."""


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
    """
    urls: dict[Signal, str] = {}
    untrusted: dict[Signal, str] = {}
    unusable: dict[Signal, str] = {}
    for signal, (usable, useless, protocol) in _OFFERS.items():
        url = collector.get(usable, '')
        if url.startswith('https:') and not ca:
            untrusted[signal] = url
        elif url:
            urls[signal] = url
        elif useless in collector:
            unusable[signal] = protocol
    stores: Mapping[str, str] = {}
    if 'logs' not in urls:
        stores = logs.trusted(found, loki, ca)
    of_charm = traces.charm_destination(charm_receivers, ca)
    if base := urls.get('charm traces'):
        of_charm = traces.Destination(f'{base}{otlp.TRACES_PATH}')
    of_workload = traces.workload_destination(workload_receivers, ca)
    if base := urls.get('workload traces'):
        of_workload = traces.Destination(base)
    stored: dict[Signal, bool] = {
        'logs': bool(stores),
        'charm traces': of_charm.url is not None,
        'workload traces': of_workload.url is not None,
    }
    return Routes(
        loki=stores,
        otlp_logs=urls.get('logs', ''),
        charm_traces=of_charm,
        workload_traces=of_workload,
        over_otlp=frozenset(urls),
        untrusted=untrusted,
        unusable={signal: needs for signal, needs in unusable.items() if not stored[signal]},
    )
