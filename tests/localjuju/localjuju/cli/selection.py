"""The selectors of `juju status`."""

from collections.abc import Iterable, Mapping
from typing import Any


def select(applications: Mapping[str, Any], selectors: Iterable[str]) -> dict[str, Any]:
    """What `juju status` shows of the applications for these selectors.

    Args:
        applications: as ``juju status --format json`` has them.
        selectors: names of applications or units, or workload statuses; ``*`` and ``?`` match
            any characters. What matches one of them is shown.

    Returns:
        An application that matches with all its units, another one with its matching units only.
    """
    # Imported here: every waiting test calls `juju status` once a second, without selectors.
    from fnmatch import fnmatchcase  # noqa: PLC0415

    patterns = list(selectors)

    def matches(*texts: str) -> bool:
        return any(fnmatchcase(text, pattern) for text in texts for pattern in patterns)

    chosen = {}
    for name, app in applications.items():
        if matches(name, app['application-status']['current']):
            chosen[name] = app
            continue
        units = {
            unit: each
            for unit, each in app['units'].items()
            if matches(unit, each['workload-status']['current'])
            or (each.get('leader') and matches(f'{name}/leader'))
        }
        if units:
            chosen[name] = {**app, 'units': units}
    return chosen
