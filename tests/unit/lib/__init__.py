"""The library: a test module for each of its modules."""
