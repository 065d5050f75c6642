"""The coordinator charm's modules, under names that the worker's do not take."""

import sys

import charms

with charms.importable('coordinator-charm'):
    import alerts
    import certificates
    import charm
    import nginx
    import nginx_config
    import nginx_pod
    import roles
    import state
    import statuses
    import workload_config

# The charm imports it when it needs it; the worker has none of that name.
sys.modules['certificates'] = certificates

__all__ = [
    'alerts',
    'certificates',
    'charm',
    'nginx',
    'nginx_config',
    'nginx_pod',
    'roles',
    'state',
    'statuses',
    'workload_config',
]
