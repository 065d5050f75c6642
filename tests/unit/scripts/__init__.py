"""The tools of the repository: a test module for each."""
