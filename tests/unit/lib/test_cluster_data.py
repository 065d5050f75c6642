"""What the `cluster` relation carries."""

import json

from coordinated_telemetry import cluster_data


def test_the_keys_are_those_of_the_field_and_what_tls_adds():
    """Each key is published; renaming one breaks a cluster while it is refreshed."""
    keys = {
        model.__name__: sorted(model.model_fields)
        for model in (
            cluster_data.CoordinatorData,
            cluster_data.WorkerApplicationData,
            cluster_data.WorkerUnitData,
        )
    }
    assert keys == {
        'CoordinatorData': [
            'ca_cert',
            'charm_tracing_receivers',
            'loki_endpoints',
            'otlp_endpoints',
            'receive_ca_certs',
            's3_secret_id',
            's3_tls_ca_chain',
            'server_cert',
            'worker_certificates',
            'worker_config',
            'worker_schemes',
            'workload_tracing_receivers',
        ],
        'WorkerApplicationData': ['role'],
        'WorkerUnitData': [
            'address',
            'certificate_sha256',
            'certificate_signing_request',
            'ip_addresses',
            'juju_topology',
            'schemes',
        ],
    }


def test_without_tls_a_worker_publishes_what_it_always_did():
    topology = cluster_data.UnitTopology(application='w', unit='w/0', charm_name='w-k8s')
    data = cluster_data.WorkerUnitData(address='h', juju_topology=topology)
    assert sorted(json.loads(data.model_dump_json())) == ['address', 'juju_topology']
