output "app_name" {
  description = "Name of the application, for integrations."
  value       = juju_application.coordinator.name
}

output "provides" {
  description = "Endpoints that the charm provides."
  value = {
    cluster           = "cluster"
    grafana_dashboard = "grafana-dashboard"
    metrics_endpoint  = "metrics-endpoint"
  }
}

output "requires" {
  description = "Endpoints that the charm requires."
  value = {
    catalogue        = "catalogue"
    certificates     = "certificates"
    charm_tracing    = "charm-tracing"
    ingress          = "ingress"
    logging          = "logging"
    receive_ca_cert  = "receive-ca-cert"
    s3               = "s3"
    send_otlp        = "send-otlp"
    workload_tracing = "workload-tracing"
  }
}
