output "app_name" {
  description = "Name of the coordinator's application: all integrations with others go there."
  value       = module.coordinator.app_name
}

output "app_names" {
  description = "Names of all applications: the coordinator's, and the workers' by role."
  value       = merge({ coordinator = module.coordinator.app_name }, { for role, worker in module.worker : role => worker.app_name })
}

output "provides" {
  description = "Endpoints that the coordinator provides."
  value       = module.coordinator.provides
}

output "requires" {
  description = "Endpoints that the coordinator requires."
  value       = module.coordinator.requires
}
