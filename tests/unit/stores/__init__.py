"""The stores and their clients."""
