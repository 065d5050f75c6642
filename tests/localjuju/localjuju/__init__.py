"""A local Juju: runs packed Kubernetes charms on one Linux machine, without Juju or Kubernetes."""
