"""Running a program in several processes that agree on nothing that is random."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def outputs(program: Path, arguments: Sequence[str]) -> set[str]:
    """What the program prints, each time with one of the arguments and another hash seed."""
    # sys.path has what pytest's `pythonpath` and the test's own folder add to it.
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen(
            [sys.executable, program, argument],
            env={**environment, 'PYTHONHASHSEED': str(seed)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed, argument in enumerate(arguments, 1)
    ]
    printed = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return set(printed)
