"""Every query of the dashboards, asked of live stores for each unit that it is meant for."""

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

import baseline
import grafana
from deployment import NGINX_PORT
from model import Model, eventually
from traffic import ask

# The panels show what podinfo counts.
pytestmark = pytest.mark.workload

UNITS = {'coordinator': baseline.COORDINATORS, 'workers': baseline.WORKERS}
"""Dashboard → the units that it is about."""
BOARDS = {path.stem: grafana.read(path) for path in grafana.files()}
BOTH = pytest.mark.parametrize('board', UNITS)


@pytest.fixture
def busy(deployed: Model) -> Model:
    """The deployment, with requests behind it, a few of which failed."""
    for unit in baseline.COORDINATORS:
        send(deployed, unit)
        # Too few for an alert.
        answer = deployed.cluster.http(unit, NGINX_PORT, '/status/500')
        assert answer.status == 500
    return deployed


def send(model: Model, unit: str) -> None:
    """Send requests through a coordinator, enough for each worker to get some."""
    for _ in range(20):
        ask(model, unit)


def values(model: Model, unit: str, language: str) -> dict[str, str]:
    """The variables when somebody looks at one unit.

    A workload that has nothing to say is silent for more than a minute.
    """
    window = {'prometheus': '1m', 'loki': '1h'}[language]
    topology = {
        'juju_model': [str(model.juju.model)],
        'juju_application': [unit.partition('/')[0]],
        'juju_unit': [unit],
    }
    return grafana.values(window=window, time_range='1h', topology=topology)


def queries(board: str) -> Iterator[tuple[grafana.Panel, grafana.Query]]:
    for panel in grafana.panels(BOARDS[board]):
        for query in panel.queries:
            yield panel, query


def without_data(model: Model, board: str, language: str) -> list[str]:
    """The queries that find nothing for a unit: panel, letter of the query, unit."""
    missing: list[str] = []
    for unit in UNITS[board]:
        for panel, query in queries(board):
            if query.language != language:
                continue
            expression = grafana.substituted(query.expression, values(model, unit, language))
            if not found(model, panel, language, expression):
                missing.append(f'{panel.title} {query.ref} of {unit}')
    return missing


def found(model: Model, panel: grafana.Panel, language: str, expression: str) -> bool:
    """Whether an expression finds lines, or series of which one at least is a number."""
    if panel.has_lines:
        return bool(model.stores.log_lines(expression, limit=1))
    ask = model.stores.vector if language == 'prometheus' else model.stores.log_vector
    return any(math.isfinite(series.value) for series in ask(expression))


def test_there_is_a_dashboard_for_each_kind_of_unit() -> None:
    assert BOARDS.keys() == UNITS.keys()


@BOTH
@pytest.mark.parametrize('language', ['prometheus', 'loki'])
def test_every_query_finds_data_of_every_unit(busy: Model, board: str, language: str) -> None:
    def check() -> None:
        for unit in baseline.COORDINATORS:
            send(busy, unit)
        assert without_data(busy, board, language) == []

    eventually(check)


@BOTH
def test_the_variables_offer_the_units_and_no_others(deployed: Model, board: str) -> None:
    def check() -> None:
        assert offered(deployed, board, 'juju_unit') == {*UNITS[board]}
        assert offered(deployed, board, 'juju_application') == applications(board)
        assert offered(deployed, board, 'juju_model') == {deployed.juju.model}

    eventually(check)


@BOTH
def test_all_is_all_of_these_units_and_no_others(busy: Model, board: str) -> None:
    topology = {'juju_application': applications(board)}
    everything = grafana.values(window='1h', time_range='1h', topology=topology)
    for panel, query in queries(board):
        expression = grafana.substituted(query.expression, everything)
        if panel.has_lines:
            shown = {line.labels['juju_unit'] for line in busy.stores.log_lines(expression)}
        else:
            language = query.language
            ask = busy.stores.vector if language == 'prometheus' else busy.stores.log_vector
            found = [series.labels.get('juju_unit') for series in ask(expression)]
            shown = {unit for unit in found if unit}
        assert shown <= {*UNITS[board]}, panel.title


def applications(board: str) -> set[str]:
    """The applications of the units that a dashboard is about."""
    return {unit.partition('/')[0] for unit in UNITS[board]}


def offered(model: Model, board: str, variable: str) -> set[str | None]:
    """What Grafana offers for a variable, when all is chosen for the others."""
    label, series = grafana.offered(BOARDS[board], variable)
    expression = grafana.substituted(series, grafana.values(window='1m', time_range='1h'))
    found = model.stores.vector(f'group by ({label}) ({expression})')
    return {one.labels.get(label) for one in found}


def test_the_columns_of_the_access_log_are_in_its_lines(busy: Model) -> None:
    (panel,) = [
        panel
        for panel in grafana.panels(BOARDS['coordinator'])
        if panel.kind == 'table' and panel.has_lines
    ]
    (expression,) = [query.expression for query in panel.queries]

    def check() -> None:
        for unit in UNITS['coordinator']:
            lines = busy.stores.log_lines(
                grafana.substituted(expression, values(busy, unit, 'loki')), limit=20
            )
            assert lines
            for line in lines:
                assert columns(panel) <= {'Time', *line.labels, *json.loads(line.text)}

    eventually(check)


def columns(panel: grafana.Panel) -> set[str]:
    """The fields that a table shows, by the names that they have in the answer."""
    transformations: list[Any] = panel.json['transformations']
    return {*transformations[-1]['options']['renameByName']}
