"""Reading an nginx.conf back, by the rules of nginx's own tokenizer."""

import dataclasses
import re

_TOKEN = re.compile(
    r"""
      (?P<space>\s+ | \#[^\n]*)
    | (?P<mark>[{};])
    | (?P<quoted>"(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*')
    | (?P<word>(?:\$\{ | [^\s;{}\\"'] | \\.)(?:\$\{[^}]*\} | [^\s;{}\\] | \\.)*)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclasses.dataclass(frozen=True)
class Directive:
    """A directive: its words as they are written, and its block if it has one."""

    words: tuple[str, ...]
    block: tuple['Directive', ...] | None = None


def parse(text: str) -> tuple[Directive, ...]:
    """The directives of a configuration.

    Raises:
        ValueError: where nginx would not find any either.
    """
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f'no token at {text[position : position + 40]!r}')
        position = match.end()
        if match.lastgroup != 'space':
            tokens.append((match.lastgroup or '', match.group()))
    directives, rest = _block(tokens)
    if rest:
        raise ValueError(f'unexpected {rest[0][1]!r}')
    return directives


def _block(
    tokens: list[tuple[str, str]],
) -> tuple[tuple[Directive, ...], list[tuple[str, str]]]:
    found: list[Directive] = []
    words: list[str] = []
    while tokens:
        (kind, text), *tokens = tokens
        if kind != 'mark':
            words.append(text)
        elif text == ';' and words:
            found.append(Directive(tuple(words)))
            words = []
        elif text == '{' and words:
            inner, tokens = _block(tokens)
            if not tokens:
                raise ValueError(f'no end of the block {" ".join(words)}')
            tokens = tokens[1:]
            found.append(Directive(tuple(words), inner))
            words = []
        elif text == '}' and not words:
            return tuple(found), [(kind, text), *tokens]
        else:
            raise ValueError(f'unexpected {text!r} after {words}')
    if words:
        raise ValueError(f'no end of {words}')
    return tuple(found), []


def upstreams(text):
    """Role → the servers of its upstream, as nginx reads the configuration."""
    (http,) = [d.block for d in parse(text) if d.words == ('http',)]
    return {
        directive.words[1]: [
            inner.words[1] for inner in directive.block or () if inner.words[0] == 'server'
        ]
        for directive in http or ()
        if directive.words[0] == 'upstream'
    }
