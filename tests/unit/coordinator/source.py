"""The coordinator charm's modules, under names that the worker's do not take."""

import charms

with charms.importable('coordinator-charm'):
    import alerts
    import charm
    import nginx
    import roles
    import state
    import statuses
    import workload_config

__all__ = ['alerts', 'charm', 'nginx', 'roles', 'state', 'statuses', 'workload_config']
