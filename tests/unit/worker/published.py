"""Run as a program: the digest of all that the worker publishes and configures.

    PYTHONHASHSEED=… python published.py SHUFFLE

Peers, and the coordinator's endpoints, are given in an order that SHUFFLE decides.
"""

import hashlib
import json
import random
import sys
import tempfile
from pathlib import Path

from worker import scene


def digest(shuffle: int) -> str:
    """SHA-256 of the configuration file, the plan and every databag."""
    chance = random.Random(shuffle)
    endpoints = [(f'loki/{number}', scene.push_url(f'loki/{number}')) for number in range(5)]
    peers = [(number, 'other') for number in range(1, 6)]
    receivers = [('otlp_grpc', 'tempo:4317'), ('otlp_http', 'http://tempo:4318')]
    for order in (endpoints, peers, receivers):
        chance.shuffle(order)
    databag = scene.published(
        loki_endpoints=dict(endpoints), workload_tracing_receivers=dict(receivers)
    )
    relations = [scene.coordinator(databag, id=21), scene.peers(dict(peers), id=22)]
    chance.shuffle(relations)
    with tempfile.TemporaryDirectory() as scratch:
        unit = scene.Worker(Path(scratch))
        after = unit.update_status(unit.state(*relations))
        # In the order in which it was written.
        outcome = json.dumps(scene.outcome(unit, after))
    return hashlib.sha256(outcome.encode()).hexdigest()


if __name__ == '__main__':
    print(digest(int(sys.argv[1])))
