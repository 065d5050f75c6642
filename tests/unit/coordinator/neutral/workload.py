"""A workload that there is not, in the place of the charm's own: the rest holds for any.

Its roles come in another order than podinfo's, and nothing else is podinfo's either.
"""

from coordinated_telemetry.roles import Roles

PORT = 7070
TLS_PORT = 7071

ROLES = Roles(
    minimal_deployment={'gate': 1, 'vault': 1},
    meta_roles={'all': ('gate', 'vault')},
)

LOCATIONS = {'/': 'gate', '/vault/': 'vault'}


def config(log_level: str) -> str:
    """The configuration file with which all workers run."""
    return f'says: {log_level}\n'
