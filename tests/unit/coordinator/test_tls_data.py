"""What a coordinator unit keeps, and what it says."""

import pytest

import authority
from coordinator.source import tls_data

CA = authority.authority().certificate
CERTIFICATE = tls_data.Certificate(chain=CA, ca=CA)
BOTH = ['http', 'https']


@pytest.mark.parametrize(
    ('kept', 'clients', 'uses_https'),
    [
        ({}, ['http'], False),
        ({'certificate': CERTIFICATE}, ['https'], True),
        ({'certificate': CERTIFICATE, 'client_schemes': BOTH}, BOTH, True),
        ({'upstream_scheme': 'https'}, ['http'], True),
        ({'schemes': BOTH}, ['http'], True),
    ],
)
def test_what_is_served_to_clients_needs_no_key_where_there_is_no_choice(
    kept, clients, uses_https
):
    found = tls_data.Kept(**kept)
    assert found.clients == clients
    assert found.uses_https is uses_https


def test_without_a_word_everything_is_plain():
    assert (tls_data.Kept().upstream, tls_data.Kept().exported) == ('http', ['http'])
    assert tls_data.Shared().served_by_workers == ['http']


@pytest.mark.parametrize('says', authority.BELOW)
def test_the_root_at_the_end_of_the_chain_is_to_be_trusted_too(says):
    ca = authority.below(says)
    own = ca.issue(authority.request('a.example'))
    certificate = tls_data.Certificate(chain=''.join([own, *ca.issuers]), ca=ca.ca)
    assert certificate.cas == {ca.ca, ca.issuers[-1]}


def test_a_chain_that_ends_with_no_root_gives_no_more_than_the_ca():
    own = authority.authority().issue(authority.request('a.example'))
    assert tls_data.Certificate(chain=own, ca=CA).cas == {CA}
