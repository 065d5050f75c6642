"""What the databags of a CA and of those who ask it carry."""

import pytest

import authority
from coordinated_telemetry import databag
from coordinator.source import ca_data

CA = authority.authority().certificate


def issued(**other):
    """An entry of a CA's databag."""
    values = {'certificate': CA, 'certificate_signing_request': ' csr\n', 'ca': CA, **other}
    return ca_data.Issued.model_validate(values)


def test_a_certificate_comes_out_as_openssl_writes_it():
    untidy = CA.replace('\n', '\r\n')
    checked = issued(certificate=untidy, ca=untidy, chain=[untidy]).checked()
    assert (checked.certificate, checked.ca, checked.chain) == (CA, CA, [CA])
    assert checked.request == 'csr'


@pytest.mark.parametrize('field', ['certificate', 'ca', 'chain'])
def test_what_is_no_certificate_is_named_by_its_field(field):
    wrong = ['text'] if field == 'chain' else 'text'
    with pytest.raises(ValueError, match=f'^{field}: expected certificates in PEM'):
        issued(**{field: wrong}).checked()


def test_a_ca_may_publish_what_a_thousand_requests_take():
    entry = issued(chain=[CA, CA]).model_dump_json()
    content = {'certificates': f'[{",".join([entry] * 1000)}]'}
    assert databag.size_of(content) > databag.MAX_BYTES
    assert len(databag.parse(ca_data.Provided, content)['data']['certificates']) == 1000


def test_more_than_that_is_not_decoded():
    content = {'certificates': 'x' * (ca_data.Provided.max_read + 1)}
    assert 'bytes of relation data, at most' in databag.parse(ca_data.Provided, content)['why'][0]
