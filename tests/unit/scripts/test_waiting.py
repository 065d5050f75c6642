"""The integration tests' waits end at once when waiting is in vain."""

import json
import types
from typing import cast

import jubilant
import pytest

import model
from cluster import Cluster
from model import HopelessError, Model, end_run_in_vain, eventually, watched

REASON = 'cannot run the charm: it was packed for Python 3.12, which this machine lacks'


class StuckCluster:
    """A cluster that knows of a unit that cannot run, or of none."""

    def __init__(self, hopeless: dict[str, str]) -> None:
        self._hopeless = hopeless

    def hopeless(self) -> dict[str, str]:
        return self._hopeless


class SilentJuju(jubilant.Juju):
    """A Juju whose model never gets anywhere."""

    def _cli(self, *args: str, **_: object) -> tuple[str, str]:
        assert args[0] == 'status'
        about = {'name': 'm', 'type': 'caas', 'controller': 'c', 'cloud': 'k', 'version': '3'}
        return json.dumps({'model': about, 'machines': {}, 'applications': {}}), ''


def stuck(hopeless: dict[str, str]) -> Model:
    return Model(SilentJuju(), cast('Cluster', StuckCluster(hopeless)), None)


def never() -> None:
    raise AssertionError('not yet')


def test_a_wait_for_a_status_ends_the_run_with_the_reason():
    with pytest.raises(HopelessError, match=f'frontend/0: {REASON}'):
        stuck({'frontend/0': REASON}).wait(lambda _: False, timeout=3600)


def test_any_other_wait_ends_the_run_with_the_reason():
    with (
        pytest.raises(HopelessError, match=f'frontend/0: {REASON}'),
        watched(stuck({'frontend/0': REASON})),
    ):
        eventually(never, timeout=3600)


def test_a_model_is_watched_only_as_long_as_it_is_there():
    with watched(stuck({'frontend/0': REASON})):
        pass
    assert model._watched == []
    with pytest.raises(AssertionError, match='not yet'):
        eventually(never, timeout=0)


def test_an_error_that_may_pass_is_waited_for():
    answers = iter([False, True, True])
    stuck({}).wait(lambda _: next(answers), timeout=3600)


@pytest.mark.parametrize(
    ('error', 'ends'), [(HopelessError('why'), 'why'), (AssertionError(), False), (None, False)]
)
def test_only_such_an_error_ends_the_run(error, ends):
    session = types.SimpleNamespace(shouldfail=False)
    end_run_in_vain(cast('pytest.Session', session), error)
    assert session.shouldfail == ends
