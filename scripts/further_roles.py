"""Where the roles of the workers stand in the reference pair: what a third one has to get.

The reference pair has two roles. In a pair with more of them, made by `make new-charm`, each
further role gets a copy of what the second one has: an option of the worker, a place in the
description of the coordinator, and all that follows from these. A further role is a required one:
without a unit of it, the coordinator is blocked. The demo and the tests deploy what the
description says.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple


class Part(NamedTuple):
    """A part of a file that stands for the second role.

    Attributes:
        pattern: a regular expression, of whole lines where it begins with ^, found exactly once.
        old: what of it a further role has something else for.
        new: what that is, with `{role}` for its name.
    """

    pattern: str
    old: str = 'backend'
    new: str = '{role}'


COPIED = {
    'worker-charm/charmcraft.yaml': (Part(r'^    role-backend:\n(?:      .*\n)+'),),
    'worker-charm/README.md': (Part(r'^\| `role-backend` .*\n'),),
    'coordinator-charm/src/workload.py': (
        Part(r"(?<=minimal_deployment=\{'frontend': 1), 'backend': 1(?=\})"),
        Part(r"(?<='all': \()'backend', "),
        Part(r"(?<=locations=\{'/': 'frontend'), '/backend/': 'backend'(?=\})"),
        # Before the last of the examples, whose trace the demo shows.
        Part(r"^        Request\('/', .*\n", "'/'", "'/{role}/'"),
    ),
    'terraform/main.tf': (Part(r'(?<=workers = \{ )backend = var\.backend, '),),
    'terraform/variables.tf': (Part(r'^variable "backend" \{\n(?:.*\n)*?\}\n\n'),),
    'probes/cluster-consistency.yaml': (
        Part(r'^          backend: 1\n'),
        Part(r'(?<=all: \[frontend), backend(?=\])'),
    ),
    'docs/reference.md': (Part(r'^\| `role-backend` .*\n'),),
    'docs/how-to/deploy.md': (
        Part(r'^juju deploy \S+ backend .*\n(?:    .*\n)+'),
        Part(r'^juju integrate coordinator:cluster backend:cluster\n'),
        Part(r'^  backend +=.*\n'),
    ),
    'tests/unit/probed/status.yaml': (
        Part(r'^  backend:\n(?:    .*\n)+'),
        Part(r'^      - related-application: backend\n        interface: coordinator_.*\n.*\n'),
    ),
    'tests/unit/probed/show-unit.yaml': (
        Part(
            r'^  - relation-id: .*\n    endpoint: cluster\n.*\n    application-data:\n'
            r"      role: '\"backend\"'\n(?:    .*\n)+"
        ),
        Part(r'^backend/0:\n(?:  .*\n)+'),
    ),
}
"""Path in the repository → the parts of the file, each of which is copied after itself."""


def with_places(path: str, text: str, further: int) -> str:
    """A file of the reference pair with a place for each of some further roles.

    Args:
        path: of the file, in the repository.
        text: its text.
        further: how many roles there are beyond the second.

    Returns:
        The text, with a character of its own in the place of the name of each further role, which
        no other renaming changes.

    Raises:
        ValueError: if one of the parts is not found exactly once.
    """
    if not further:
        return text
    for part in COPIED.get(path, ()):
        found = list(re.finditer(part.pattern, text, re.MULTILINE))
        if len(found) != 1:
            raise ValueError(
                f'{path}: cannot add a role: expected to find {part.pattern!r} once, and found it '
                f'{len(found)} times; scripts/further_roles.py has to follow what changed there'
            )
        [match] = found
        copies = [
            match[0].replace(part.old, part.new.format(role=_place(number)))
            for number in range(further)
        ]
        text = ''.join([text[: match.end()], *copies, text[match.end() :]])
    return text


def named(text: str, further: Sequence[str]) -> str:
    """The text with the names of the further roles in their places."""
    for number, role in enumerate(further):
        text = text.replace(_place(number), role)
    return text


def _place(number: int) -> str:
    return chr(0xE000 + number)  # for private use: in no other text
