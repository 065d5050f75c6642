"""What nginx.conf says about the workers of a role, over HTTP or TCP: pure."""

from collections.abc import Sequence

from coordinated_telemetry import addresses


def upstream(role: str, hosts: Sequence[str], port: int, *, room: int = 4, more: str = '') -> str:
    """The upstream block of a role.

    Args:
        role: its name.
        hosts: of its workers, at least one.
        port: where each of them serves.
        room: KiB of shared memory for each worker.
        more: further directives, as lines of the block.
    """
    # With `resolve`, nginx follows the pods' addresses by itself. The zone holds every server's
    # state (measured: under 2 KiB each) and preserves it across a reload; with TLS also a session
    # (at most 4 KiB each), which a reload drops.
    servers = ''.join(
        f'        server {addresses.join(host, port)} resolve max_fails=1 fail_timeout=1s;\n'
        for host in hosts
    )
    zone = f'        zone {role} {256 + room * len(hosts)}k;\n'
    return f'\n    upstream {role} {{\n{zone}{servers}{more}    }}\n'
