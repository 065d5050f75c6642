variable "base" {
  description = "Operating system of the charms, such as ubuntu@24.04."
  type        = string
  default     = "ubuntu@24.04"
}

variable "channel" {
  description = "Charmhub channel that both charms come from, such as latest/stable."
  type        = string
}

variable "model_uuid" {
  description = "UUID of the model to deploy to. All applications must be in one model."
  type        = string
}

variable "backend" {
  description = "Workers with the role backend; the attributes are the variables of worker-charm/terraform."
  type = object({
    app_name           = optional(string, "backend")
    config             = optional(map(string), {})
    constraints        = optional(string)
    resources          = optional(map(string), {})
    revision           = optional(number)
    storage_directives = optional(map(string), {})
    units              = optional(number, 1)
  })
  default = {}
}

variable "coordinator" {
  description = "The coordinator; the attributes are the variables of coordinator-charm/terraform."
  type = object({
    app_name           = optional(string, "coordinator")
    config             = optional(map(string), {})
    constraints        = optional(string)
    resources          = optional(map(string), {})
    revision           = optional(number)
    storage_directives = optional(map(string), {})
    units              = optional(number, 1)
  })
  default = {}
}

variable "frontend" {
  description = "Workers with the role frontend; the attributes are the variables of worker-charm/terraform."
  type = object({
    app_name           = optional(string, "frontend")
    config             = optional(map(string), {})
    constraints        = optional(string)
    resources          = optional(map(string), {})
    revision           = optional(number)
    storage_directives = optional(map(string), {})
    units              = optional(number, 1)
  })
  default = {}
}
