# A coordinator, and one application of workers for each role.

locals {
  # By role. A further role of the workers is a further variable and is named here.
  workers = { backend = var.backend, frontend = var.frontend }
}

module "coordinator" {
  source = "../coordinator-charm/terraform"

  app_name           = var.coordinator.app_name
  base               = var.base
  channel            = var.channel
  config             = var.coordinator.config
  constraints        = var.coordinator.constraints
  model_uuid         = var.model_uuid
  resources          = var.coordinator.resources
  revision           = var.coordinator.revision
  storage_directives = var.coordinator.storage_directives
  units              = var.coordinator.units
}

module "worker" {
  source   = "../worker-charm/terraform"
  for_each = local.workers

  app_name = each.value.app_name
  base     = var.base
  channel  = var.channel
  config = merge({
    role-all           = "false"
    "role-${each.key}" = "true"
  }, each.value.config)
  constraints        = each.value.constraints
  model_uuid         = var.model_uuid
  resources          = each.value.resources
  revision           = each.value.revision
  storage_directives = each.value.storage_directives
  units              = each.value.units
}

resource "juju_integration" "cluster" {
  for_each   = module.worker
  model_uuid = var.model_uuid

  application {
    name     = module.coordinator.app_name
    endpoint = module.coordinator.provides.cluster
  }

  application {
    name     = each.value.app_name
    endpoint = each.value.requires.cluster
  }
}
