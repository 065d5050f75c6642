"""The text of nginx.conf: pure.

`coordinated_telemetry.addresses` validated every rendered host when it was read.
"""

from collections.abc import Collection, Mapping

import description
import nginx_client_tls
import nginx_grpc
import nginx_pod
import nginx_stream
import nginx_timeouts
import nginx_upstream
import nginx_upstream_tls
from coordinated_telemetry import cluster

PORT = cluster.COORDINATOR_PORT
"""Where clients, and the workers themselves, reach the workload."""
STATUS_PORT = 8081
"""On loopback: its pages are for this pod only."""

HEALTH_PATH = '/-/healthy'
"""Where nginx answers by itself, unlogged, so that an ingress knows whether it serves."""

LOG_LEVELS = {'debug': 'info', 'info': 'notice', 'warning': 'warn', 'error': 'error'}
"""The charm's log level → nginx's; nginx's own debug level needs another binary."""

MAX_BODY = '100m'
"""The largest request body, as nginx.conf writes it; a larger one gets 413. '0' is any size.

It bounds what one request may send to a worker. nginx itself holds only a few KiB at a time.
"""

_LOOKUPS = 100
"""Hosts looked up per second at most; nginx misses a new pod until its host's turn comes."""

_HEAD = """\
# Written by the charm, which overwrites any change made here.
{modules}worker_processes auto;
worker_shutdown_timeout {shutdown_timeout}s;
worker_rlimit_nofile {files};
pcre_jit on;
daemon off;
pid /tmp/nginx.pid;
error_log /dev/stderr {error_level};

events {{
    worker_connections {connections};
}}

http {{
    server_tokens off;
    default_type application/octet-stream;
    resolver {resolver} valid={valid}s;
{map_hash}
    # Of the protocols that a client may ask to change to, WebSocket alone is passed on. Every
    # other request leaves the worker's connection open for the next one.
    map $http_upgrade $upgrade {{
        websocket websocket;
        default "";
    }}
    map $upgrade $upgrade_connection {{
        websocket upgrade;
        default "";
    }}

    # A valid W3C traceparent is passed on; a new trace replaces anything else.
    map $http_traceparent $trace_id {{
        default $request_id;
        "{valid_traceparent}" $incoming_trace_id;
    }}
    map $request_id $new_span_id {{
        "~^(?<first_half>[0-9a-f]{{16}})" $first_half;
    }}
    map $http_traceparent $traceparent {{
        default "00-$request_id-$new_span_id-01";
        "{valid_traceparent}" $http_traceparent;
    }}
    map $http_traceparent $tracestate {{
        default "";
        "{valid_traceparent}" $http_tracestate;
    }}
{behind_ingress}
    # Not buffered: each line is one write, so worker processes never mix their lines.
    log_format json escape=json '{{"time":"$time_iso8601","remote_addr":"$remote_addr",'
        '"method":"$request_method","uri":"$request_uri","status":$status,'
        '"bytes":$bytes_sent,"seconds":$request_time,"upstream":"$upstream_addr",'
        '"upstream_status":"$upstream_status","upstream_seconds":"$upstream_response_time",'
        '"user_agent":"$http_user_agent","trace_id":"$trace_id"{logged}}}';
    access_log /dev/stdout json;

    client_max_body_size {max_body};
    client_header_timeout {client_timeout}s;
    client_body_timeout {client_timeout}s;
    send_timeout {client_timeout}s;
    keepalive_timeout {keepalive_timeout}s;
    # A reload closes idle connections; a client about to use one gets time to do so.
    keepalive_min_timeout {keepalive_min_timeout}s;

    proxy_http_version 1.1;
    proxy_connect_timeout {connect_timeout}s;
    proxy_read_timeout {read_timeout}s;
    proxy_send_timeout {send_timeout}s;
    # Bodies stream both ways and never touch the disk: the sender goes at the receiver's pace. So
    # a request whose body came in parts is not retried once a part was sent.
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    # A request that may not be repeated (POST) is retried only if it was never sent.
    proxy_next_upstream error timeout http_502 http_503;
    proxy_next_upstream_tries 3;
    proxy_next_upstream_timeout {retry_timeout}s;
    proxy_set_header Upgrade $upgrade;
    proxy_set_header Connection $upgrade_connection;
    proxy_set_header Host $host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto {client_scheme};
    proxy_set_header traceparent $traceparent;
    proxy_set_header tracestate $tracestate;
"""

_VALID_TRACEPARENT = (
    '~^00-(?!0{32})(?<incoming_trace_id>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$'
)

# By which scheme nginx was asked says nothing of the client behind an ingress that ends TLS.
_BEHIND_INGRESS = """
    # The ingress says by which scheme its client asked.
    map $http_x_forwarded_proto $client_scheme {
        default $scheme;
        http http;
        https https;
    }
"""

_HEALTH = f"""\
        location = {HEALTH_PATH} {{
            access_log off;
            return 200;
        }}
"""

_STATUS_SERVER = f"""
    server {{
        listen 127.0.0.1:{STATUS_PORT};
        access_log off;
        location = /status {{
            stub_status;
        }}
        location = /ready {{
            return 200;
        }}
    }}
}}
"""


def config(
    upstreams: Mapping[str, Collection[str]],
    *,
    workload: description.Workload,
    pod: nginx_pod.Pod,
    log_level: str,
    certificate: str = '',
    serves_plain: bool = False,
    upstream_tls: nginx_upstream_tls.UpstreamTls | None = None,
    behind_ingress: bool = False,
) -> str:
    """The whole nginx.conf.

    Args:
        upstreams: role → hosts of its workers; a role without hosts answers 503.
        workload: which role serves what, and where.
        pod: the pod in which nginx runs.
        log_level: one of `LOG_LEVELS`.
        certificate: path of the file with certificates and key, or '' for plain HTTP.
        serves_plain: whether plain HTTP is served in spite of a certificate, not redirected.
        upstream_tls: how workers are called with https; None for plain HTTP.
        behind_ingress: whether workers are told what X-Forwarded-Proto says, not how nginx itself
            was called. Who calls nginx past the ingress can say either.
    """
    client_scheme = '$client_scheme' if behind_ingress else '$scheme'
    valid = max(1, len(set().union(*upstreams.values())) // _LOOKUPS)
    parts = [
        _HEAD.format(
            error_level=LOG_LEVELS[log_level],
            resolver=pod.resolver,
            valid=valid,
            map_hash=nginx_upstream_tls.MAP_HASH if upstream_tls else '',
            valid_traceparent=_VALID_TRACEPARENT,
            behind_ingress=_BEHIND_INGRESS if behind_ingress else '',
            client_scheme=client_scheme,
            logged=nginx_grpc.LOGGED if workload.grpc else '',
            modules=nginx_stream.MODULES if workload.streams else '',
            files=pod.files,
            connections=pod.connections,
            max_body=MAX_BODY,
            shutdown_timeout=nginx_timeouts.SHUTDOWN_TIMEOUT,
            client_timeout=nginx_timeouts.CLIENT_TIMEOUT,
            keepalive_timeout=nginx_timeouts.KEEPALIVE_TIMEOUT,
            keepalive_min_timeout=nginx_timeouts.KEEPALIVE_MIN_TIMEOUT,
            connect_timeout=nginx_timeouts.CONNECT_TIMEOUT,
            read_timeout=nginx_timeouts.READ_TIMEOUT,
            send_timeout=nginx_timeouts.SEND_TIMEOUT,
            retry_timeout=nginx_timeouts.RETRY_TIMEOUT,
        ),
        ''.join(f'    proxy_set_header {name} "";\n' for name in workload.other_trace_headers),
    ]
    if upstream_tls:
        parts.append(upstream_tls.directives())
    scheme = 'https' if upstream_tls else 'http'
    for role in sorted(set(workload.locations.values())):
        if hosts := sorted(set(upstreams.get(role, ()))):
            port = workload.ports_of(role).of(scheme)
            tls = bool(upstream_tls)
            parts.append(
                nginx_upstream.upstream(
                    role, hosts, port, with_tls=tls, more=nginx_upstream.KEEPALIVE
                )
            )
    parts.append(nginx_grpc.directives(workload, upstreams, upstream_tls, client_scheme))
    ssl = ' ssl' if certificate else ''
    parts.append(f'\n    server {{\n        listen {PORT}{ssl};\n')
    if pod.ipv6:
        parts.append(f'        listen [::]:{PORT}{ssl};\n')
    served = ''.join(
        _location(prefix, f'{scheme}://{role}' if upstreams.get(role) else '', role)
        for prefix, role in workload.locations.items()
    )
    served += nginx_grpc.locations(workload, upstreams, upstream_tls) + _HEALTH
    if certificate:
        parts.append(nginx_client_tls.directives(certificate, serves_plain=serves_plain))
    else:
        http2 = '        http2 on;\n' if workload.grpc else ''
        parts.append(f'        listen {nginx_client_tls.PLAIN};\n{http2}')
    parts += [served, '    }\n']
    if certificate:
        parts.append(nginx_client_tls.plain_server(served, serves_plain=serves_plain))
    parts.append(_STATUS_SERVER)
    parts.append(nginx_stream.block(workload, upstreams, pod, valid=valid))
    return ''.join(parts)


def _location(prefix: str, upstream: str, role: str) -> str:
    # A path after the upstream's name makes nginx strip the prefix and re-encode the rest.
    path = '' if prefix == '/' else '/'
    action = (
        f'proxy_pass {upstream}{path};'
        if upstream
        else f'default_type application/json;\n'
        f'            return 503 \'{{"error":"no worker has the role {role}"}}\';'
    )
    return f'        location {prefix} {{\n            {action}\n        }}\n'
