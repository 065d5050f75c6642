"""Parameters of actions: YAML as Juju reads it, and the JSON schema of the charm."""

import pytest

from localjuju.controller import actionparams, charmfile, yamltext
from localjuju.model.charmmeta import ModelError

SNAPSHOT = {
    'description': 'Take a snapshot.',
    'params': {
        'outfile': {'type': 'string', 'pattern': '^[a-z./]+$', 'maxLength': 10},
        'quality': {'type': 'integer', 'default': 5, 'minimum': 0, 'maximum': 9},
        'ratio': {'type': 'number', 'minimum': 0, 'exclusiveMinimum': True},
        'tool': {'type': 'string', 'enum': ['rsync', 'scp']},
        'force': {'type': 'boolean'},
        'hosts': {'type': 'array', 'items': {'type': 'string'}, 'minItems': 1},
        'compression': {
            'type': 'object',
            'properties': {'kind': {'default': 'gzip', 'enum': ['gzip', 'xz']}},
        },
        'either': {'type': ['string', 'null']},
        'one': {'$ref': '#/definitions/positive'},
    },
    'required': ['outfile'],
    'additionalProperties': False,
    'definitions': {'positive': {'type': 'integer', 'multipleOf': 2}},
}


def check(declared: dict, given: dict) -> dict:
    return actionparams.complete(charmfile._action('snapshot', declared), given)


def test_defaults_are_added_nested_ones_too():
    given = {'outfile': 'a', 'compression': {}, 'one': 4}
    assert check(SNAPSHOT, given) == {
        'outfile': 'a', 'quality': 5, 'compression': {'kind': 'gzip'}, 'one': 4,
    }  # fmt: skip
    assert given['compression'] == {}


#: Juju's own words, where its tests have them.
@pytest.mark.parametrize(
    ('given', 'why'),
    [
        ({'outfile': 5}, '(root).outfile : must be of type string, given 5'),
        (
            {'quality': 5},
            '(root) : "outfile" property is missing and required, given {"quality":5}',
        ),
        (
            {'outfile': 'a', 'quality': 'two'},
            '(root).quality : must be of type integer, given "two"',
        ),
        (
            {'outfile': 'foo.bz', 'bar': 'foo'},
            (
                '(root) : additional property "bar" is not allowed, '
                'given {"bar":"foo","outfile":"foo.bz"}'
            ),
        ),
        ({'outfile': 'a', 'one': True}, '(root).one : must be of type integer, given true'),
        (
            {'outfile': 'a', 'quality': 10},
            '(root).quality : must be lower than or equal to 9, given 10',
        ),
        ({'outfile': 'a', 'ratio': 0}, '(root).ratio : must be greater than 0, given 0'),
        ({'outfile': 'A'}, "(root).outfile : does not match pattern '^[a-z./]+$', given \"A\""),
        (
            {'outfile': 'a' * 11},
            (
                '(root).outfile : string length must be lower or equal to 10, '
                'given "aaaaaaaaaaa"'
            ),
        ),
        (
            {'outfile': 'a', 'tool': 'cp'},
            '(root).tool : must match one of the enum values ["rsync","scp"], given "cp"',
        ),
        (
            {'outfile': 'a', 'force': 'yes please'},
            '(root).force : must be of type boolean, given "yes please"',
        ),
        (
            {'outfile': 'a', 'hosts': []},
            '(root).hosts : array must have at least 1 items, given []',
        ),
        ({'outfile': 'a', 'hosts': ['x', 1]}, '(root).hosts.1 : must be of type string, given 1'),
        ({'outfile': 'a', 'either': 1}, '(root).either : must be of type string,null, given 1'),
        ({'outfile': 'a', 'one': 3}, '(root).one : must be a multiple of 2, given 3'),
        (
            {'outfile': 1, 'force': 1},
            (
                '(root).force : must be of type boolean, given 1; '
                '(root).outfile : must be of type string, given 1'
            ),
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_schema_is_refused_in_jujus_words(given, why):
    with pytest.raises(ModelError) as refused:
        check(SNAPSHOT, given)
    assert str(refused.value) == f'validation failed: {why}'


def test_without_a_word_about_them_other_parameters_are_allowed():
    """As in Juju 3; Juju 4 changed that."""
    assert check({'params': {'a': {}}}, {'b': 1}) == {'b': 1}
    assert check({}, {'b': 1}) == {'b': 1}


@pytest.mark.parametrize(
    'params',
    [
        {'a': {'type': 'text'}},
        {'a': 'text'},
        {'a': {'$ref': 'https://example.com/schema'}},
        {'a': {'$ref': '#/nowhere'}},
        {'a': {'pattern': '('}},
        {'a': {'enum': 5}},
        ['a'],
    ],
)
def test_a_schema_that_is_none_is_named(params):
    with pytest.raises(ModelError, match='cannot use the schema of action "snapshot"'):
        check({'params': params}, {'a': 'x'})


# YAML


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('5', 5), ('-5', -5), ('0x1f', 31), ('010', 8), ('1_000', 1000), ('5.0', 5.0),
        ('1e3', 1000.0), ('.5', 0.5), ('yes', True), ('y', True), ('Off', False),
        ('n', False), ('true', True), ('null', None), ('', None), ('~', None),
        ('text', 'text'), ('"5"', '5'), ('2024-01-31', '2024-01-31'), ('1:30', '1:30'),
        ('yes please', 'yes please'), ('3.9.1', '3.9.1'),
        ('[1, a]', [1, 'a']), ('{a: y}', {'a': True}), ('09', '09'),
    ],
)  # fmt: skip
def test_values_are_yaml_as_juju_reads_it(text, value):
    read = yamltext.value(text, 'x')
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    'text',
    [
        '{', '[' * 5000, '&a [*a]', '{1: 2}', '!!python/object:os.system {}', '!!binary aGk=',
        '!!set {a}',
    ],
)  # fmt: skip
def test_what_json_cannot_express_is_refused(text):
    with pytest.raises(ModelError, match='cannot parse parameter a as YAML'):
        actionparams.collect('', [(['a'], text)])


def test_keys_nest_and_win_over_the_file():
    texts = [(['a', 'b'], '1'), (['a', 'c'], 'x'), (['d'], '[1, 2]'), (['e', 'f'], '1')]
    collected = actionparams.collect('a: {b: 0, z: 1}\ne: text', texts)
    assert collected == {'a': {'b': 1, 'c': 'x', 'z': 1}, 'd': [1, 2], 'e': {'f': 1}}
    assert actionparams.collect('', [(['a'], '1')], raw=True) == {'a': '1'}
