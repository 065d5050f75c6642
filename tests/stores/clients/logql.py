"""The LogQL of alert rules and dashboards, evaluated with a store that does not speak it.

That store is VictoriaLogs. Only the forms of this repository's own expressions are known: lines
counted by labels, a quantile of a number in them, the ratio of two counts, any of these above a
threshold, and plain lines. Anything else is refused, so an expression in another form is noticed
rather than misread.
"""

import re
from collections.abc import Callable

Vector = dict[frozenset[tuple[str, str]], float]
"""The labels of a series, as pairs → its value."""

_LINES = r'(?P<selector>\{[^{}]*\}) (?P<stages>(?:`[^`]*`|"[^"]*"|[^`"[])*)'
_TERMS = tuple(
    re.compile(term, re.VERBOSE)
    for term in (
        rf"""
        sum(?:\ by\ \((?P<labels>[\w,\ ]+)\))?\ ?
        \((?P<function>rate|count_over_time)\({_LINES} \[(?P<range>\d+[smh])\]\)\)
        """,
        rf"""
        (?P<function>quantile_over_time)\((?P<quantile>0\.\d+),\ {_LINES} \[(?P<range>\d+[smh])\]\)
        \ by\ \((?P<labels>[\w,\ ]+)\)
        """,
    )
)
_SECONDS = {'s': 1, 'm': 60, 'h': 3600}
# A stage of a pipeline, and its equivalent in LogsQL. Loki's patterns match whole labels, but
# parts of lines. For a line that is not JSON, Loki sets __error__, VictoriaLogs no field.
_FIELDS = r'(?P<fields>(?P<first>\w+)="(?P=first)"(?:, \w+="\w+")*)'
_NAMED = re.compile(r'(\w+)="\1"(?=[,)])')  # LogsQL has the names of the fields alone
_JSON = r'| unpack_json from _msg fields (\g<fields>)'
_STAGES = (
    (r'\|~ `([^`]*)`', r'| filter _msg:~`\1`'),
    (r'!~ `([^`]*)`', r'| filter !_msg:~`\1`'),
    (rf'\| json {_FIELDS} \| __error__=""', rf'{_JSON} | filter \g<first>:*'),
    (
        rf'\| json {_FIELDS} \| unwrap (?P<number>\w+) \| __error__=""',
        rf'{_JSON} | filter \g<number>:~"^[0-9.]+$"',
    ),
    (r'\| (\w+) >= ([\d.]+)', r'| filter \1:>=\2'),
    (r'\| (\w+)=~"([^"]*)"', r'| filter \1:~"^(\2)$"'),
    (r'\| (\w+)!=""', r'| filter \1:*'),
)


class FormError(ValueError):
    """An expression has a form that is unknown here."""


def evaluate(expression: str, count: Callable[[str], Vector]) -> Vector:
    """Return the series that an expression gives now; those of an alert rule raise an alert each.

    Args:
        expression: in LogQL.
        count: asks the store for the statistics of a LogsQL query.

    Raises:
        FormError: if the expression has another form.
    """
    expression = ' '.join(expression.split())
    found = sorted(
        (match for term in _TERMS for match in term.finditer(expression)),
        key=lambda match: match.start(),
    )
    form, end = '', 0
    for match in found:
        form, end = f'{form}{expression[end : match.start()]}#', match.end()
    form, above, threshold = f'{form}{expression[end:]}'.partition(' > ')
    if form not in ('#', '# / #', '(# or # * 0) / #'):
        raise FormError(
            f'cannot evaluate {expression}: not a count, a quantile, or two counts divided'
        )

    def vector(term: re.Match[str]) -> Vector:
        window = int(term['range'][:-1]) * _SECONDS[term['range'][-1]]
        per = window if term['function'] == 'rate' else 1
        return {labels: value / per for labels, value in count(_query(term)).items()}

    limit = float(threshold) if above else None
    values = vector(found[0])
    if len(found) > 1:
        divisors = vector(found[-1])
        if len(found) > 2:
            zeros = divisors if found[1][0] == found[2][0] else vector(found[1])
            values = {**dict.fromkeys(zeros, 0.0), **values}
        values = {
            labels: value / divisors[labels]
            for labels, value in values.items()
            if divisors.get(labels)
        }
    return {labels: value for labels, value in values.items() if limit is None or value > limit}


def lines(expression: str) -> str:
    """Return the LogsQL that finds the lines of an expression without a count.

    Raises:
        FormError: if the expression has another form.
    """
    found = re.fullmatch(_LINES, expression.strip(), re.VERBOSE)
    if found is None:
        raise FormError(f'cannot find the lines of {expression}')
    return _pipeline(found)


def _query(term: re.Match[str]) -> str:
    """Return the LogsQL that has the same lines' statistics by the same labels."""
    what = 'count() as lines'
    if term['function'] == 'quantile_over_time':
        unwrapped = re.search(r'\| unwrap (\w+)', term['stages'])
        if unwrapped is None:
            raise FormError(f'cannot evaluate {term[0]}: no number is unwrapped')
        what = f'quantile({term["quantile"]}, {unwrapped[1]}) as value'
    by = f'by ({term["labels"]}) ' if term['labels'] else ''
    return f'_time:{term["range"]} {_pipeline(term)} | stats {by}{what}'


def _pipeline(found: re.Match[str]) -> str:
    parts = [found['selector']]
    rest = found['stages'].strip()
    while rest:
        for pattern, replacement in _STAGES:
            if stage := re.match(pattern, rest):
                parts.append(_NAMED.sub(r'\1', stage.expand(replacement)))
                rest = rest[stage.end() :].strip()
                break
        else:
            raise FormError(f'cannot evaluate the stage {rest}')
    return ' '.join(parts)
