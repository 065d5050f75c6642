"""The workload as its coordinator sees it: what to replace when making the charm your own.

The twin of the worker's `workload.py`, which knows how to run it.
"""

import json

import nginx_config
from coordinated_telemetry.roles import Roles

PORT = 9898
"""Where each worker serves requests, and its metrics."""

ROLES = Roles(
    minimal_deployment={'frontend': 1, 'backend': 1},
    meta_roles={'all': ('backend', 'frontend')},
)

LOCATIONS = {'/': 'frontend', '/backend/': 'backend'}
"""Path prefix → the role that serves it; the prefix is not passed on."""

LOG_LEVELS = {'debug': 'debug', 'info': 'info', 'warning': 'warn', 'error': 'error'}
"""The charm's log levels in the workload's words."""


def config(log_level: str) -> str:
    """The one configuration file that all workers run with, podinfo's config.yaml.

    Roles are not in it: they only change command-line flags, so that one file serves all.
    """
    options = {
        'level': LOG_LEVELS[log_level],
        # Longer than nginx's, so that it is nginx that gives up first.
        'http-client-timeout': f'{nginx_config.READ_TIMEOUT + 5}s',
    }
    return ''.join(f'{key}: {json.dumps(value)}\n' for key, value in options.items())
