# COS Lite 3.0 in a model that is there already. The tests apply this, and so may you: docs/cos-lite.md.

terraform {
  required_version = ">= 1.5"

  required_providers {
    juju = {
      source  = "juju/juju"
      version = ">= 1.4.0"
    }
  }
}

variable "model_uuid" {
  description = "UUID of the model to deploy to."
  type        = string
}

variable "internal_tls" {
  description = "Whether COS Lite's charms serve TLS, with certificates of a CA of their own."
  type        = bool
}

variable "risk" {
  description = "Risk of the channels that the charms come from."
  type        = string
  default     = "stable"
}

module "cos_lite" {
  source = "git::https://github.com/canonical/observability-stack//terraform/cos-lite?ref=track/3.0"

  internal_tls = var.internal_tls
  model        = { uuid = var.model_uuid }
  risk         = var.risk
}

output "offers" {
  description = "Offers to integrate with, from other models."
  value       = module.cos_lite.offers
}
