"""A workload that there is not, in the place of the charm's own: the rest holds for any.

Its roles come in another order than podinfo's, and nothing else is podinfo's either.
"""

from coordinated_telemetry.roles import Roles
from coordinated_telemetry.workloads import Ports
from description import Seen, Workload


def config(seen: Seen) -> str:
    """The configuration file with which all workers run."""
    return f'says: {seen.log_level}\n'


WORKLOAD = Workload(
    roles=Roles(
        minimal_deployment={'gate': 1, 'vault': 1},
        meta_roles={'all': ('gate', 'vault')},
    ),
    ports=Ports(7070, tls=7071),
    config=config,
    locations={'/': 'gate', '/vault/': 'vault'},
    traces=('otlp_grpc',),
    other_trace_headers=('b3', 'X-B3-TraceId', 'uber-trace-id'),
)
