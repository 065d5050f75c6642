"""The worker: a test module for each of its modules, and some about the whole charm."""
