"""What nginx.conf says about roles that do not speak HTTP: pure."""

from collections.abc import Collection, Mapping

import description
import nginx_pod
import nginx_timeouts
import nginx_upstream

# nginx's own image has the module built in; Debian's loads it from a folder that the other lacks.
MODULES = 'include /etc/nginx/modules-enabled/*.conf;\n'
"""What must precede everything else."""

_HEAD = """
stream {{
    resolver {resolver} valid={valid}s;
    log_format json escape=json '{{"time":"$time_iso8601","remote_addr":"$remote_addr",'
        '"port":$server_port,"status":$status,"bytes":$bytes_sent,"seconds":$session_time,'
        '"upstream":"$upstream_addr"}}';
    access_log /dev/stdout json;
    proxy_connect_timeout {connect_timeout}s;
    proxy_timeout {idle_timeout}s;
    proxy_next_upstream_tries 3;
    # A client that has said all waits for what is left of the answer.
    proxy_half_close on;
"""


def block(
    workload: description.Workload,
    upstreams: Mapping[str, Collection[str]],
    pod: nginx_pod.Pod,
    *,
    valid: int,
) -> str:
    """The stream block, or '' without any; a role without hosts closes each connection at once.

    Args:
        workload: which role is reached at which port.
        upstreams: role → hosts of its workers.
        pod: the pod in which nginx runs.
        valid: for how many seconds an address counts.
    """
    if not workload.streams:
        return ''
    parts = [
        _HEAD.format(
            resolver=pod.resolver,
            valid=valid,
            connect_timeout=nginx_timeouts.CONNECT_TIMEOUT,
            idle_timeout=nginx_timeouts.STREAM_IDLE_TIMEOUT,
        )
    ]
    hosts = {role: sorted({*upstreams.get(role, ())}) for role in workload.streams.values()}
    for role in sorted(hosts):
        if hosts[role]:
            port = workload.ports_of(role).plain
            parts.append(nginx_upstream.upstream(role, hosts[role], port))
    for port, role in sorted(workload.streams.items()):
        ipv6 = f'        listen [::]:{port};\n' if pod.ipv6 else ''
        action = f'proxy_pass {role};' if hosts[role] else 'return "";'
        parts.append(f'\n    server {{\n        listen {port};\n{ipv6}        {action}\n    }}\n')
    return ''.join([*parts, '}\n'])
