"""What the library does with relations and a container, in a charm that does nothing itself."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from unittest import mock

import ops
from ops import testing

import juju
from coordinated_telemetry import databags, report

_ENDPOINTS = (
    *('cluster', 'logging', 'metrics-endpoint', 'charm-tracing', 'receive-ca-cert'),
    *('certificates', 'grafana-dashboard', 'send-otlp'),
)


class Toy(ops.CharmBase):
    """A charm that does nothing by itself."""


@dataclasses.dataclass
class Done:
    """What came of it."""

    result: Any
    report: report.Report
    state: testing.State

    def ignored(self) -> dict[str, str]:
        """What is ignored, each with the reason."""
        return {item.name: item.why for item in self.report.ignored}


def act(
    action: Callable[[databags.Databags, ops.CharmBase], Any],
    *relations: testing.RelationBase,
    app: str = 'c',
    leader: bool = True,
    containers: Iterable[testing.Container] = (),
) -> Done:
    """What `action` returns for the databags of an application's unit 0, and what it left."""
    ctx = testing.Context(
        Toy,
        app_name=app,
        meta={
            'name': f'{app}-k8s',
            'requires': {endpoint: {'interface': endpoint} for endpoint in _ENDPOINTS},
            'peers': {'peers': {'interface': 'peers'}},
            'containers': {'work': {}},
        },
    )
    state = testing.State(
        relations=relations, leader=leader, containers=containers, model=juju.MODEL
    )
    with ctx(ctx.on.update_status(), state) as manager:
        found = report.Report()
        bags = databags.Databags(manager.charm, mock.Mock(spec=ops.StartEvent), found)
        result = action(bags, manager.charm)
        return Done(result, found, manager.run())


def related(
    endpoint: str,
    app: str,
    units: Mapping[int, Mapping[str, str]] | None = None,
    databag: Mapping[str, str] | None = None,
    **options: Any,
) -> testing.Relation:
    """A relation with an application: unit's number → databag, and the application's own."""
    return testing.Relation(
        endpoint,
        remote_app_name=app,
        remote_app_data=dict(databag or {}),
        remote_units_data={number: dict(data) for number, data in (units or {}).items()},
        local_unit_data={},
        **options,
    )
