"""YAML that nobody vouches for: what is loaded, and what is refused before it does harm."""

import hypothesis
import pytest
import yaml
from hypothesis import strategies as st

import hostile
from coordinated_telemetry import yaml_text

LOADED = {
    'nothing': ('', None),
    'plain values': ('a: 1\nb: true\nc: [d, 1.5]\n', {'a': 1, 'b': True, 'c': ['d', 1.5]}),
    'a quoted text': ('"!x"', '!x'),
    'carriage returns': ('a: b\r\nc: d\r\n', {'a': 'b', 'c': 'd'}),
    'as deep as may be': ('[' * yaml_text.DEPTH + ']' * yaml_text.DEPTH, None),
    'the same key in two mappings': ('a: {x: 1}\nb: {x: 1}\n', {'a': {'x': 1}, 'b': {'x': 1}}),
}
REFUSED = {
    'two documents': ('a: b\n---\nc: d\n', 'not YAML: expected a single document'),
    'a mapping as a key': ('{a: b}: c\n', 'not YAML: while constructing a mapping'),
    'the same key twice': ('a: b\na: c\n', 'it has the key "a" twice'),
    'the same key twice, within': ('x: [{a: b, a: c}]\n', 'it has the key "a" twice'),
    'a merge of nothing': ('<<: a\n', 'not YAML: while constructing a mapping'),
    'an alias': ('a: &x b\nc: *x\n', 'it has aliases'),
    'an unknown alias': ('a: *x\n', 'it has aliases'),
    'a tag': ('a: !!bool no\n', 'it has the tag tag:yaml.org,2002:bool'),
    'a tag that PyYAML fails on': ('a: !!bool x\n', 'it has the tag'),
    'an object': ('a: !!python/object/apply:os.getcwd []\n', 'it has the tag'),
    'a tag of the mapping': ('!!set {a: b}\n', 'it has the tag'),
    'a local tag': ('a: !x b\n', 'it has the tag !x'),
    'a day that there is not': ('a: 2001-02-31\n', 'day'),
    'no YAML': ('a: b: c\n', 'not YAML: mapping values are not allowed'),
    'half of YAML': ('a: "b\n', 'not YAML: while scanning'),
    'a control character': ('a: \0\n', 'not YAML: '),
    'half a surrogate pair': ('a: \ud800\n', 'surrogates not allowed'),
    'a directive': ('%YAML 9.9\n---\na: b\n', 'not YAML: found incompatible'),
    'a billion laughs': ('a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n', 'it has aliases'),
    'one deeper than may be': ('[' * (yaml_text.DEPTH + 1), 'nested more than 20 deep'),
    'deep lists': ('[' * 200_000, 'nested more than 20 deep'),
    'deep mappings': ('{' * 200_000, 'nested more than 20 deep'),
    'deep blocks': ('- ' * 100_000, 'nested more than 20 deep'),
    'deep keys': ('? ' * 100_000, 'nested more than 20 deep'),
}


@pytest.mark.parametrize(('text', 'value'), LOADED.values(), ids=LOADED)
def test_a_plain_document_is_loaded(text, value):
    loaded = yaml_text.load(text)
    assert loaded == value or value is None
    assert loaded == yaml.safe_load(text)


@pytest.mark.parametrize(('text', 'why'), REFUSED.values(), ids=REFUSED)
def test_what_does_harm_is_refused_with_the_reason(text, why):
    with pytest.raises(ValueError, match=why):
        yaml_text.load(text)


def test_a_file_of_the_charms_own_may_have_aliases():
    text = 'a: &x {b: c}\nd: *x\ne: {<<: *x, f: g}\n'
    assert yaml_text.load(text, aliases=True) == yaml.safe_load(text)


@hypothesis.given(st.text('ab:- ,[]{}&*!?|>"\'#%\n\t\0\ud8000123.~<', max_size=60) | hostile.texts)
@hypothesis.settings(max_examples=hostile.examples(500))
def test_whatever_it_is_it_is_loaded_as_yaml_or_refused(text):
    try:
        loaded = yaml_text.load(text)
    except ValueError:
        return
    assert repr(loaded) == repr(yaml.load(text, Loader=yaml_text._SAFE))
