"""What nginx.conf says about TLS to the workers: pure."""

from collections.abc import Mapping
from typing import NamedTuple

from coordinated_telemetry import addresses

VERIFY_DEPTH = 10
"""How many certificates may stand between a worker's and a trusted CA's.

No chain that a CA provides over `certificates` is longer; which CAs are trusted decides, not this.
"""
UNKNOWN_HOST = 'unknown.invalid'
"""Whose certificate is expected at an address that belongs to no worker: nobody's."""

MAP_HASH = """\
    # Several addresses share a bucket, so that there is room for those of thousands of workers.
    map_hash_bucket_size 512;
"""
"""What must precede every map."""

# $upstream_addr lists the servers that a request was sent to, and the server that nginx is about
# to speak TLS with is already the last one. Without `volatile`, a retry would expect the host of
# the server before it. A name ending in .invalid exists nowhere (RFC 6761), so no CA vouches for
# it. Checked with nginx 1.30: a kept connection and a resumed session belong to one address.
_HOSTS = """
    # Every worker must have the certificate of its own host, found by the address that nginx
    # connects to. No certificate is good for an unknown address.
    map $upstream_addr $worker_address {{
        volatile;
        "~(?<last_address>[^ ]+):[0-9]+$" $last_address;
    }}
    map $worker_address $worker_host {{
        volatile;
        default {unknown};
{hosts}    }}
"""

_CHECKS = """\
    {module}_ssl_name $worker_host;
    {module}_ssl_server_name on;
    {module}_ssl_verify on;
    {module}_ssl_verify_depth {depth};
    {module}_ssl_trusted_certificate {ca};
    {module}_ssl_protocols TLSv1.2 TLSv1.3;
    {module}_ssl_session_reuse on;
"""


class UpstreamTls(NamedTuple):
    """What nginx needs to call the workers with https.

    Attributes:
        ca: path of the file with the CAs to trust, in PEM. nginx reads it when it starts or
            reloads, so other CAs need another path.
        hosts: IP address → the host whose certificate is expected there, as a DNS name: nginx
            does not compare IP addresses with those in a certificate.
    """

    ca: str
    hosts: Mapping[str, str]

    def directives(self) -> str:
        """The directives of the http block by which proxy_pass checks each worker."""
        workers = {_shown(ip): host for ip, host in self.hosts.items()}
        hosts = ''.join(f'        {key} {host};\n' for key, host in sorted(workers.items()))
        return _HOSTS.format(unknown=UNKNOWN_HOST, hosts=hosts) + self._checks('proxy')

    def grpc_directives(self) -> str:
        """Those by which grpc_pass does, after `directives`."""
        return self._checks('grpc')

    def _checks(self, module: str) -> str:
        return _CHECKS.format(module=module, depth=VERIFY_DEPTH, ca=self.ca)


def _shown(ip: str) -> str:
    """An address as $upstream_addr has it, without the port."""
    address = addresses.canonical(ip)
    return f'[{address}]' if ':' in address else address
