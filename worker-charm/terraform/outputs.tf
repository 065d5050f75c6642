output "app_name" {
  description = "Name of the application, for integrations."
  value       = juju_application.worker.name
}

output "provides" {
  description = "Endpoints that the charm provides: none."
  value       = {}
}

output "requires" {
  description = "Endpoints that the charm requires."
  value = {
    cluster = "cluster"
  }
}
