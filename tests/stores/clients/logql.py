"""The LogQL of alert rules, evaluated with a store that does not speak it: VictoriaLogs.

It knows only the form of this repository's log rules: lines counted by labels, or the ratio of two
such counts, above a threshold. It refuses anything else, so a rule in another form is noticed
rather than misread.
"""

import re
from collections.abc import Callable

Vector = dict[frozenset[tuple[str, str]], float]
"""The labels of a series, as pairs → its value."""

_SUM = re.compile(
    r"""
    sum\ by\ \((?P<labels>[\w,\ ]+)\)\ ?
    \((?P<function>rate|count_over_time)\(
      (?P<selector>\{[^{}]*\}) (?P<stages>(?:`[^`]*`|[^`[])*) \[(?P<range>\d+[smh])\]
    \)\)
    """,
    re.VERBOSE,
)
_SECONDS = {'s': 1, 'm': 60, 'h': 3600}
# A stage of a pipeline, and its equivalent in LogsQL. Loki's patterns match whole labels, but
# parts of lines. For a line that is not JSON, Loki sets __error__, VictoriaLogs no field.
_STAGES = (
    (r'\|~ `([^`]*)`', r'| filter _msg:~`\1`'),
    (r'\| json (\w+)="\1" \| __error__=""', r'| unpack_json from _msg fields (\1) | filter \1:*'),
    (r'\| (\w+) >= ([\d.]+)', r'| filter \1:>=\2'),
    (r'\| (\w+)=~"([^"]*)"', r'| filter \1:~"^(\2)$"'),
)


class FormError(ValueError):
    """An expression has a form that is unknown here."""


def evaluate(expression: str, count: Callable[[str], Vector]) -> Vector:
    """Return the series that an alert rule's expression gives now; each raises an alert.

    Args:
        expression: in LogQL.
        count: asks the store to count with a LogsQL query.

    Raises:
        FormError: if the expression has another form.
    """
    expression = ' '.join(expression.split())
    sums, _, threshold = expression.rpartition(' > ')
    found = list(_SUM.finditer(sums))
    between = _SUM.sub('', sums).strip()
    if (len(found), between) not in ((1, ''), (2, '/')):
        raise FormError(f'cannot evaluate {expression}: not a sum, or two divided, above a number')

    def vector(counted: re.Match[str]) -> Vector:
        window = int(counted['range'][:-1]) * _SECONDS[counted['range'][-1]]
        per = window if counted['function'] == 'rate' else 1
        return {labels: value / per for labels, value in count(_query(counted)).items()}

    values = vector(found[0])
    if len(found) == 2:
        divisors = vector(found[1])
        values = {
            labels: value / divisors[labels]
            for labels, value in values.items()
            if divisors.get(labels)
        }
    return {labels: value for labels, value in values.items() if value > float(threshold)}


def _query(counted: re.Match[str]) -> str:
    """Return the LogsQL that counts the same lines by the same labels."""
    parts = [f'_time:{counted["range"]} {counted["selector"]}']
    rest = counted['stages'].strip()
    while rest:
        for pattern, replacement in _STAGES:
            if stage := re.match(pattern, rest):
                parts.append(stage.expand(replacement))
                rest = rest[stage.end() :].strip()
                break
        else:
            raise FormError(f'cannot evaluate the stage {rest}')
    return ' '.join([*parts, f'| stats by ({counted["labels"]}) count() as lines'])
