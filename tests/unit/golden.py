"""Golden files: whole outputs, kept next to the tests and compared byte for byte.

`GOLDEN=write` in the environment writes them instead; the difference is then for a human to read,
in `git diff`.
"""

import json
import os
from pathlib import Path
from typing import Any

import yaml


def check(path: Path, text: str) -> None:
    """Compare `text` to a golden file."""
    if os.environ.get('GOLDEN') == 'write':
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def layer(definition: Any) -> str:
    """A Pebble layer or plan as a golden file shows it."""
    return yaml.safe_dump(definition, sort_keys=False, width=1000)


def databag(content: dict[str, str]) -> str:
    """A databag as a golden file shows it: its exact keys and values, a long JSON value indented.

    Each value that is JSON is checked to be exactly what json.dumps writes with sorted keys, so
    that the indented form stands for one byte sequence only.
    """
    shown: list[str] = []
    for key, value in sorted(content.items()):
        try:
            decoded = json.loads(value)
        except ValueError:
            shown.append(f'{key} (plain): {value}\n')
            continue
        assert value == json.dumps(decoded, sort_keys=True)
        shown.append(f'{key}: {json.dumps(decoded, sort_keys=True, indent=2)}\n')
    return ''.join(shown)
