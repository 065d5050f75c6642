"""Whom a model belongs to, and when one without an owner ends."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from test_controller import Running

from localjuju.cli import owners
from localjuju.cli.commandline import UsageError
from localjuju.controller import main
from localjuju.controller.requests import Requests


@pytest.fixture(autouse=True)
def no_owner(monkeypatch) -> None:
    monkeypatch.delenv('LOCALJUJU_OWNER', raising=False)
    monkeypatch.delenv('LOCALJUJU_IDLE', raising=False)


def test_by_default_the_callers_parent_owns_the_model(monkeypatch):
    owner = owners.chosen()
    assert (owner.pid, owner.idle) == (os.getppid(), 0)


def test_pytest_is_an_owner_that_needs_no_word(monkeypatch):
    monkeypatch.setattr(os, 'getppid', os.getpid)
    assert owners.chosen() == owners.Owner(os.getpid())


def test_a_short_lived_parent_is_named_with_the_way_out(monkeypatch):
    with subprocess.Popen(['sleep', '60']) as sleep:
        monkeypatch.setattr(os, 'getppid', lambda: sleep.pid)
        said = owners.chosen().notice
        sleep.kill()
    assert f'It belongs to process {sleep.pid} (sleep) and ends with it.' in said
    assert '--owner none' in said


@pytest.mark.parametrize(
    ('argv', 'interactive'),
    [
        (['sh'], True),
        (['bash', '--norc', '-i'], True),
        (['sh', '-c', 'read x; read y'], False),
        (['sh', '/dev/stdin'], False),
    ],
)
def test_a_shell_is_interactive_in_a_terminal_and_without_a_script(argv, interactive):
    """Each runs in a terminal of its own."""
    here, there = os.openpty()
    script = f'import os; os.login_tty({there}); os.execvp({argv[0]!r}, {argv!r})'
    with subprocess.Popen([sys.executable, '-c', script], pass_fds=[there]) as shell:
        # Until it has replaced the interpreter that starts it.
        while owners._looks(shell.pid)[0] not in ('bash', 'dash', 'sh'):
            assert shell.poll() is None
            time.sleep(0.01)
        found = owners._looks(shell.pid)[1]
        shell.kill()
    os.close(here)
    os.close(there)
    assert found is interactive


def test_a_shell_without_a_terminal_is_not_interactive():
    with subprocess.Popen(['setsid', 'sh'], stdin=subprocess.PIPE) as shell:
        assert owners._looks(shell.pid)[1] is False
        shell.kill()


@pytest.mark.parametrize(
    ('arguments', 'environment', 'owner'),
    [
        (['12'], {}, owners.Owner(12)),
        ([], {'LOCALJUJU_OWNER': '12'}, owners.Owner(12)),
        (['13'], {'LOCALJUJU_OWNER': '12'}, owners.Owner(13)),
    ],
)
def test_an_owner_can_be_chosen(monkeypatch, arguments, environment, owner):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert owners.chosen(*arguments) == owner


@pytest.mark.parametrize(
    ('arguments', 'environment', 'idle'),
    [
        (['none'], {}, 8 * 3600),
        (['none', '90s'], {'LOCALJUJU_IDLE': '1h'}, 90),
        ([], {'LOCALJUJU_OWNER': 'none', 'LOCALJUJU_IDLE': '1h'}, 3600),
    ],
)
def test_a_model_may_have_none(monkeypatch, arguments, environment, idle):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    owner = owners.chosen(*arguments)
    assert (owner.pid, owner.idle) == (0, idle)
    assert 'It has no owner: it ends when destroyed, or after' in owner.notice


@pytest.mark.parametrize(
    ('arguments', 'why'),
    [
        (['me'], 'invalid owner "me"'),
        (['0'], 'invalid owner "0"'),
        (['-1'], 'invalid owner "-1"'),
        (['', '1h'], '--idle needs --owner none'),
        (['12', '1h'], '--idle needs --owner none'),
        (['none', 'soon'], 'invalid duration "soon"'),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, why):
    with pytest.raises(UsageError, match=why):
        owners.chosen(*arguments)


# The end of a model without an owner


def test_a_model_is_idle_when_no_request_is_being_answered():
    requests = Requests()
    with requests:
        assert requests.idle() == 0
    first = requests.idle()
    assert 0 < first <= requests.idle()


def test_an_answer_on_its_way_is_awaited():
    requests = Requests()
    answered = []

    def answer() -> None:
        with requests:
            begun.set()
            release.wait(10)
            answered.append(True)

    begun, release = threading.Event(), threading.Event()
    threading.Thread(target=answer, daemon=True).start()
    begun.wait(10)
    requests.finish(0)
    assert not answered
    release.set()
    requests.finish(10)
    assert answered


def test_idleness_and_destruction_end_a_model(tmp_path: Path):
    running = Running(tmp_path)
    main.await_idleness(running.controller, 0.01)
    assert not running.controller.ended.is_set()
    running.ask('destroy-model')
    main.await_idleness(running.controller, 1000)
    assert running.controller.ended.is_set()
