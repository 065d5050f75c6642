"""One process per model: runs the units' agents, and answers the `juju` program and hook tools."""
