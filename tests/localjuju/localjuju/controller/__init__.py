"""One process per model: runs the units' agents, answers the `juju` program and hook tools."""
