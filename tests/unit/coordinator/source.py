"""The coordinator charm's modules, under names that the worker's do not take."""

import sys

import charms

with charms.importable('coordinator-charm'):
    import alerts
    import certificates
    import charm
    import exporter
    import nginx
    import nginx_config
    import nginx_pod
    import nginx_upstream_tls
    import running
    import schemes
    import state
    import statuses
    import targets
    import tls
    import tls_data
    import trusted
    import worker_certificates
    import worker_tls
    import workload

# The charm imports it when it needs it; the worker has none of that name.
sys.modules['certificates'] = certificates

__all__ = [
    'alerts',
    'certificates',
    'charm',
    'exporter',
    'nginx',
    'nginx_config',
    'nginx_pod',
    'nginx_upstream_tls',
    'running',
    'schemes',
    'state',
    'statuses',
    'targets',
    'tls',
    'tls_data',
    'trusted',
    'worker_certificates',
    'worker_tls',
    'workload',
]
