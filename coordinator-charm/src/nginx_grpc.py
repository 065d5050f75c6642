"""What nginx.conf says about gRPC: pure."""

from collections.abc import Collection, Mapping

import description
import nginx_timeouts
import nginx_upstream
import nginx_upstream_tls
from coordinated_telemetry.cluster_data import Scheme

LOGGED = ',"grpc_status":"$upstream_trailer_grpc_status$upstream_http_grpc_status"'
"""What the access log has besides: a call that failed has the HTTP status 200 too.

The status comes after the answer or, without an answer, in the head.
"""

# nginx asks for trailers by itself. A header set here is one of a call only.
_HTTP = """
    grpc_connect_timeout {connect_timeout}s;
    grpc_read_timeout {idle_timeout}s;
    grpc_send_timeout {idle_timeout}s;
    grpc_next_upstream error timeout http_502 http_503;
    grpc_next_upstream_tries 3;
    grpc_next_upstream_timeout {retry_timeout}s;
    grpc_set_header Host $host;
    grpc_set_header X-Real-IP $remote_addr;
    grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    grpc_set_header X-Forwarded-Proto {client_scheme};
    grpc_set_header traceparent $traceparent;
    grpc_set_header tracestate $tracestate;
"""

# A stream has no size, and its client need not say anything for a while.
_LOCATION = """\
        location {prefix} {{
            client_max_body_size 0;
            client_body_timeout {idle_timeout}s;
            {action};
        }}
"""


def directives(
    workload: description.Workload,
    upstreams: Mapping[str, Collection[str]],
    tls: nginx_upstream_tls.UpstreamTls | None,
    client_scheme: str = '$scheme',
) -> str:
    """What the http block says for the calls of a workload, or '' if it serves none.

    Args:
        workload: which role serves which services, and where.
        upstreams: role → hosts of its workers.
        tls: how workers are called with TLS; None for plain HTTP/2.
        client_scheme: the variable with the scheme by which the client asked.
    """
    if not workload.grpc:
        return ''
    parts = [
        _HTTP.format(
            connect_timeout=nginx_timeouts.CONNECT_TIMEOUT,
            idle_timeout=nginx_timeouts.GRPC_IDLE_TIMEOUT,
            retry_timeout=nginx_timeouts.RETRY_TIMEOUT,
            client_scheme=client_scheme,
        ),
        ''.join(f'    grpc_set_header {name} "";\n' for name in workload.other_trace_headers),
        tls.grpc_directives() if tls else '',
    ]
    for served in sorted({*workload.grpc.values()}):
        if hosts := sorted({*upstreams.get(served.role, ())}):
            port = served.ports.of(_scheme(tls))
            name = _upstream(served, tls)
            parts.append(
                nginx_upstream.upstream(
                    name, hosts, port, with_tls=bool(tls), more=nginx_upstream.KEEPALIVE
                )
            )
    return ''.join(parts)


def locations(
    workload: description.Workload,
    upstreams: Mapping[str, Collection[str]],
    tls: nginx_upstream_tls.UpstreamTls | None,
) -> str:
    """The location blocks; to clients of a role without workers, their 503 is UNAVAILABLE."""
    protocol = 'grpcs' if tls else 'grpc'
    return ''.join(
        _LOCATION.format(
            prefix=prefix,
            idle_timeout=nginx_timeouts.GRPC_IDLE_TIMEOUT,
            action=f'grpc_pass {protocol}://{_upstream(served, tls)}'
            if upstreams.get(served.role)
            else 'return 503',
        )
        for prefix, served in workload.grpc.items()
    )


def _upstream(served: description.Grpc, tls: nginx_upstream_tls.UpstreamTls | None) -> str:
    # No role has a dot in its name, so this is never that of a role's own upstream.
    return f'{served.role}.{served.ports.of(_scheme(tls))}'


def _scheme(tls: nginx_upstream_tls.UpstreamTls | None) -> Scheme:
    return 'https' if tls else 'http'
