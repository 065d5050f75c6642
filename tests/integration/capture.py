"""What crosses the network of a local model: every TCP stream that leaves a pod, as bytes.

The sniffer runs in the model's outer network, which all traffic of the pods passes.
"""

import base64
import contextlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from localjuju import client

SNIFFER = Path(__file__).with_name('sniffer.py')


@dataclass(frozen=True)
class Stream:
    """One direction of a TCP connection.

    Attributes:
        source: address and port.
        target: address and port.
        data: what was sent, in its order, without what was sent a second time.
    """

    source: tuple[str, int]
    target: tuple[str, int]
    data: bytes


@dataclass
class Capture:
    """What was captured; complete when the block of `capturing` is over."""

    streams: list[Stream] = field(default_factory=list)

    def between(self, sources: set[str], targets: set[str], port: int) -> list[Stream]:
        """The streams from some addresses to a port of others, and back."""
        return [
            stream
            for stream in self.streams
            if (_is(stream.source, sources) and _is(stream.target, targets, port))
            or (_is(stream.target, sources) and _is(stream.source, targets, port))
        ]


def _is(end: tuple[str, int], addresses: set[str], port: int = 0) -> bool:
    return end[0] in addresses and port in {0, end[1]}


@contextlib.contextmanager
def in_network(model: str, command: list[str], output: Path) -> Iterator[None]:
    """Run a program in the network outside all pods of a model as long as the block lasts.

    Args:
        model: its name.
        command: program and arguments; it has to end with 0 once it is told to.
        output: the file for what it says.
    """
    local = client.Model(model)
    number = local.start_in_network(command, output)
    try:
        yield
    finally:
        code = local.stop_in_network(number)
    assert code == 0, f'{code}: {output.read_text()[-2000:]}'


@contextlib.contextmanager
def capturing(model: str, folder: Path) -> Iterator[Capture]:
    """Capture everything that leaves a pod of a model as long as the block lasts.

    Args:
        model: its name.
        folder: for the packets.
    """
    packets = folder / 'packets'
    capture = Capture()
    with in_network(model, [sys.executable, str(SNIFFER)], packets):
        while not packets.read_text():  # it says when it listens
            time.sleep(0.05)
        yield capture
    text = packets.read_text()
    *lines, last = text.splitlines()[1:]
    assert json.loads(last) == {'lost': 0}, last
    capture.streams += _streams(lines)


def _streams(lines: list[str]) -> Iterator[Stream]:
    """Put the segments of each direction together; each is seen on both links that it takes."""
    segments: dict[tuple[tuple[str, int], tuple[str, int]], dict[int, bytes]] = defaultdict(dict)
    for line in lines:
        source, source_port, target, target_port, number, data = line.split()
        key = ((source, int(source_port)), (target, int(target_port)))
        seen = base64.b64decode(data)
        if len(seen) > len(segments[key].get(int(number), b'')):
            segments[key][int(number)] = seen
    for (source, target), parts in segments.items():
        yield Stream(source, target, b''.join(data for _, data in sorted(parts.items())))
