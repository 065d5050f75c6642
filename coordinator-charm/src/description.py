"""The form of `workload.py`: everything that the coordinator has to know of a workload."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Literal, NamedTuple

from coordinated_telemetry import cluster
from coordinated_telemetry.cluster_data import Scheme
from coordinated_telemetry.roles import Roles
from coordinated_telemetry.workloads import Ports, Protocol


class S3(NamedTuple):
    """A bucket as a configuration may name it; its keys come to each worker in a Juju secret.

    Attributes:
        endpoint: the URL of the store.
        bucket: its name.
        region: or ''.
        path: the prefix of all objects in the bucket, or ''.
        uri_style: whether the bucket is in the URL's host or in its path; '' if nobody says.
        ca: the CAs of the endpoint in PEM, or ''; workers get them in `Run.s3_ca`.
    """

    endpoint: str
    bucket: str
    region: str = ''
    path: str = ''
    uri_style: Literal['host', 'path', ''] = ''
    ca: str = ''


class Seen(NamedTuple):
    """What the workload's configuration may depend on.

    Attributes:
        log_level: the charm's option: debug, info, warning or error.
        workers: every unit that has published its address, with its roles.
        scheme: how the workers are to serve, in the end.
        s3: the bucket, if a usable one is related.
    """

    log_level: str
    workers: cluster.Workers
    scheme: Scheme = 'http'
    s3: S3 | None = None


class Metrics(NamedTuple):
    """Where a worker serves metrics."""

    ports: Ports
    path: str = '/metrics'


class Grpc(NamedTuple):
    """Who serves a gRPC service.

    Attributes:
        role: of the workers.
        ports: where each of them serves it.
    """

    role: str
    ports: Ports


class Request(NamedTuple):
    """An HTTP request that shows that the workload works; the demo and the tests send it.

    Attributes:
        path: where to, at the coordinator.
        answer: a regular expression that is found in the body of the answer, whose status is 200,
            whatever the workers' applications are called.
        method: GET, POST and so on.
        body: what is sent.
        requests: to how many workers in a row it leads, each through nginx.
    """

    path: str
    answer: str
    method: str = 'GET'
    body: str = ''
    requests: int = 1


class Exchange(NamedTuple):
    """The same for a workload that does not speak HTTP: bytes that are sent and answered.

    Attributes:
        port: where to, at the coordinator.
        body: what is sent.
        answer: a regular expression that is found in what comes back.
    """

    port: int
    body: str
    answer: str


@dataclasses.dataclass(frozen=True)
class Workload:
    """A workload as the coordinator sees it.

    Attributes:
        roles: which there are, and how many units of each are needed.
        ports: where a worker serves.
        config: the text of the configuration file, the same for all workers: pure. When it
            changes, every worker restarts, one at a time.
        locations: path prefix → the role that serves it over HTTP; nginx strips the prefix.
        streams: port of the coordinator → the role that serves it over TCP; nginx passes on bytes
            as they are, to the plain port of a worker.
        grpc: path prefix of gRPC methods, such as `/helloworld.Greeter/` → who serves them; nginx
            then speaks HTTP/2 with clients at its one port, without TLS too.
        role_ports: role → where its workers serve, for those that have ports of their own.
        metrics: where a worker serves its metrics; by default, at /metrics of `ports`.
        role_metrics: role → where its workers serve them instead. A worker with several roles is
            scraped at each place that one of them has, once; `metrics` is that of all others.
        traces: how a worker can send spans, preferred first; empty if it makes none.
        other_trace_headers: what a request must not have on its way to a worker, because the
            workload would continue the trace of that header, and not the one that nginx sets.
        examples: what shows that the workload works.
        needs_s3: whether it cannot work without a bucket. Workers then get no configuration before
            there is one.
    """

    roles: Roles
    ports: Ports
    config: Callable[[Seen], str]
    locations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    streams: Mapping[int, str] = dataclasses.field(default_factory=dict)
    grpc: Mapping[str, Grpc] = dataclasses.field(default_factory=dict)
    role_ports: Mapping[str, Ports] = dataclasses.field(default_factory=dict)
    metrics: Metrics | None = None
    role_metrics: Mapping[str, Metrics] = dataclasses.field(default_factory=dict)
    traces: tuple[Protocol, ...] = ()
    other_trace_headers: tuple[str, ...] = ()
    examples: tuple[Request | Exchange, ...] = ()
    needs_s3: bool = False

    @property
    def routed(self) -> list[str]:
        """The roles to which nginx sends requests, sorted."""
        of_grpc = (served.role for served in self.grpc.values())
        return sorted({*self.locations.values(), *self.streams.values(), *of_grpc})

    def scraped(self, roles: Collection[str]) -> dict[str, Metrics]:
        """Where workers with these roles serve their metrics, by the name of the place.

        A place always has the same name, whatever other roles a worker has: '' that of all roles
        without one of their own, and else the first role that is served there. So series go on
        when an application gets a further role.

        Args:
            roles: without meta-roles; none while an application has published no valid ones.
        """
        usual = self.metrics or Metrics(self.ports)
        if not self.role_metrics:
            return {'': usual}
        names = {usual: ''}
        for role in sorted(self.role_metrics):
            names.setdefault(self.role_metrics[role], role)
        places = {self.role_metrics.get(role, usual) for role in roles} or {usual}
        return {names[place]: place for place in sorted(places, key=lambda place: names[place])}

    def ports_of(self, role: str) -> Ports:
        """Where the workers of a role serve."""
        return self.role_ports.get(role, self.ports)
