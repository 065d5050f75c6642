"""A local Juju: runs packed Kubernetes charms on one Linux machine, without Juju or Kubernetes."""

#: The version of Juju that it imitates.
JUJU_VERSION = '3.6.12'
