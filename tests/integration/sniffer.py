"""A program that prints each TCP segment with data that passes the interfaces of its namespace.

`SOURCE PORT TARGET PORT NUMBER DATA` by line, the data in base64, after a line that says that it
listens. It ends on SIGINT; the last line has how many packets the kernel could not hand over. Only
the standard library, and nothing of this repository: it runs in the model's network.
"""

import base64
import contextlib
import json
import signal
import socket
import struct

# From Linux' if_ether.h, if_packet.h and socket.h; Python does not name them.
_ETH_P_ALL = 3
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_SO_RCVBUFFORCE = 33
_BUFFER = 256 * 2**20  # bytes


def _segment(packet: bytes) -> str:
    """The line of a packet; '' unless it is IPv4 and TCP, and has data."""
    if len(packet) < 40 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
        return ''
    start = (packet[0] & 15) * 4
    [length] = struct.unpack_from('!H', packet, 2)
    source, target, number = struct.unpack_from('!HHI', packet, start)
    data = packet[start + (packet[start + 12] >> 4) * 4 : length]
    if not data:
        return ''
    ends = f'{socket.inet_ntoa(packet[12:16])} {source} {socket.inet_ntoa(packet[16:20])} {target}'
    return f'{ends} {number} {base64.b64encode(data).decode()}'


def main() -> None:
    """Print packets until SIGINT."""
    over = False

    def stop(*_: object) -> None:
        nonlocal over
        over = True

    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL)) as packets:
        with contextlib.suppress(PermissionError):
            packets.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        packets.settimeout(0.1)
        signal.signal(signal.SIGINT, stop)
        print('listening', flush=True)
        while True:
            last = over  # one time more, for what waits already
            if last:
                packets.settimeout(0)
            with contextlib.suppress(TimeoutError, BlockingIOError):
                while last or not over:
                    if line := _segment(packets.recv(2**17)):
                        print(line)
            if last:
                break
        statistics = packets.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        print(json.dumps({'lost': struct.unpack('II', statistics)[1]}))


if __name__ == '__main__':
    main()
