"""What of a unit's telemetry has arrived in the stores, and whether it is labelled as it must be.

One cell for each flow; shared by the integration tests and the demo. Only the standard library.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clients import StoreError, Stores

LABELS = ('juju_model', 'juju_model_uuid', 'juju_application', 'juju_unit', 'juju_charm')
"""The topology, on all three signals."""

FLOWS = ('metrics', 'workload_logs', 'charm_logs', 'charm_traces', 'workload_traces')
"""The cells of a unit, in the order in which they are shown."""


@dataclass(frozen=True)
class Cell:
    """One flow of one unit.

    Attributes:
        ok: whether it is all there.
        what: what was seen, such as `12 lines`, or why it is not ok.
    """

    ok: bool
    what: str


def topology(model: str, model_uuid: str, unit: str, charm: str) -> dict[str, str]:
    """The labels that everything of a unit must carry."""
    application = unit.partition('/')[0]
    return dict(zip(LABELS, (model, model_uuid, application, unit, charm), strict=True))


def cells(stores: Stores, wanted: Mapping[str, str], *, traced: bool) -> dict[str, Cell | None]:
    """Look for all flows of the unit whose topology is wanted.

    Args:
        stores: where to look.
        wanted: the unit's topology, with every one of `LABELS`.
        traced: whether the workload makes spans; if not, that cell is None.
    """
    unit = wanted['juju_unit']

    def metrics() -> Cell:
        series = stores.series(unit)
        down = [target for target in stores.targets() if target.labels.get('juju_unit') == unit]
        down = [target for target in down if target.health != 'up']
        if down:
            return Cell(False, f'{down[0].url} is {down[0].health}: {down[0].error}')
        own = [one for one in series if one.name != 'up' and not one.name.startswith('scrape_')]
        if fault := _fault((one.labels for one in series), wanted):
            return Cell(False, fault)
        if not own:
            return Cell(False, 'no series of this unit')
        return Cell(True, f'{stores.samples(unit)} samples')

    def logs(charm: bool) -> Cell:
        lines = stores.lines(unit, charm_logs=charm)
        fault = _fault((line.labels for line in lines), wanted)
        if fault or not lines:
            return Cell(False, fault or 'no lines of this unit')
        return Cell(True, _count(len(lines), 'line'))

    def traces(charm: bool) -> Cell:
        spans = stores.spans(unit, charm=charm)
        fault = _fault((span.resource for span in spans), wanted)
        if fault or not spans:
            return Cell(False, fault or 'no spans of this unit')
        return Cell(True, _count(len(spans), 'span'))

    looks = {
        'metrics': metrics,
        'workload_logs': lambda: logs(charm=False),
        'charm_logs': lambda: logs(charm=True),
        'charm_traces': lambda: traces(charm=True),
        'workload_traces': (lambda: traces(charm=False)) if traced else None,
    }
    found: dict[str, Cell | None] = {}
    for flow, look in looks.items():
        try:
            found[flow] = look() if look else None
        except StoreError as error:
            found[flow] = Cell(False, str(error))
    return found


def _count(number: int, what: str) -> str:
    return f'{number} {what}{"" if number == 1 else "s"}'


def _fault(labels: Iterable[Mapping[str, str]], wanted: Mapping[str, str]) -> str:
    """Say which label of any of these is not as wanted, or nothing."""
    wrong = {
        f'{label}={one.get(label)!r} instead of {wanted[label]!r}'
        for one in labels
        for label in LABELS
        if one.get(label) != wanted[label]
    }
    return ', '.join(sorted(wrong))
