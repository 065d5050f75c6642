"""Roles: which ones workers can have, and how many of each are needed."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping

from . import addresses


@dataclasses.dataclass(frozen=True)
class Roles:
    """The roles that workers can have.

    Attributes:
        minimal_deployment: role → the least number of units.
        meta_roles: meta-role → the roles that it stands for.
    """

    minimal_deployment: Mapping[str, int]
    meta_roles: Mapping[str, tuple[str, ...]]

    def expand(self, text: str) -> tuple[str, ...]:
        """The roles that a comma-separated list stands for, sorted.

        Raises:
            ValueError: if it contains an unknown role.
        """
        roles: set[str] = set()
        for role in filter(None, (part.strip() for part in text.split(','))):
            if role in self.meta_roles:
                roles.update(self.meta_roles[role])
            elif role in self.minimal_deployment:
                roles.add(role)
            else:
                known = ', '.join([*self.minimal_deployment, *self.meta_roles])
                raise ValueError(f'unknown role "{addresses.shorten(role)}", known are {known}')
        return tuple(sorted(roles))

    def missing(self, units: Iterable[tuple[str, ...]]) -> list[str]:
        """The roles with fewer units than the minimal deployment needs, sorted.

        Args:
            units: the roles of each unit.
        """
        have = collections.Counter(role for roles in units for role in roles)
        return sorted(
            role for role, least in self.minimal_deployment.items() if have[role] < least
        )
