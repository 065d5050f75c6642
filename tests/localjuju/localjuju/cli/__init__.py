"""The `juju` program: parses a command line, asks a controller, prints the answer."""
