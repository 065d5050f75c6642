"""podinfo as the coordinator sees it: what to replace to make the charm your own.

The twin of the worker's `workload.py`, which knows how to run it.
"""

import json

import nginx_timeouts
from coordinated_telemetry.roles import Roles
from coordinated_telemetry.workloads import Ports
from description import Request, Seen, Workload

LOG_LEVELS = {'debug': 'debug', 'info': 'info', 'warning': 'warn', 'error': 'error'}
"""The charm's log level → podinfo's."""


def config(seen: Seen) -> str:
    """podinfo's config.yaml, the one configuration file with which all workers run.

    It does not contain roles: they only change command-line flags, so one file serves all.
    """
    options = {
        'level': LOG_LEVELS[seen.log_level],
        # Longer than nginx's, so that nginx gives up first.
        'http-client-timeout': f'{nginx_timeouts.READ_TIMEOUT + 5}s',
    }
    return ''.join(f'{key}: {json.dumps(value)}\n' for key, value in options.items())


TRACE_HEADERS = (
    'b3', 'X-B3-TraceId', 'X-B3-SpanId', 'X-B3-ParentSpanId', 'X-B3-Sampled', 'X-B3-Flags',
    'uber-trace-id', 'X-Amzn-Trace-Id',
    'ot-tracer-traceid', 'ot-tracer-spanid', 'ot-tracer-sampled',
)  # fmt: skip
"""podinfo continues the trace of the last of these that it finds."""

WORKLOAD = Workload(
    roles=Roles(
        minimal_deployment={'frontend': 1, 'backend': 1},
        meta_roles={'all': ('backend', 'frontend')},
    ),
    ports=Ports(9898, tls=9899),
    config=config,
    locations={'/': 'frontend', '/backend/': 'backend'},
    traces=('otlp_grpc',),
    other_trace_headers=TRACE_HEADERS,
    examples=(
        Request('/', answer='"hostname"'),
        # If its backend failed, podinfo answers 200 with an error in the body; otherwise the body
        # holds the headers that the backend got.
        Request('/echo', method='POST', body='hello', answer='Traceparent', requests=2),
    ),
)
