"""The worker charm's modules, under names that the coordinator's do not take.

They work with the neutral workload; `own_workload` is the charm's.
"""

from pathlib import Path

import charms

with charms.importable('worker-charm'):
    import workload as own_workload

with charms.importable('worker-charm', first=Path(__file__).parent / 'neutral'):
    import charm
    import workload

__all__ = ['charm', 'own_workload', 'workload']
