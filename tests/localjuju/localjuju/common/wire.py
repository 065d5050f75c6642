"""The two protocols over unix sockets.

Between the `juju` program (or a test) and a model's controller: JSON objects, each preceded by its
length as a big-endian uint32; an answer may carry a file descriptor. Between a hook tool and its
unit's agent: see go/hooktool/main.go.
"""

import array
import json
import socket
import struct
from collections.abc import Sequence
from typing import Any

_LENGTH = struct.Struct('>I')
#: The most bytes of a message; a databag may hold megabytes.
_LIMIT = 256 * 2**20


class Closed(ConnectionError):  # noqa: N818 - an end, not always an error
    """The other side has closed the connection."""


def _exactly(connection: socket.socket, size: int) -> bytes:
    chunks = []
    while size:
        chunk = connection.recv(min(size, 2**20))
        if not chunk:
            raise Closed('the connection was closed')
        chunks.append(chunk)
        size -= len(chunk)
    return b''.join(chunks)


def _number(connection: socket.socket) -> int:
    (number,) = _LENGTH.unpack(_exactly(connection, 4))
    if number > _LIMIT:
        raise Closed(f'the other side announced {number} bytes')
    return number


def send(connection: socket.socket, message: Any, descriptor: int | None = None) -> None:
    """Send a JSON value, with a file descriptor if one is given."""
    data = json.dumps(message, separators=(',', ':')).encode()
    rights = []
    if descriptor is not None:
        fds = array.array('i', [descriptor])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
    sent = connection.sendmsg([_LENGTH.pack(len(data))], rights)
    connection.sendall(_LENGTH.pack(len(data))[sent:] + data)


def receive(connection: socket.socket) -> tuple[Any, int | None]:
    """A JSON value and the file descriptor that came with it, if any. Raises Closed."""
    size = array.array('i').itemsize
    head, ancillary, _, _ = connection.recvmsg(4, socket.CMSG_SPACE(size))
    descriptor = None
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            (descriptor,) = array.array('i', data[:size])
    if not head:
        raise Closed('the connection was closed')
    head += _exactly(connection, 4 - len(head))
    (length,) = _LENGTH.unpack(head)
    if length > _LIMIT:
        raise Closed(f'the other side announced {length} bytes')
    return json.loads(_exactly(connection, length)), descriptor


def receive_fields(connection: socket.socket) -> list[str]:
    """The fields of a hook tool's request."""
    count = _number(connection)
    return [
        _exactly(connection, _number(connection)).decode(errors='surrogateescape')
        for _ in range(count)
    ]


def send_fields(connection: socket.socket, fields: Sequence[str]) -> None:
    """Answer a hook tool."""
    data = bytearray()
    for field in fields:
        encoded = field.encode(errors='surrogateescape')
        data += _LENGTH.pack(len(encoded)) + encoded
    connection.sendall(data)


def receive_answer(connection: socket.socket) -> tuple[str, str, str]:
    """Receive an answer as a hook tool does: exit code, stdout, stderr."""
    code, stdout, stderr = (_exactly(connection, _number(connection)).decode() for _ in range(3))
    return code, stdout, stderr
