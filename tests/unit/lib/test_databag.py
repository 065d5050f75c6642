"""One databag: how its text is read, and how it is written."""

import json
from typing import Any

import hypothesis
import pydantic
import pytest
from hypothesis import strategies as st

import hostile
from coordinated_telemetry import cluster_data, databag, logs, metrics, rolling, traces
from lib.reader import Data, Inner, Plain

# Reading


def test_plain_values_are_read_as_they_are():
    assert databag.parse(Plain, {'host': '"a"'}) == {'data': {'host': '"a"'}}


ALL = {'name': 'é', 'numbers': [1, 2], 'inner': {'host': '::1'}}
TEXT = {'name': '"é"', 'numbers': '[1, 2]', 'inner': '{"host": "::1"}'}


@pytest.mark.parametrize(
    ('content', 'parsed'),
    [
        ({}, {}),
        ({'ingress-address': '10.0.0.1', 'Name': '['}, {}),
        (TEXT, {'data': ALL}),
        ({**TEXT, 'foreign': 'not JSON'}, {'data': ALL}),
        ({**TEXT, 'inner': '{"host": "::1", "more": null}'}, {'data': ALL}),
        ({'name': '"a"'}, {'data': {'name': 'a'}}),
        ({'name': '"a"', 'numbers': 'null'}, {'data': {'name': 'a'}}),
        ({'name': '"a"', 'numbers': '[]'}, {'data': {'name': 'a', 'numbers': []}}),
    ],
)
def test_values_are_json_and_other_keys_are_ignored(content, parsed):
    assert databag.parse(Data, content) == parsed


@pytest.mark.parametrize(
    ('content', 'why'),
    [
        ({'numbers': '[1]'}, 'name: Field required'),
        ({'name': '1'}, 'name: Input should be a valid string'),
        ({'name': 'null'}, 'name: Input should be a valid string'),
        ({'name': 'a'}, 'name: not JSON, expected value at line 1 column 1'),
        ({'name': 'a', 'inner': '{'}, 'name: not JSON, expected value at line 1 column 1'),
        (
            {'name': f'"{hostile.LONG}"'},
            f'{len(hostile.LONG) + 6} bytes of relation data, at most 262144 are read',
        ),
    ],
)
def test_what_it_cannot_do_without_costs_the_whole_databag(content, why):
    assert databag.parse(Data, content) == {'why': [why]}


NUMBERS = 'numbers.0: Input should be a valid integer'
HOST = 'inner.host: expected a hostname or an IP address, got "[::1]"'


@pytest.mark.parametrize(
    ('others', 'why'),
    [
        ({'numbers': '["1"]'}, [NUMBERS]),
        ({'numbers': '[true]'}, [NUMBERS]),
        ({'inner': '{"host": "[::1]"}'}, [HOST]),
        ({'numbers': '["1"]', 'inner': '{"host": "[::1]"}'}, [NUMBERS, HOST]),
        ({'numbers': '['}, ['numbers: not JSON, EOF while parsing a list at line 1 column 1']),
        (
            {'numbers': '["1"]', 'inner': '{'},
            ['inner: not JSON, EOF while parsing an object at line 1 column 1', NUMBERS],
        ),
    ],
)
def test_what_it_can_do_without_is_ignored_alone_with_the_reason(others, why):
    parsed = databag.parse(Data, {'name': '"a"', **others})
    assert parsed == {'data': {'name': 'a'}, 'why': why}


def test_optional_keys_that_are_all_wrong_leave_nothing_to_use():
    wrong = {'worker_config': '1', 'loki_endpoints': '[]'}
    parsed = databag.parse(cluster_data.CoordinatorData, wrong)
    assert 'data' not in parsed
    assert [line.partition(':')[0] for line in parsed['why']] == [
        'worker_config',
        'loki_endpoints',
    ]


def test_a_databag_that_is_too_big_is_not_decoded(monkeypatch):
    def refuse(text: str) -> Any:
        raise AssertionError('decoded')

    monkeypatch.setattr(databag, '_decode', refuse)
    content = {'name': '"a"', 'foreign': '[' * (databag.MAX_BYTES + 1)}
    assert list(databag.parse(Data, content)) == ['why']


def test_a_databag_just_as_big_as_may_be_is_read():
    name = 'x' * (databag.MAX_BYTES - len('name') - 2)
    assert databag.parse(Data, {'name': f'"{name}"'}) == {'data': {'name': name}}
    assert list(databag.parse(Data, {'name': f'"{name}x"'})) == ['why']


@hypothesis.given(
    st.dictionaries(st.sampled_from([*TEXT, 'foreign']), hostile.raw_values, max_size=4)
)
@hypothesis.settings(max_examples=hostile.examples(300))
def test_what_is_used_fits_the_model_and_what_is_not_has_a_reason(content):
    parsed = databag.parse(Data, content)
    assert parsed.keys() <= {'data', 'why'}
    if 'data' in parsed:
        used = Data.model_validate(parsed['data'])
        assert json.loads(json.dumps(parsed['data'])) == parsed['data']
        assert used.model_dump(mode='json') == parsed['data']
    else:
        assert bool(parsed) == bool(content.keys() & TEXT.keys())
    for line in parsed.get('why', []):
        assert line.isprintable()
        assert len(line) < 300


class _Three(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    a: dict[str, int]


@pytest.mark.parametrize(
    ('error', 'expected'),
    [
        (ValueError('plain'), 'plain'),
        (ValueError('a\nb\x1b' + 'c' * 500), 'a\\nb\\x1b' + 'c' * 152 + '...'),
    ],
)
def test_a_reason_is_one_short_line(error, expected):
    assert databag.reason(error) == expected


@hypothesis.given(st.dictionaries(hostile.texts, st.text(), min_size=1, max_size=2))
def test_a_reason_is_one_short_line_whatever_the_keys_are(content):
    with pytest.raises(ValueError, match='validation error') as raised:
        _Three.model_validate({'a': content})
    why = databag.reason(raised.value)
    assert why.isprintable()
    assert why.isascii()
    assert len(why) < 200


# Writing


class Mapping(databag.Databag):
    """A mapping whose order is an accident."""

    m: dict[str, int]


@pytest.mark.parametrize(
    ('content', 'expected'),
    [
        (Data(name='é', inner=Inner(host='a')), {'inner': '{"host": "a"}', 'name': '"\\u00e9"'}),
        (Data(name='a', numbers=[]), {'name': '"a"', 'numbers': '[]'}),
        (Plain(host='é"'), {'host': 'é"'}),
        (Mapping(m={'b': 1, 'a': 2}), {'m': '{"a": 2, "b": 1}'}),
    ],
)
def test_keys_and_mappings_are_written_in_order_and_what_is_none_is_not(content, expected):
    assert list(databag.encoded(content).items()) == list(expected.items())


def test_what_is_written_can_be_read_again():
    content = Data(name='é\n"', numbers=[1], inner=Inner(host='fd00::1'))
    read = databag.parse(Data, databag.encoded(content))
    assert Data.model_validate(read['data']) == content


@pytest.mark.parametrize(
    ('values', 'size'), [({}, 0), ({'a': 'b'}, 2), ({'key': '', 'é': 'é'}, 7)]
)
def test_the_size_is_that_of_keys_and_values_in_bytes(values, size):
    assert databag.size_of(values) == size


@pytest.mark.parametrize(
    'model',
    [
        cluster_data.CoordinatorData,
        cluster_data.WorkerApplicationData,
        cluster_data.WorkerUnitData,
        logs.RequirerData,
        metrics.ProviderData,
        metrics.UnitData,
        rolling.PeerData,
        traces.RequirerData,
    ],
)
def test_no_key_is_both_written_and_retired(model):
    assert not model.retired & model.model_fields.keys()


class _Hyphenated(databag.Databag):
    strip_prefix: bool | None = pydantic.Field(default=None, serialization_alias='strip-prefix')
    name: str = 'a'


def test_a_key_may_have_another_name_than_its_field():
    assert databag.encoded(_Hyphenated(strip_prefix=True)) == {
        'name': '"a"',
        'strip-prefix': 'true',
    }
    assert databag.encoded(_Hyphenated()) == {'name': '"a"'}
    assert _Hyphenated.fields_by_key() == {'name': 'name', 'strip-prefix': 'strip_prefix'}


def test_such_a_key_is_read_too_and_named_as_it_is_written():
    assert databag.parse(_Hyphenated, {'strip-prefix': 'true', 'strip_prefix': 'false'}) == {
        'data': {'name': 'a', 'strip_prefix': True}
    }
    (why,) = databag.parse(_Hyphenated, {'strip-prefix': '7', 'name': '"b"'})['why']
    assert why.startswith('strip-prefix: ')
