"""What nginx finds in its pod: DNS servers, IPv6 and the limit of open files."""

import ipaddress
import pathlib
import re
from typing import NamedTuple

from coordinated_telemetry import addresses

CONNECTIONS = 4096
"""The most connections of each nginx process; a proxied request takes two."""
_OTHER_FILES = 128
"""What else a process has open: logs, listening sockets, channels to the other processes."""


class Pod(NamedTuple):
    """What nginx finds in its pod.

    Attributes:
        resolvers: IP addresses of DNS servers, at least one.
        ipv6: whether it has IPv6; then nginx listens on that too.
        open_files: the most files that a process may have open, or None for no limit.
    """

    resolvers: tuple[str, ...]
    ipv6: bool
    open_files: int | None = None

    @property
    def resolver(self) -> str:
        """The DNS servers as nginx.conf names them."""
        return ' '.join(f'[{ip}]' if ':' in ip else ip for ip in self.resolvers)

    @property
    def files(self) -> int:
        """How many files each nginx process may open."""
        wanted = CONNECTIONS + _OTHER_FILES
        return wanted if self.open_files is None else min(self.open_files, wanted)

    @property
    def connections(self) -> int:
        """How many connections each nginx process may have.

        They must run out before the files do: without a free connection, nginx closes an idle one
        for the new one, but when it cannot open another file it stops accepting.
        """
        return self.files - min(_OTHER_FILES, self.files // 2)

    @property
    def shortage(self) -> str:
        """What an operator should know about the pod's limits; '' if they suffice."""
        if self.connections == CONNECTIONS:
            return ''
        return (
            f'nginx accepts {self.connections} connections per process, not {CONNECTIONS}: '
            f"raise its container's hard limit of {self.open_files} open files"
        )


def read(resolv_conf: str, limits: str) -> Pod:
    """The pod, from the texts of its /etc/resolv.conf and of a process' /proc/PID/limits.

    Raises:
        ValueError: if nginx can use none of the DNS servers.
    """
    has_ipv6 = pathlib.Path('/proc/net/if_inet6').exists()  # containers share a pod's network
    return Pod(tuple(resolvers(resolv_conf)), has_ipv6, open_files(limits))


def resolvers(resolv_conf: str) -> list[str]:
    """The IP addresses of the DNS servers in a resolv.conf, in its order.

    nginx accepts no address with a zone (`fe80::1%eth0`), so such a server is skipped. If none is
    named, the server is the local one, as resolv.conf(5) says.

    Raises:
        ValueError: if servers are named and nginx can use none of them.
    """
    lines = [line.split() for line in resolv_conf.splitlines()]
    named = [' '.join(words[1:2]) for words in lines if words[:1] == ['nameserver']]
    if not any(named):
        return ['127.0.0.1']
    found = list(dict.fromkeys(filter(None, map(_resolver, named))))
    if not found:
        names = addresses.shorten(', '.join(filter(None, named)), 80)
        raise ValueError(f'/etc/resolv.conf has no DNS server that nginx can use: {names}')
    return found


def _resolver(server: str) -> str:
    try:
        address = ipaddress.ip_address(server)
    except ValueError:
        return ''
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            return ''
        address = address.ipv4_mapped or address
    return str(address)


def open_files(limits: str) -> int | None:
    """The hard limit of open files in a /proc/PID/limits; None if there is none.

    nginx's master raises the soft limit of its worker processes up to this one.
    """
    match = re.search(r'^Max open files +\S+ +(\d+)', limits, re.MULTILINE)
    return int(match[1]) if match else None
