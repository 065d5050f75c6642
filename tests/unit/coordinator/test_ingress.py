"""The ingress in front of nginx: what it is asked for, and what becomes of its URL."""

import dataclasses
import ipaddress
import json
from pathlib import Path
from typing import Annotated, Literal

import ops
import pydantic
import pytest

import golden
import hostile
import juju
import nginxconf
from coordinator import scene, serving
from coordinator.source import ingress, nginx_config

GOLDEN = Path(__file__).parent / 'golden'
URL = 'http://10.0.0.1/m-coordinator'


@pytest.fixture
def unit(tmp_path):
    return scene.Coordinator(tmp_path)


def related(*relations, **options):
    """An ingress, workers of both roles and others."""
    return [scene.workers('both', id=11), scene.traefik(**options), *relations]


# What is published


@pytest.fixture
def published(unit):
    return unit.update_status(unit.state(*related(url=URL))).get_relation(23)


def test_the_leader_asks_for_the_application(published):
    golden.check(GOLDEN / 'ingress.app.txt', golden.databag(published.local_app_data))


def test_each_unit_says_where_it_is(published):
    golden.check(GOLDEN / 'ingress.unit.txt', golden.databag(published.local_unit_data))


class HealthCheck(pydantic.BaseModel):
    """As the library of traefik-k8s declares it."""

    path: str
    scheme: str | None = None
    hostname: str | None = None
    port: int | None = None
    interval: str = '30s'
    timeout: str = '5s'


class ApplicationData(pydantic.BaseModel):
    """The application databag of a requirer, as the library of traefik-k8s reads it."""

    model: str
    name: str
    port: Annotated[int, pydantic.Field(gt=0, lt=65535, strict=True)]
    healthcheck_params: HealthCheck | None = None
    strip_prefix: Annotated[bool | None, pydantic.Field(alias='strip-prefix')] = False
    redirect_https: Annotated[bool | None, pydantic.Field(alias='redirect-https')] = False
    scheme: Literal['http', 'https', 'h2c'] = 'http'


class UnitData(pydantic.BaseModel):
    """The databag of a requirer's unit, as the library of traefik-k8s reads it."""

    host: Annotated[str, pydantic.Field(strict=True)]
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address | None = None


def test_the_field_reads_it(published):
    def read(model, databag):
        known = {field.alias or name for name, field in model.model_fields.items()}
        values = {key: json.loads(text) for key, text in databag.items() if key in known}
        assert values.keys() == databag.keys()  # nothing that it would not read
        return model.model_validate(values)

    app = read(ApplicationData, published.local_app_data)
    assert app.model_dump(exclude_unset=True) == {
        'model': 'm',
        'name': 'coordinator',
        'port': 8080,
        'healthcheck_params': {'path': '/-/healthy', 'interval': '5s', 'timeout': '2s'},
        'strip_prefix': True,
        'redirect_https': False,
        'scheme': 'http',
    }
    own = read(UnitData, published.local_unit_data)
    assert (own.host, str(own.ip)) == (scene.host('coordinator/0'), '192.0.2.0')


def test_a_unit_that_does_not_lead_publishes_its_own_alone(unit, published):
    after = unit.update_status(unit.state(*related(url=URL), leader=False)).get_relation(23)
    assert after.local_app_data == {}
    assert after.local_unit_data == published.local_unit_data


def test_a_pod_without_an_address_yet_has_a_name(unit, monkeypatch):
    from scenario import mocking

    def network_get(self, *arguments, **options):
        raise ops.ModelError('no network config found')

    monkeypatch.setattr(mocking._MockModelBackend, 'network_get', network_get)
    after = unit.update_status(unit.state(*related()))
    assert after.get_relation(23).local_unit_data.keys() == {'host'}


@pytest.mark.parametrize(
    ('url', 'redirects'),
    [(None, False), (URL, False), ('https://a.example/m-coordinator', True)],
)
def test_plain_http_is_redirected_where_the_ingress_has_tls(unit, url, redirects):
    after = unit.update_status(unit.state(*related(url=url)))
    assert json.loads(after.get_relation(23).local_app_data['redirect-https']) is redirects


@pytest.mark.parametrize('url', [None, URL])
def test_nothing_is_written_twice(unit, calls, url):
    after = unit.update_status(unit.state(*related(scene.catalogue(), url=url)))
    calls.clear()
    unit.update_status(after)
    assert calls.changes() == []


# TLS


def scheme(state):
    return json.loads(state.get_relation(23).local_app_data['scheme'])


def test_units_are_called_with_https_when_all_serve_it(unit):
    others = scene.peers(databags={1: serving.OTHER_UNIT}, id=19)
    state = unit.state(*related(others, scene.certificates(id=20)))
    asking = unit.update_status(state)
    assert scheme(asking) == 'http'
    assert scheme(scene.answered(unit, asking)) == 'https'


def test_units_are_called_with_http_as_long_as_one_serves_nothing_else(unit):
    state = unit.state(*related(scene.peers([1], id=19), scene.certificates(id=20)))
    assert scheme(scene.answered(unit, unit.update_status(state))) == 'http'


# What the ingress answers


def read_url(unit, *relations):
    with unit.ctx(unit.ctx.on.update_status(), unit.state(*relations)) as manager:
        after = manager.run()
        ignored = {item.name: item.why for item in manager.charm.report.ignored}
        return manager.charm._state.ingress_url, ignored, after


@pytest.mark.parametrize('url', hostile.URLS.values(), ids=hostile.URLS)
def test_its_url_is_read(unit, url):
    assert read_url(unit, *related(url=url))[:2] == (url, {})


def test_its_url_is_in_the_status(unit):
    after = unit.update_status(unit.state(*related(url=URL)))
    assert after.unit_status == ops.ActiveStatus(f'1 worker (gate 1, vault 1) at {URL}')


def test_a_long_url_is_cut_there(unit):
    after = unit.update_status(unit.state(*related(url=f'http://a/{2000 * "b"}')))
    assert len(after.unit_status.message) < 200


def test_an_ingress_that_is_not_ready_is_no_fault(unit):
    assert read_url(unit, *related())[:2] == ('', {})


def check_ignored(unit, tmp_path, raw, calls):
    """What the ingress said is ignored and named, and everything else is as without it."""
    url, ignored, after = read_url(unit, *related(scene.catalogue(), raw=raw))
    assert url == ''
    assert [*ignored] == ['traefik ingress']
    assert 'ignored: traefik ingress (' in after.unit_status.message
    assert len(after.unit_status.message) < 400
    assert len([text for text in juju.warnings(unit.ctx) if 'ignored: ' in text]) == 1
    (tmp_path / 'other').mkdir()
    other = scene.Coordinator(tmp_path / 'other')
    expected = other.update_status(other.state(*related(scene.catalogue())))
    assert scene.outcome(unit, after) == scene.outcome(other, expected)
    calls.clear()
    unit.update_status(after)
    assert calls.changes() == []


@pytest.mark.parametrize('url', hostile.NOT_URLS.values(), ids=hostile.NOT_URLS)
def test_a_url_that_is_none_is_ignored_and_named(unit, tmp_path, url, calls):
    check_ignored(unit, tmp_path, json.dumps({'url': url}), calls)


@pytest.mark.parametrize('raw', hostile.RAW.values(), ids=hostile.RAW)
def test_whatever_it_says_only_a_url_is_used(unit, tmp_path, raw, calls):
    check_ignored(unit, tmp_path, raw, calls)


def test_an_ingress_that_goes_takes_its_url_along(unit):
    before = unit.update_status(unit.state(*related(scene.catalogue(), url=URL)))
    assert before.get_relation(22).local_app_data['url'] == URL
    broken = before.get_relation(23)
    after = unit.ctx.run(unit.ctx.on.relation_broken(broken), before)
    inside = 'http://coordinator.m.svc.cluster.local:8080'
    assert after.get_relation(22).local_app_data['url'] == inside
    assert URL not in after.unit_status.message


# nginx


@pytest.mark.parametrize('url', ['', URL])
def test_nginx_believes_an_ingress_that_serves(unit, url):
    unit.update_status(unit.state(*related(url=url)))
    assert ('$http_x_forwarded_proto' in unit.config) == bool(url)


@pytest.mark.parametrize('servers', [1, 2], ids=['plain', 'tls'])
def test_every_server_of_clients_answers_the_health_check_itself(unit, servers):
    state = unit.update_status(unit.state(*related(scene.peers(id=19), scene.certificates(id=20))))
    if servers == 2:
        scene.answered(unit, state)
    assert ingress._HEALTH_CHECK['path'] == nginx_config.HEALTH_PATH
    (http,) = [d for d in nginxconf.parse(unit.config) if d.words == ('http',)]
    found = [d for d in http.block or () if d.words == ('server',)]
    locations = [
        [' '.join(inner.words) for inner in one.block or ()]
        for server in found
        for one in server.block or ()
        if one.words == ('location', '=', nginx_config.HEALTH_PATH)
    ]
    assert locations == [['access_log off', 'return 200']] * servers


def test_no_role_is_at_the_path_of_the_health_check(unit):
    from coordinator.source import workload

    assert nginx_config.HEALTH_PATH not in workload.WORKLOAD.locations


def test_of_a_relation_that_juju_refuses_there_is_nothing(unit):
    state = unit.update_status(unit.state(*related(scene.catalogue(), url=URL)))
    changed = dataclasses.replace(state.get_relation(23), remote_app_data={})
    with juju.refusing(23):
        after = unit.update_status(scene.replaced(state, changed))
    assert URL not in after.get_relation(22).local_app_data['url']
