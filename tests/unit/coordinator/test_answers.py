"""What a CA answers: a bad entry counts for its own request only."""

import dataclasses
import json

import pytest
from ops import testing

import authority
from coordinator import requesting, scene
from coordinator.serving import GARBAGE, HOST, request
from coordinator.source import answers, ca_data
from lib.acting import act, related

CA = authority.authority()
GOOD = CA.entry(authority.request(HOST))
OTHER = requesting.request(scene.host('w/0'))


def read(**databag):
    """What is read of a CA's databag, and what is ignored."""
    relation = related('certificates', 'ca', databag=scene.encoded(**databag))
    done = act(lambda bags, charm: answers.read(bags, bags.relations('certificates')[0]), relation)
    return done.result, done.ignored()


def entry(**values):
    """An entry for another's request."""
    return {**CA.entry(OTHER, certificate=CA.certificate), **values}


BAD = {
    **{
        f'{key}: {case}': entry(**{key: value})
        for key in ('certificate', 'ca')
        for case, value in GARBAGE.items()
        if not isinstance(value, str) or len(value) > 64 * 1024
    },
    **{
        f'chain: {case}': entry(chain=value)
        for case, value in {'a text': 'x', 'numbers': [1], 'without end': ['x'] * 11}.items()
    },
    'revoked: a text': entry(revoked='no'),
    'only a request': {'certificate_signing_request': OTHER},
}


@pytest.mark.parametrize('case', BAD)
def test_a_bad_entry_is_refused_for_its_own_request(case):
    found, ignored = read(certificates=[BAD[case], GOOD])
    assert found.issued.keys() == {GOOD['certificate_signing_request'].strip()}
    assert found.refused.keys() == {OTHER.strip()}
    assert found.cas == (CA.certificate,)
    assert ignored == {}


NOBODYS = {
    'null': None,
    'a text': 'x',
    'a list': [[]],
    'empty': {},
    'a request that is none': {**GOOD, 'certificate_signing_request': 'x'},
    'a request that is a number': {**GOOD, 'certificate_signing_request': 1},
}


@pytest.mark.parametrize('case', NOBODYS)
def test_one_for_no_request_is_named(case):
    found, ignored = read(certificates=[NOBODYS[case], NOBODYS[case], GOOD])
    assert GOOD['certificate_signing_request'].strip() in found.issued
    assert found.refused == {}
    assert list(ignored) == ['ca']


def test_a_good_entry_counts_wherever_a_bad_one_for_the_same_request_is():
    good = entry()
    for entries in ([good, BAD['chain: numbers']], [BAD['chain: numbers'], good]):
        found, ignored = read(certificates=entries)
        assert (found.issued.keys(), found.refused, ignored) == ({OTHER.strip()}, {}, {})


def test_a_bad_denial_takes_nothing_from_others():
    denial = {'csr': OTHER, 'error': {'code': 1, 'name': 'x', 'message': 'not ours'}}
    found, ignored = read(certificates=[GOOD], request_errors=[denial, None, {'csr': OTHER}])
    assert found.denied == {OTHER.strip(): 'not ours'}
    assert len(found.issued) == 1
    assert list(ignored) == ['ca']
    assert ignored['ca'].endswith(', and 1 more')


def test_the_ca_of_most_goes_first(monkeypatch):
    monkeypatch.setattr(answers, 'MAX_CAS', 1)
    other = authority.authority('other').certificate
    entries = [
        entry(ca=ca, certificate_signing_request=f'{OTHER.strip()}{number}')
        for number, ca in enumerate([other, 'x', CA.certificate, CA.certificate])
    ]
    assert read(certificates=entries)[0].cas == (CA.certificate,)


def outcome(unit, state):
    """All that the coordinator does, but for what the leader remembers of what it checked."""
    found = scene.outcome(unit, state)
    del found['databags'][19][0]['issued']
    return found


@pytest.mark.parametrize('case', [*BAD, *NOBODYS])
def test_it_takes_nothing_from_the_unit_nor_from_other_workers(unit, case):
    state = requesting.settled(unit)
    before = outcome(unit, state)
    bad = {**BAD, **NOBODYS}[case]
    content = json.loads(state.get_relation(20).remote_app_data['certificates'])
    entries = [
        one for one in content if one['certificate_signing_request'].strip() != OTHER.strip()
    ]
    assert len(entries) == 2
    after = scene.answered(unit, state, scene.encoded(certificates=[bad, *entries]))
    assert outcome(unit, after) == before
    name = 'ca (' if case in NOBODYS else 'w/0 (its certificate: '
    assert f'ignored: {name}' in after.unit_status.message
    assert 'previous certificate' not in after.unit_status.message
    # Who asks meanwhile is answered all the same.
    relation = after.get_relation(11)
    assert isinstance(relation, testing.Relation)
    more = {**relation.remote_units_data, 2: requesting.unit('w/2')}
    relation = dataclasses.replace(relation, remote_units_data=more)
    event = unit.ctx.on.relation_changed(relation, remote_unit=2)
    after = unit.ctx.run(event, scene.replaced(after, relation))
    entries.append(requesting.ca_entry(CA, requesting.request(scene.host('w/2'))))
    after = scene.answered(unit, after, scene.encoded(certificates=[bad, *entries]))
    assert requesting.given(after).keys() == {'w/0', 'w/1', 'w/2'}


NO_CERTIFICATES = {
    f'{key} is no certificate': entry(**{key: value})
    for key, value in {'certificate': 'text', 'ca': 'text', 'chain': ['text']}.items()
}


@pytest.mark.parametrize('case', [*BAD, *NO_CERTIFICATES])
def test_it_does_not_keep_a_unit_from_its_first_certificate(unit, plain, case):
    entries = [{**BAD, **NO_CERTIFICATES}[case], CA.entry(request(plain))]
    after = scene.answered(unit, plain, scene.encoded(certificates=entries))
    assert 'certificate' in after.get_relation(19).local_unit_data
    assert 'ignored' not in after.unit_status.message


def test_the_bound_is_not_smaller_than_what_a_thousand_requests_take():
    assert len(json.dumps([GOOD])) * 1000 < ca_data.Provided.max_read
