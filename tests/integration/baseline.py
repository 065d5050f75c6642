"""The deployment that the tests of the flows share, and come back to."""

import deployment

COORDINATORS = ['coordinator/0', 'coordinator/1']
FRONTENDS = ['frontend/0']
BACKENDS = ['backend/0', 'backend/1']
WORKERS = [*FRONTENDS, *BACKENDS]
UNITS = [*COORDINATORS, *WORKERS]

_WORKERS = (
    deployment.worker('frontend', role='frontend', units=len(FRONTENDS)),
    deployment.worker('backend', role='backend', units=len(BACKENDS)),
)
APPLICATIONS = (
    deployment.coordinator(units=len(COORDINATORS)),
    *_WORKERS,
    *deployment.STORES,
)
RELATIONS = (*deployment.cluster_relations(_WORKERS), *deployment.TELEMETRY.values())
