"""The coordinator charm's modules, under names that the worker's do not take.

They work with the neutral workload; `own_workload` is the charm's.
"""

import sys
from pathlib import Path

import charms

with charms.importable('coordinator-charm'):
    import workload as own_workload

with charms.importable('coordinator-charm', first=Path(__file__).parent / 'neutral'):
    import actions
    import alerts
    import answers
    import ca_data
    import catalogue
    import certificates
    import charm
    import cluster_tls
    import description
    import exporter
    import ingress
    import nginx
    import nginx_client_tls
    import nginx_config
    import nginx_pod
    import nginx_stream
    import nginx_timeouts
    import nginx_upstream
    import nginx_upstream_tls
    import publishing
    import running
    import s3
    import schemes
    import state
    import statuses
    import targets
    import telemetry_text
    import telemetry_view
    import tls
    import tls_data
    import trusted
    import worker_certificates
    import workers_view
    import workload

# The charm imports them when it needs them; the worker has none of these names.
sys.modules |= {
    'actions': actions,
    'ca_data': ca_data,
    'certificates': certificates,
    'publishing': publishing,
    'worker_certificates': worker_certificates,
}

__all__ = [
    'actions',
    'alerts',
    'answers',
    'ca_data',
    'catalogue',
    'certificates',
    'charm',
    'cluster_tls',
    'description',
    'exporter',
    'ingress',
    'nginx',
    'nginx_client_tls',
    'nginx_config',
    'nginx_pod',
    'nginx_stream',
    'nginx_timeouts',
    'nginx_upstream',
    'nginx_upstream_tls',
    'own_workload',
    'publishing',
    'running',
    's3',
    'schemes',
    'state',
    'statuses',
    'targets',
    'telemetry_text',
    'telemetry_view',
    'tls',
    'tls_data',
    'trusted',
    'worker_certificates',
    'workers_view',
    'workload',
]
