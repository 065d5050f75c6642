"""The `juju` program on a running controller with fake pods, in one process."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from test_controller import Running

from localjuju.cli import main as cli
from localjuju.common import registry
from localjuju.controller import server


class Said(NamedTuple):
    """How a command of the program ended."""

    code: int
    out: str
    err: str


class Program:
    """The program; `running` is the controller of the current model, `m`, if one is served."""

    running: Running

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *argv: Any) -> Said:
        """Run a command."""
        self._capsys.readouterr()
        code: Any = 0
        try:
            cli.main([str(argument) for argument in argv])
        except SystemExit as e:
            code = e.code
        said = self._capsys.readouterr()
        return Said(code or 0, said.out, said.err)

    def refused(self, *argv: Any) -> str:
        """Run a command that has to fail; what it says."""
        said = self(*argv)
        assert said.code == 1, said
        assert said.err.startswith('ERROR '), said
        return said.err.removeprefix('ERROR ')


@contextlib.contextmanager
def serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Program]:
    """Serve a new, empty model as long as the context lasts."""
    running = Running(tmp_path)
    monkeypatch.setenv('LOCALJUJU_HOME', str(tmp_path / 'home'))
    monkeypatch.delenv('JUJU_MODEL', raising=False)
    monkeypatch.delenv('LOCALJUJU_CHARMS', raising=False)
    registry.make_folder('m')
    registry.switch('m')
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(registry.control_socket('m')))
        listener.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                server.serve(running.controller, listener)

        threading.Thread(target=serve, daemon=True).start()
        program = Program(capsys)
        program.running = running
        yield program
        listener.shutdown(socket.SHUT_RDWR)
