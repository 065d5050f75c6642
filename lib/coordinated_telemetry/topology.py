"""Who a unit is: one type, and one set of labels for metrics, logs and traces.

It says what cosl's `JujuTopology` says, and tests compare the two. That one is no value: equal
topologies compare as different, and an unexpected UUID is an exception.
"""

import dataclasses
import re
import socket
from typing import Annotated, NamedTuple

import ops
import pydantic

from . import addresses

LABELS = ('juju_model', 'juju_model_uuid', 'juju_application', 'juju_unit', 'juju_charm')
"""The labels that every sample, log line and span of a unit carries."""

CLUSTER_DOMAIN = 'cluster.local'
"""Kubernetes' default DNS domain, in case the pod cannot tell its own."""

_NAME = re.compile(r'[a-z][a-z0-9]*(-[a-z0-9]+)*')  # Juju's rule for charm and application names


def _check_charm_name(value: str) -> str:
    if len(value) > 128 or not _NAME.fullmatch(value):
        raise ValueError(f'expected the name of a charm, got "{addresses.shorten(value)}"')
    return value


CharmName = Annotated[str, pydantic.AfterValidator(_check_charm_name)]
"""The name of a charm: safe in labels, matchers and OTEL_RESOURCE_ATTRIBUTES."""


@dataclasses.dataclass(frozen=True, order=True)
class Topology:
    """The Juju topology of a unit or, if `unit` is empty, of an application."""

    model: str
    model_uuid: str
    application: str
    unit: str
    charm: str

    @classmethod
    def of(cls, charm: ops.CharmBase) -> 'Topology':
        """The topology of the unit that is running this charm."""
        return cls(
            model=charm.model.name,
            model_uuid=charm.model.uuid,
            application=charm.app.name,
            unit=charm.unit.name,
            charm=charm.meta.name,
        )

    def for_unit(self, application: str, unit: str, charm: str) -> 'Topology':
        """The topology of another unit in the same model."""
        return dataclasses.replace(self, application=application, unit=unit, charm=charm)

    def for_application(self, application: str, charm: str) -> 'Topology':
        """The topology of a whole application in the same model."""
        return self.for_unit(application, '', charm)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of this unit, keys as in `LABELS`; an application's have no `juju_unit`."""
        values = (self.model, self.model_uuid, self.application, self.unit, self.charm)
        return {label: value for label, value in zip(LABELS, values, strict=True) if value}

    @property
    def matchers(self) -> str:
        """PromQL and LogQL label matchers for every unit of this application.

        They never match a unit: a rule watches an application, and the alert's own labels name
        the unit.
        """
        scope = ('juju_model', 'juju_model_uuid', 'juju_application')
        return ', '.join(f'{label}="{self.labels[label]}"' for label in scope)


def unit_number(unit: str) -> tuple[str, int]:
    """Sort key of a unit's name: `worker/2` comes before `worker/10`."""
    application, _, number = unit.rpartition('/')
    return application, int(number)


def bind_address(charm: ops.CharmBase, endpoint: str) -> str:
    """The IP address at which the other side of an endpoint reaches this unit's pod.

    It changes with the pod. '' while the pod has none.
    """
    try:
        binding = charm.model.get_binding(endpoint)
        address = binding.network.bind_address if binding else None
    except ops.ModelError:
        return ''
    return '' if address is None else str(address)


class Hosts(NamedTuple):
    """DNS names in the model's Kubernetes namespace, as Juju's services give them.

    Attributes:
        namespace: the model's name, except that the model `controller` has `controller-NAME`.
        domain: the cluster's DNS domain.
    """

    namespace: str
    domain: str = CLUSTER_DOMAIN

    @classmethod
    def of(cls, topology: Topology) -> 'Hosts':
        """The names as this pod sees them, derived from the pod's own name.

        Kubernetes writes the pod's own name to /etc/hosts, so this asks no server and gives the
        same answer in every hook. Where that name is missing (in a unit test), the model's name
        and the default domain are used.
        """
        service = f'.{topology.application}-endpoints.'
        _, _, rest = socket.getfqdn().partition(service)
        namespace, found, domain = rest.rstrip('.').partition('.svc.')
        try:
            if not found or '.' in namespace:
                raise ValueError
            return cls(addresses.check_host(namespace), addresses.check_host(domain))
        except ValueError:
            return cls(topology.model)

    def unit(self, unit: str) -> str:
        """The name that resolves to this unit's pod, wherever it is rescheduled."""
        application = unit.rpartition('/')[0]
        pod = unit.replace('/', '-')
        return f'{pod}.{application}-endpoints.{self.namespace}.svc.{self.domain}'

    def application(self, application: str) -> str:
        """The name of the application's service, which reaches a ready unit on opened ports."""
        return f'{application}.{self.namespace}.svc.{self.domain}'
