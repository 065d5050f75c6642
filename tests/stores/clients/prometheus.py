"""Prometheus' HTTP API, the same for the local stores and COS Lite."""

import json
from typing import Any

from .http import Api
from .types import Alert, Rule, Series, Target


class Prometheus:
    """The questions of `Stores` that a Prometheus answers.

    Args:
        api: Prometheus' API, with /api/v1 below its base URL.
    """

    def __init__(self, api: Api) -> None:
        self._metrics = api

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the vector of an instant query."""
        answer = self._metrics.json('/api/v1/query', {'query': expression})
        return answer['data']['result']

    def vector(self, expression: str) -> list[Series]:
        """Return what `Stores.vector` promises."""
        return series_of(self.query(expression))

    def history(
        self, expression: str, start: float, end: float, step: float
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Return the series of a range query: labels, and pairs of a time and a value.

        Args:
            expression: in PromQL.
            start: the first time, in seconds since the epoch.
            end: the last time.
            step: seconds between two values.
        """
        query = {'query': expression, 'start': start, 'end': end, 'step': step}
        answer = self._metrics.json('/api/v1/query_range', query)
        return [
            (result['metric'], [(moment, float(value)) for moment, value in result['values']])
            for result in answer['data']['result']
        ]

    def series(self, unit: str) -> list[Series]:
        """Return what `Stores.series` promises; an ended series is stale, so it is absent."""
        return self.vector(f'{{juju_unit={json.dumps(unit)}}}')

    def samples(self, unit: str) -> int:
        """Return what `Stores.samples` promises, from the scraper's own count."""
        scraped = f'scrape_samples_scraped{{juju_unit={json.dumps(unit)}}}[10m]'
        result = self.query(f'sum(sum_over_time({scraped}))')
        return int(float(result[0]['value'][1])) if result else 0

    def targets(self) -> list[Target]:
        """Return what `Stores.targets` promises."""
        answer = self._metrics.json('/api/v1/targets', {'state': 'active'})
        return [
            Target(target['labels'], target['scrapeUrl'], target['health'], target['lastError'])
            for target in answer['data']['activeTargets']
        ]

    def rules(self) -> list[Rule]:
        """Return what `Stores.rules` promises."""
        answer = self._metrics.json('/api/v1/rules', {'type': 'alert'})
        return rules_of(answer)

    def alerts(self) -> list[Alert]:
        """Return what `Stores.alerts` promises."""
        answer = self._metrics.json('/api/v1/alerts')
        found: list[Alert] = []
        for alert in answer['data']['alerts']:
            labels = dict(alert['labels'])
            name = labels.pop('alertname')
            found.append(Alert(name, labels, alert['annotations'], alert['state']))
        return found


def series_of(vector: list[dict[str, Any]]) -> list[Series]:
    """Return the series of a vector, whose format Prometheus, Loki and VictoriaLogs share."""
    found: list[Series] = []
    for result in vector:
        labels = dict(result['metric'])
        found.append(Series(labels.pop('__name__', ''), labels, float(result['value'][1])))
    return found


def rules_of(answer: dict[str, Any]) -> list[Rule]:
    """Return the rules in Prometheus' or Loki's answer to /api/v1/rules."""
    return [
        Rule(
            group=group['name'],
            name=rule['name'],
            expr=rule['query'],
            labels=rule.get('labels') or {},
            state=rule.get('state', ''),
            error=rule.get('lastError', ''),
        )
        for group in answer['data']['groups']
        for rule in group['rules']
    ]
