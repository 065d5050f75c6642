"""Caddy as the coordinator sees it."""

from coordinated_telemetry.roles import Roles
from coordinated_telemetry.workloads import Ports
from description import Request, Seen, Workload

_LEVELS = {'debug': 'DEBUG', 'info': 'INFO', 'warning': 'WARN', 'error': 'ERROR'}
# Each worker fills in what is in braces, from its environment.
_CADDYFILE = """\
{
    admin off
    auto_https off
    grace_period 10s
    metrics
    log {
        format json
        level LEVEL
    }
}
:7000 {
    log
    route {
        metrics /metrics
        respond /healthz ok
        {$OTEL_DIRECTIVE}
        handle_path /call* {
            rewrite * /store/
            reverse_proxy {$STORE}
        }
        respond "{system.hostname} answers {http.request.uri.path}"
    }
}
"""


def config(seen: Seen) -> str:
    """The Caddyfile, the same for all workers."""
    return _CADDYFILE.replace('LEVEL', _LEVELS[seen.log_level])


WORKLOAD = Workload(
    roles=Roles(
        minimal_deployment={'edge': 1, 'store': 1},
        meta_roles={'all': ('edge', 'store')},
    ),
    ports=Ports(7000),
    config=config,
    locations={'/': 'edge', '/store/': 'store'},
    traces=('otlp_grpc',),
    examples=(
        Request('/', answer='-[0-9]+ answers /$'),
        Request('/call', answer='-[0-9]+ answers /$', requests=2),
    ),
)
