"""What nginx.conf says about the workers of a role, over HTTP or TCP: pure."""

from collections.abc import Sequence

from coordinated_telemetry import addresses

# KiB of shared memory for each worker: its state takes under 2 KiB (measured), and with TLS a
# session at most another 4 KiB.
_ROOM, _ROOM_WITH_TLS = 4, 8


# Each new connection costs a handshake; after an hour there is a new one anyway.
KEEPALIVE = """\
        keepalive 64;
        keepalive_requests 100000;
"""
"""For how long nginx keeps connections to workers open, as lines of an upstream block."""


def upstream(
    name: str, hosts: Sequence[str], port: int, *, with_tls: bool = False, more: str = ''
) -> str:
    """The upstream block of a role's workers.

    Args:
        name: of the upstream.
        hosts: of its workers, at least one.
        port: where each of them serves.
        with_tls: whether nginx speaks TLS with them.
        more: further directives, as lines of the block.
    """
    # With `resolve`, nginx follows the pods' addresses by itself. The zone holds every server's
    # state and preserves it across a reload; with TLS also a session, which a reload drops.
    servers = ''.join(
        f'        server {addresses.join(host, port)} resolve max_fails=1 fail_timeout=1s;\n'
        for host in hosts
    )
    room = _ROOM_WITH_TLS if with_tls else _ROOM
    zone = f'        zone {name} {256 + room * len(hosts)}k;\n'
    return f'\n    upstream {name} {{\n{zone}{servers}{more}    }}\n'
