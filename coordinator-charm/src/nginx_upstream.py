"""What nginx.conf says about the workers of a role, over HTTP or TCP: pure."""

from collections.abc import Sequence

from coordinated_telemetry import addresses

ROOM = 4
"""KiB of shared memory for each worker: its state takes under 2 KiB (measured)."""
ROOM_WITH_TLS = 8
"""The same with TLS: a session takes at most 4 KiB."""


def upstream(
    name: str, hosts: Sequence[str], port: int, *, room: int = ROOM, more: str = ''
) -> str:
    """The upstream block of a role's workers.

    Args:
        name: of the upstream.
        hosts: of its workers, at least one.
        port: where each of them serves.
        room: KiB of shared memory for each worker.
        more: further directives, as lines of the block.
    """
    # With `resolve`, nginx follows the pods' addresses by itself. The zone holds every server's
    # state and preserves it across a reload; with TLS also a session, which a reload drops.
    servers = ''.join(
        f'        server {addresses.join(host, port)} resolve max_fails=1 fail_timeout=1s;\n'
        for host in hosts
    )
    zone = f'        zone {name} {256 + room * len(hosts)}k;\n'
    return f'\n    upstream {name} {{\n{zone}{servers}{more}    }}\n'
