"""Asking the program that has the real other side."""

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import charms
import environments

PROGRAM = Path(__file__).with_name('real.py')

Ask = Callable[..., dict[str, Any]]


@contextlib.contextmanager
def program() -> Iterator[Ask]:
    """Gives what comes of a real coordinator or worker; `real.py` says how to ask for it."""
    environments.install_other_side()
    python = environments.other_side_dir() / 'bin' / 'python'
    with subprocess.Popen(
        [python, PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(charms.ROOT / 'tests' / 'unit')},
    ) as process:

        def ask(side: str, *relations: Mapping[str, Any], **more: Any) -> dict[str, Any]:
            assert process.stdin
            assert process.stdout
            question = {'side': side, 'relations': relations, **more}
            print(json.dumps(question), file=process.stdin, flush=True)
            answer = json.loads(process.stdout.readline())
            assert 'failed' not in answer, answer['failed']
            return answer

        yield ask
        process.communicate()
