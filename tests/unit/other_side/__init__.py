"""PyPI's coordinated-workers on either side of `cluster`, and ours on the other."""
