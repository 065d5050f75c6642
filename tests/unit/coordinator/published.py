"""Run as a program: the digest of all that the coordinator publishes and configures.

    PYTHONHASHSEED=… python published.py SHUFFLE

Relations and units are given in an order that SHUFFLE decides.
"""

import dataclasses
import hashlib
import json
import random
import sys
import tempfile
from pathlib import Path

from coordinator import scene


def digest(shuffle: int) -> str:
    """SHA-256 of nginx.conf, the plans and every databag."""
    chance = random.Random(shuffle)

    def shuffled(units: dict) -> dict:
        numbers = list(units)
        chance.shuffle(numbers)
        return {number: units[number] for number in numbers}

    relations = []
    for relation in (*scene.deployment(), scene.grafana(id=20)):
        field = 'peers_data' if relation.endpoint == 'peers' else 'remote_units_data'
        units = shuffled(getattr(relation, field))
        relations.append(dataclasses.replace(relation, **{field: units}))
    chance.shuffle(relations)
    with tempfile.TemporaryDirectory() as scratch:
        unit = scene.Coordinator(Path(scratch))
        after = unit.update_status(unit.state(*relations))
        # In the order in which it was written.
        outcome = json.dumps(scene.outcome(unit, after))
    return hashlib.sha256(outcome.encode()).hexdigest()


if __name__ == '__main__':
    print(digest(int(sys.argv[1])))
