"""Untrusted YAML: only what is safe to load.

A small text can take minutes to load (nesting), grow huge (aliases), or demand any conversion
(tags). The events of PyYAML's parser reveal all three before anything is built.
"""

from typing import Any

import yaml

from . import addresses

DEPTH = 20
"""How deeply mappings and lists may be nested."""

_SAFE: type[yaml.SafeLoader] = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


class _Loader(_SAFE):
    """Refuses duplicate keys; PyYAML's own loader takes the last one, where other parsers fail."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    raise ValueError(f'it has the key "{addresses.shorten(key.value)}" twice')
                keys.add(key.value)
        return super().construct_mapping(node, deep)


def load(text: str, *, aliases: bool = False) -> Any:
    """The one document in `text`, as plain Python values.

    Args:
        text: the document.
        aliases: whether it may contain any; the charm's own files may.

    Raises:
        ValueError: if it is not YAML, has tags, a duplicate key or (unless allowed) aliases, or
            is nested more than `DEPTH` deep.
    """
    try:
        _check(text, aliases)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 a subclass of the safe one
    except yaml.YAMLError as error:
        raise ValueError(f'not YAML: {str(error).splitlines()[0]}') from None
    except KeyError as error:  # PyYAML lets it escape for some values
        raise ValueError(f'not YAML: {error}') from None


def check_mapping(text: str) -> str:
    """Accept a YAML mapping with text keys, as most workloads' configuration is.

    Raises:
        ValueError: for anything else, and for what `load` does not read.
    """
    found = load(text)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise ValueError('expected a mapping with text keys')
    return text


def _check(text: str, aliases: bool) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_SAFE):
        if isinstance(event, yaml.AliasEvent) and not aliases:
            raise ValueError('it has aliases')
        if (tag := getattr(event, 'tag', None)) is not None:
            raise ValueError(f'it has the tag {tag}')
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise ValueError(f'it is nested more than {DEPTH} deep')
