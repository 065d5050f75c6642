"""The log of a model."""

import pytest

from localjuju.controller import modelconfig
from localjuju.controller.debuglog import DebugLog
from localjuju.model.charmmeta import ModelError


def log() -> DebugLog:
    log = DebugLog()
    log.add('unit-a-0', 'INFO', 'unit.a/0.juju-log', 'one\ntwo')
    log.add('unit-a-0', 'DEBUG', 'unit.a/0.juju-log', 'not kept')
    log.add('unit-b-0', 'ERROR', 'juju.worker', 'three')
    return log


def messages(log: DebugLog, **query) -> list[str]:
    return [line.rpartition(' ')[2] for line in log.read(**query)[0]]


def test_each_line_of_a_message_is_a_line():
    lines, position = log().read()
    assert [line.split(' ', 2)[2] for line in lines][:2] == [
        'INFO unit.a/0.juju-log one',
        'INFO unit.a/0.juju-log two',
    ]
    assert position == 3


@pytest.mark.parametrize(
    ('query', 'found'),
    [
        ({'level': 'ERROR'}, ['three']),
        ({'include': ['a/0']}, ['one', 'two']),
        ({'include': ['unit-b-0']}, ['three']),
        ({'exclude': ['a/0']}, ['three']),
        ({'after': 2}, ['three']),
        ({'after': 3}, []),
    ],
)
def test_reading_chooses(query, found):
    assert messages(log(), **query) == found


def test_the_threshold_is_the_models_logging_config():
    quiet = log()
    quiet.threshold = modelconfig.logging_level('<root>=WARNING;unit=DEBUG')
    quiet.add('unit-a-0', 'DEBUG', 'm', 'kept')
    assert messages(quiet, after=3) == ['kept']
    with pytest.raises(ModelError, match='unknown level'):
        modelconfig.logging_level('<root>=LOUD')
