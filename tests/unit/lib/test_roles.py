"""Roles: what a list of them stands for, and when a deployment has them all."""

import pytest

from coordinated_telemetry import roles

ROLES = roles.Roles(
    minimal_deployment={'read': 1, 'write': 3, 'backend': 0},
    meta_roles={'all': ('read', 'write', 'backend'), 'rw': ('write', 'read')},
)


@pytest.mark.parametrize(
    ('text', 'roles'),
    [
        ('', ()),
        (' , ,', ()),
        ('read', ('read',)),
        ('write,read', ('read', 'write')),
        (' write , read ', ('read', 'write')),
        ('read,read', ('read',)),
        ('rw', ('read', 'write')),
        ('all', ('backend', 'read', 'write')),
        ('all,read', ('backend', 'read', 'write')),
    ],
)
def test_a_list_stands_for_roles_each_once_and_sorted(text, roles):
    assert ROLES.expand(text) == roles


@pytest.mark.parametrize('text', ['reed', 'read,reed', 'READ', 'read;write', 'all-', 'é'])
def test_an_unknown_role_is_refused_with_those_that_are_known(text):
    with pytest.raises(ValueError, match='known are read, write, backend, all, rw'):
        ROLES.expand(text)


def test_an_unknown_role_is_named_in_short():
    with pytest.raises(ValueError, match=r'unknown role "x{80}\.\.\."'):
        ROLES.expand('x' * 10**6)


@pytest.mark.parametrize(
    ('units', 'missing'),
    [
        ([], ['read', 'write']),
        ([()], ['read', 'write']),
        ([('read',)], ['write']),
        ([('read', 'write'), ('write',)], ['write']),
        ([('read', 'write')] * 3, []),
    ],
)
def test_a_role_is_missing_while_fewer_units_have_it_than_it_takes(units, missing):
    assert ROLES.missing(units) == missing
