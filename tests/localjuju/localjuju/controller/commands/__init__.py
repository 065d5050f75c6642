"""The requests to a running model: one function per request of `client.Model`.

Arguments and results are JSON values. A refusal raises ModelError, in Juju's words if Juju has
any.
"""
