"""The part of a model's configuration that the local Juju has."""

import re

from localjuju.controller.debuglog import LEVELS
from localjuju.model.charmmeta import ModelError

#: All keys that can be set, with Juju's defaults.
DEFAULTS = {'update-status-hook-interval': '5m', 'logging-config': '<root>=INFO'}
_DURATION = re.compile(r'^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$')


def duration(text: str) -> float:
    """The seconds of a Go duration in hours, minutes and seconds; ModelError if it is none."""
    match = _DURATION.match(text)
    if not text or match is None:
        raise ModelError(f'invalid duration "{text}"')
    hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return hours * 3600.0 + minutes * 60 + seconds


def logging_level(config: str) -> str:
    """The level of the root in a logging-config like ``<root>=INFO;unit=DEBUG``."""
    levels = dict(part.split('=', 1) for part in re.split('[; ]+', config) if '=' in part)
    level = levels.get('unit', levels.get('<root>', 'INFO')).upper()
    if level not in LEVELS:
        raise ModelError(f'invalid logging-config "{config}": unknown level "{level}"')
    return level
