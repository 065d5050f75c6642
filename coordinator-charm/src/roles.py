"""The roles of this workload: what to replace when making the charm your own."""

from coordinated_telemetry import cluster

ROLES = cluster.Roles(
    minimal_deployment={'frontend': 1, 'backend': 1},
    meta_roles={'all': ('backend', 'frontend')},
)
