variable "app_name" {
  description = "Name of the application in the model."
  type        = string
  default     = "worker"
}

variable "base" {
  description = "Operating system of the charm, such as ubuntu@24.04."
  type        = string
  default     = "ubuntu@24.04"
}

variable "channel" {
  description = "Charmhub channel that the charm comes from, such as latest/stable."
  type        = string
}

variable "config" {
  description = "Options of the charm, by name. Booleans are \"true\" and \"false\"."
  type        = map(string)
  default     = {}
}

# Null sets no constraint; the provider fails on an empty string.
variable "constraints" {
  description = "Constraints of the application, separated by spaces, such as \"arch=amd64 mem=1G\"."
  type        = string
  default     = null
}

variable "model_uuid" {
  description = "UUID of the model to deploy to."
  type        = string
}

variable "resources" {
  description = "Images in place of those on Charmhub, by resource: a reference, or the number of a Charmhub revision."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.resources), ["workload-image"])) == 0
    error_message = "The charm's only resource is workload-image."
  }
}

variable "revision" {
  description = "Charmhub revision of the charm; null is the channel's newest."
  type        = number
  default     = null
}

variable "storage_directives" {
  description = "Directives for the charm's storage, by name. It has none yet."
  type        = map(string)
  default     = {}
}

variable "units" {
  description = "Number of units."
  type        = number
  default     = 1
}
