"""Where units run: namespaces, network, containers, and the images of the containers."""
