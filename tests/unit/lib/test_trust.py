"""The CAs of the stores: what is read of their providers, and what is ignored."""

import json

import hypothesis
import pytest
from hypothesis import strategies as st

import authority
import hostile
from coordinated_telemetry import pem, trust
from lib.acting import act, related

ENDPOINT = 'receive-ca-cert'
A, B, C, D = sorted(authority.authority(name).certificate for name in ('ca', 'other', 'c', 'd'))
NAMES = {A: 'A', B: 'B', C: 'C', D: 'D'}
HALF = A[: len(A) // 2]


def provider(app='ca', units=None, id=1, **databag):
    return related(ENDPOINT, app, units or {0: {}}, databag, id=id)


def v1(*certificates, app='ca', id=1):
    return provider(app, id=id, certificates=json.dumps(certificates), version='1')


def read(*relations):
    """The certificates, and what is ignored of whom."""
    done = act(lambda bags, _: trust.read_certificates(bags, ENDPOINT), *relations)
    return done.result, [(one.name, one.why) for one in done.report.ignored]


def plain(ca=A, certificate=B, chain=(B, A)):
    """A unit as the library for version 0 writes it."""
    return {'ca': ca, 'certificate': certificate, 'chain': json.dumps(chain)}


# What the library for version 1 writes for a requirer that asks for no version.
ENCODED = {
    'ca': json.dumps(A),
    'certificate': json.dumps(A),
    'chain': json.dumps([A, B]),
    'version': '0',
}

READ = {
    'nobody': ([], ''),
    'one': ([v1(A)], 'A'),
    'two, sorted': ([v1(B, A)], 'AB'),
    'one twice': ([v1(A, A)], 'A'),
    'one in two forms': ([v1(A, A.replace('\n', '\r\n'))], 'A'),
    'several in one text': ([v1(C + A), v1(A + B, app='b', id=2)], 'ABC'),
    'of two providers': ([v1(B), v1(A, B, app='b', id=2)], 'AB'),
    'of one that is related twice': ([v1(B), v1(A, id=2)], 'AB'),
    'a list without a version': ([provider(certificates=json.dumps([A]))], 'A'),
    'a list and other keys': ([provider(certificates=json.dumps([A]), foreign='{')], 'A'),
    'an empty list': ([v1()], ''),
    'an empty text': ([v1('', A)], 'A'),
    'not ready': ([provider()], ''),
    'a version alone': ([provider(version='1')], ''),
    'a unit of version 0': ([provider(units={0: plain()})], 'AB'),
    'a unit of version 0 in JSON': ([provider(units={0: ENCODED})], 'AB'),
    'a CA alone': ([provider(units={0: {'ca': A}})], 'A'),
    'a certificate alone': ([provider(units={0: {'certificate': A}})], 'A'),
    'a chain alone': ([provider(units={0: {'chain': json.dumps([A, B])}})], 'AB'),
    'a chain as a text': ([provider(units={0: {'chain': A + B}})], 'AB'),
    'nothing in JSON': (
        [provider(units={0: {'ca': 'null', 'certificate': '""', 'chain': '[]'}})],
        '',
    ),
    'units of version 0 that differ': (
        [provider(units={0: plain(A, A, []), 1: plain(C, C, []), 2: {}})],
        'AC',
    ),
    'both versions of one provider': (
        [provider(units={0: plain(C, C, [C])}, certificates=json.dumps([A]))],
        'A',
    ),
    'a provider of each version': ([v1(A), provider('b', {0: plain(C, C, [])}, id=2)], 'AC'),
}  # fmt: skip


@pytest.mark.parametrize(('relations', 'expected'), READ.values(), ids=READ)
def test_all_certificates_are_trusted_once_and_sorted(relations, expected):
    found, ignored = read(*relations)
    assert found == ''.join(one for one, name in NAMES.items() if name in expected)
    assert ignored == []


# What is not valid is ignored alone

NOT_PEM = 'expected certificates in PEM'
BAD = {
    'too many in one text': (A * 100, f'{NOT_PEM}, at most 65536 bytes'),
    'a text': ('text', NOT_PEM),
    'half a certificate': (HALF, NOT_PEM),
    'a key': (str(authority.authority().key), NOT_PEM),
    'a good one and half a one': (B + HALF, NOT_PEM),
    'a number': (1, 'expected a text'),
    'a list': ([A], 'expected a text'),
    'a mapping': ({'ca': A}, 'expected a text'),
}


@pytest.mark.parametrize(('bad', 'why'), BAD.values(), ids=BAD)
def test_a_bad_certificate_is_ignored_alone_and_named(bad, why):
    found, ignored = read(v1(C, bad, D), v1(A, app='b', id=2))
    assert found == A + C + D
    assert ignored == [(f'ca {ENDPOINT}', f'certificates.1: {why}')]


@pytest.mark.parametrize(('bad', 'why'), list(BAD.values())[1:], ids=list(BAD)[1:])
def test_a_bad_certificate_in_the_chain_of_a_unit_is_ignored_alone(bad, why):
    units = {0: plain(chain=[bad, C]), 1: plain(D, D, [])}
    found, ignored = read(provider(units=units))
    assert found == A + B + C + D
    assert ignored == [(f'ca/0 {ENDPOINT}', f'chain.0: {why}')]


@pytest.mark.parametrize('key', ['ca', 'certificate'])
@pytest.mark.parametrize('bad', ['text', HALF, '1', '{}', '"text"', '{"a": ', 'NaN'])
def test_a_bad_key_of_a_unit_is_ignored_alone(key, bad):
    good = {'ca': A, 'certificate': B, 'chain': json.dumps([C])}
    found, ignored = read(provider(units={0: {**good, key: bad}}))
    assert found == ''.join({A: B + C, B: A + C}[good[key]])
    assert [(name, why.partition(':')[0]) for name, why in ignored] == [(f'ca/0 {ENDPOINT}', key)]


@pytest.mark.parametrize('raw', hostile.RAW.values(), ids=hostile.RAW)
def test_a_list_that_is_none_harms_no_other_provider(raw):
    found, ignored = read(provider(certificates=raw), v1(A, app='good', id=2))
    assert found == A
    assert {name for name, _ in ignored} <= {f'ca {ENDPOINT}'}
    assert bool(ignored) is (raw not in ('[]', '[null]'))
    assert all(len(why) < 300 and why.isprintable() for _, why in ignored)


@pytest.mark.parametrize('key', ['ca', 'certificate', 'chain'])
@pytest.mark.parametrize('raw', hostile.RAW.values(), ids=hostile.RAW)
def test_a_unit_that_makes_no_sense_harms_no_other(key, raw):
    found, ignored = read(provider(units={0: {key: raw}, 1: plain()}))
    assert found == A + B
    assert {name for name, _ in ignored} <= {f'ca/0 {ENDPOINT}'}
    assert bool(ignored) is (raw not in ('', 'null', '""', '[]', '[null]'))
    assert all(len(why) < 300 and why.isprintable() for _, why in ignored)


def test_a_chain_of_one_megabyte_is_not_read():
    found, ignored = read(v1(*[f'{n}{A}' for n in range(1000)]), v1(B, app='b', id=2))
    assert found == B
    ((name, why),) = ignored
    assert name == f'ca {ENDPOINT}'
    assert why.endswith(' bytes of relation data, at most 262144 are read')


def test_a_chain_that_is_too_long_is_ignored_and_the_unit_is_not():
    found, ignored = read(provider(units={0: plain(A, A, [B] * 100)}))
    assert found == A
    assert ignored == [(f'ca/0 {ENDPOINT}', 'chain: String should have at most 65536 characters')]


def test_many_bad_ones_are_one_item():
    _, ignored = read(v1(*[f'text {n}' for n in range(20)]))
    assert ignored == [(f'ca {ENDPOINT}', f'certificates.0: {NOT_PEM}, and 19 more')]


def test_the_units_count_where_the_list_makes_no_sense():
    found, ignored = read(provider(units={0: plain()}, certificates='{'))
    assert found == A + B
    assert [name for name, _ in ignored] == [f'ca {ENDPOINT}']


# Bounds


@pytest.fixture(scope='module')
def many():
    """One certificate more than a provider may have."""
    issuer = authority.authority()
    request = str(
        authority.tls.CertificateRequestAttributes(common_name='x').generate_csr(issuer.key)
    )
    return [issuer.issue(request) for _ in range(trust.MAX_CERTIFICATES + 1)]


def test_a_provider_with_more_than_are_read_keeps_its_first_ones(many):
    found, ignored = read(v1(*many))
    assert sorted(pem.each_certificate(found)) == sorted(many[:-1])
    number = trust.MAX_CERTIFICATES
    why = f'{number + 1} certificates, of which the first {number} are read'
    assert ignored == [(f'ca {ENDPOINT}', why)]


@pytest.mark.parametrize('ids', [(1, 2), (2, 1)])
def test_no_provider_takes_all_the_room(many, ids):
    found, ignored = read(v1(*many[:-1], id=ids[0]), v1(A, B, app='b', id=ids[1]))
    trusted = pem.each_certificate(found)
    assert {A, B} <= {*trusted}
    assert len(trusted) == trust.MAX_CERTIFICATES
    why = 'no room for 2 certificates: at most 32, and 65536 bytes, are trusted'
    assert ignored == [(f'ca {ENDPOINT}', why)]


def test_what_is_trusted_is_what_workers_accept_as_one_value(many, monkeypatch):
    monkeypatch.setattr(trust, 'MAX_BYTES', 3 * len(many[0]) + 10)
    found, ignored = read(v1(*many[:5]))
    assert len(found) <= trust.MAX_BYTES
    assert len(pem.each_certificate(found)) == 3
    assert [why.partition(':')[0] for _, why in ignored] == ['no room for 2 certificates']


def test_the_bound_of_all_is_the_bound_of_one_value():
    assert trust.MAX_BYTES == pem.MAX_LENGTH


# Asking, and the same for the same


def ask(relation, leader=True):
    return act(
        lambda bags, charm: trust.ensure_request(bags, ENDPOINT, charm.app),
        relation,
        leader=leader,
    )


def test_providers_are_asked_for_version_1_once():
    first = ask(v1(A))
    asked = first.state.get_relation(1)
    assert (first.result, asked.local_app_data) == (True, {'version': '1'})
    assert ask(asked).result is False


def test_order_makes_no_difference():
    units = {2: plain(C, C, []), 0: plain(D, D, [A])}
    one = read(provider(units=units), v1(B, A, app='b', id=2))
    other = read(v1(A, B, app='b', id=1), provider(units=dict(sorted(units.items())), id=2))
    assert one[0] == other[0] == A + B + C + D


pieces = st.sampled_from([A, B, HALF, A + B, '', 'text', '\n', 'null', '[]']) | hostile.texts
values = pieces | hostile.json_values


@hypothesis.given(
    st.lists(values, max_size=6).map(json.dumps) | hostile.raw_values,
    st.dictionaries(
        st.integers(0, 3),
        st.dictionaries(
            st.sampled_from(['ca', 'certificate', 'chain', 'version']),
            pieces | hostile.raw_values | st.lists(values, max_size=4).map(json.dumps),
        ),
        max_size=3,
    ),
)
@hypothesis.settings(max_examples=hostile.examples(60))
def test_whatever_it_is_only_certificates_come_of_it(certificates, units):
    bad = provider('bad', units or {0: {}}, 1, certificates=certificates)
    found, ignored = read(bad, v1(C, app='good', id=2))
    assert C in found
    assert found.replace(A, '').replace(B, '').replace(C, '') == ''
    assert {name.partition(' ')[0].partition('/')[0] for name, _ in ignored} <= {'bad'}
    assert all(len(why) < 300 and why.isprintable() for _, why in ignored)
