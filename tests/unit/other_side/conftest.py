"""Asking the program that has the real other side."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import charms
import environments

PROGRAM = Path(__file__).with_name('real.py')

Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope='session')
def ask() -> Iterator[Ask]:
    """Gives what comes of a real coordinator or worker; `real.py` says how to ask for it."""
    environments.install_other_side()
    python = environments.other_side_dir() / 'bin' / 'python'
    with subprocess.Popen(
        [python, PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(charms.ROOT / 'tests' / 'unit')},
    ) as program:

        def ask(side: str, *relations: Mapping[str, Any], **more: Any) -> dict[str, Any]:
            assert program.stdin
            assert program.stdout
            question = {'side': side, 'relations': relations, **more}
            print(json.dumps(question), file=program.stdin, flush=True)
            answer = json.loads(program.stdout.readline())
            assert 'failed' not in answer, answer['failed']
            return answer

        yield ask
        program.communicate()
