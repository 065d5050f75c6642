output "app_name" {
  description = "Name of the application, for integrations."
  value       = juju_application.coordinator.name
}

output "provides" {
  description = "Endpoints that the charm provides."
  value = {
    cluster          = "cluster"
    metrics_endpoint = "metrics-endpoint"
  }
}

output "requires" {
  description = "Endpoints that the charm requires."
  value = {
    certificates     = "certificates"
    charm_tracing    = "charm-tracing"
    logging          = "logging"
    receive_ca_cert  = "receive-ca-cert"
    workload_tracing = "workload-tracing"
  }
}
