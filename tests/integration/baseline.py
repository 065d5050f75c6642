"""The deployment that the tests of the flows share, and come back to."""

import deployment

COORDINATORS = ['coordinator/0', 'coordinator/1']
COUNTS = {role: 2 if role == 'backend' else 1 for role in deployment.ROLES}
"""How many units of each role there are; each worker application is named after its role."""

_WORKERS = tuple(deployment.worker(role, role=role, units=COUNTS[role]) for role in COUNTS)
WORKERS = [unit for worker in _WORKERS for unit in worker.unit_names]
BACKENDS = [unit for unit in WORKERS if unit.startswith('backend/')]
UNITS = [*COORDINATORS, *WORKERS]
MESSAGE = deployment.workers_message(COUNTS)
"""What the coordinator says when nothing is wrong."""

APPLICATIONS = (
    deployment.coordinator(units=len(COORDINATORS)),
    *_WORKERS,
)
RELATIONS = (*deployment.cluster_relations(_WORKERS), *deployment.TELEMETRY.values())
