"""The worker charm's modules, under names that the coordinator's do not take."""

import charms

with charms.importable('worker-charm'):
    import charm
    import workload

__all__ = ['charm', 'workload']
