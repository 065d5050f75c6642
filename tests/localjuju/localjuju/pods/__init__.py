"""Where units run: namespaces, network, containers, and the images they are made from."""
