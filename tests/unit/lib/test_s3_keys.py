"""The keys of a bucket: what they may be, and where they do not show."""

import pytest

from coordinated_telemetry import s3_keys

GOOD = {'access-key': 'AKID', 'secret-key': 'hush', 'mark': 'm'}


def test_they_are_read_and_do_not_show():
    keys = s3_keys.check(GOOD)
    assert keys == ('AKID', 'hush', 'm')
    for text in (repr(keys), str(keys), f'{keys}', repr(keys.redacted)):
        assert 'AKID' not in text
        assert 'hush' not in text
    assert keys.nameless == ('AKID', 'hush', '')
    assert keys.redacted == ('m', 'm', 'm')


@pytest.mark.parametrize('key', ['access-key', 'secret-key'])
@pytest.mark.parametrize('value', ['', 'a b', 'a\n', 'x' * 257, 'ü', 'a\x00'])
def test_what_does_not_fit_an_environment_is_refused_and_not_named(key, value):
    with pytest.raises(ValueError, match=r'^no usable access-key and secret-key$'):
        s3_keys.check({**GOOD, key: value})
    with pytest.raises(ValueError, match=r'^no usable'):
        s3_keys.check({name: text for name, text in GOOD.items() if name != key})
