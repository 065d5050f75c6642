"""The coordinator charm's modules, under names that the worker's do not take."""

import sys

import charms

with charms.importable('coordinator-charm'):
    import alerts
    import answers
    import ca_data
    import certificates
    import catalogue
    import charm
    import cluster_tls
    import exporter
    import nginx
    import ingress
    import nginx_client_tls
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
    import workload

# The charm imports them when it needs them; the worker has none of these names.
sys.modules |= {
    'ca_data': ca_data,
    'certificates': certificates,
    'worker_certificates': worker_certificates,
}

__all__ = [
    'alerts',
    'answers',
    'ca_data',
    'certificates',
    'charm',
    'cluster_tls',
    'exporter',
    'nginx',
    'catalogue',
    'nginx_client_tls',
    'nginx_config',
    'nginx_pod',
    'nginx_upstream_tls',
    'ingress',
    'running',
    'schemes',
    'state',
    'statuses',
    'targets',
    'tls',
    'tls_data',
    'trusted',
    'worker_certificates',
    'workload',
]
