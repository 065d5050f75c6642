"""Making a pair of one's own of this checkout, and running its commands."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, *command: str) -> str:
    """Run a command in a folder; its output goes to pytest, and is returned too."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(('TOX_', 'PYTEST_', 'VIRTUAL_ENV', 'MAKE', 'MFLAGS', 'PYTHONPATH'))
    }
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            print(line, end='', flush=True)
            lines.append(line)
    assert process.returncode == 0, ' '.join(command)
    return ''.join(lines)


def make(folder: Path, name: str, *roles: str) -> Path:
    """Make a repository of what this checkout has, committed or not, below a folder."""
    made = folder / f'{name}-operators'
    revision = run(ROOT, 'git', 'stash', 'create').strip() or 'HEAD'
    options = (f'NAME={name}', f'DEST={made}', f'ROLES={",".join(roles)}')
    run(ROOT, 'make', 'new-charm', *options, f'ARGS=--revision={revision}')
    return made
