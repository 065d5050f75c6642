"""podinfo as the coordinator sees it: what to replace to make the charm your own.

The twin of the worker's `workload.py`, which knows how to run it.
"""

import json

import nginx_config
from coordinated_telemetry.roles import Roles

PORT = 9898
"""Where each worker serves requests and metrics over HTTP."""
TLS_PORT = 9899
"""The same over HTTPS."""

ROLES = Roles(
    minimal_deployment={'frontend': 1, 'backend': 1},
    meta_roles={'all': ('backend', 'frontend')},
)

LOCATIONS = {'/': 'frontend', '/backend/': 'backend'}
"""Path prefix → the role that serves it; nginx strips the prefix."""

LOG_LEVELS = {'debug': 'debug', 'info': 'info', 'warning': 'warn', 'error': 'error'}
"""The charm's log level → podinfo's."""


def config(log_level: str) -> str:
    """podinfo's config.yaml, the one configuration file with which all workers run.

    It does not contain roles: they only change command-line flags, so one file serves all.
    """
    options = {
        'level': LOG_LEVELS[log_level],
        # Longer than nginx's, so that nginx gives up first.
        'http-client-timeout': f'{nginx_config.READ_TIMEOUT + 5}s',
    }
    return ''.join(f'{key}: {json.dumps(value)}\n' for key, value in options.items())
