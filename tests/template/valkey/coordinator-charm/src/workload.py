"""Valkey as the coordinator sees it: it speaks no HTTP, and makes no spans."""

from coordinated_telemetry.roles import Roles
from coordinated_telemetry.workloads import Ports
from description import Exchange, Metrics, Seen, Workload

_LEVELS = {'debug': 'debug', 'info': 'verbose', 'warning': 'notice', 'error': 'warning'}


def config(seen: Seen) -> str:
    """valkey.conf, the same for all workers."""
    options = {
        'port': '6379',
        'protected-mode': 'no',
        'dir': '/data',
        'appendonly': 'yes',
        'loglevel': _LEVELS[seen.log_level],
    }
    return ''.join(f'{name} {value}\n' for name, value in options.items())


WORKLOAD = Workload(
    roles=Roles(
        minimal_deployment={'primary': 1, 'replica': 1},
        meta_roles={'all': ('primary', 'replica')},
    ),
    ports=Ports(6379),
    config=config,
    streams={6379: 'primary', 6380: 'replica'},
    metrics=Metrics(Ports(9121)),
    examples=(
        Exchange(6379, body='SET color blue\r\nGET color\r\n', answer='blue'),
        Exchange(6380, body='ROLE\r\n', answer='slave'),
    ),
)
