"""What can be asked of a running model: one function per request of `client.Model`.

Arguments and results are JSON values. Refusals are raised as ModelError, with Juju's words where
Juju has any.
"""
