"""The keys of a bucket in a Juju secret, as the coordinator keeps them for its workers.

They are in no databag, log, status or `repr`.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import ops

PATTERN = r'^[!-~]{1,256}$'
"""What a key may be: it is written into the environment of a service."""

_KEY = re.compile(PATTERN.removesuffix('$') + r'\Z')


class S3Keys(NamedTuple):
    """The keys of a bucket.

    Attributes:
        access_key: as in the variable AWS_ACCESS_KEY_ID.
        secret_key: as in the variable AWS_SECRET_ACCESS_KEY.
        mark: names the revision; it tells nothing of the keys, so it may be known.
    """

    access_key: str
    secret_key: str
    mark: str = ''

    def __repr__(self) -> str:
        return 'S3Keys(...)'

    __str__ = __repr__

    @property
    def nameless(self) -> 'S3Keys':
        """The same keys without the mark, to compare them."""
        return self._replace(mark='')

    @property
    def redacted(self) -> 'S3Keys':
        """The mark in the place of both keys, for a digest that others may know."""
        return S3Keys(self.mark, self.mark, self.mark)


def check(content: Mapping[str, str]) -> S3Keys:
    """The keys in the content of a secret.

    Raises:
        ValueError: if one is missing or unusable; the message has none of them.
    """
    access, secret = content.get('access-key', ''), content.get('secret-key', '')
    if not _KEY.match(access) or not _KEY.match(secret):
        raise ValueError('no usable access-key and secret-key')
    mark = content.get('mark', '')
    return S3Keys(access, secret, mark if _KEY.match(mark) else '')


def read(model: ops.Model, secret_id: str) -> S3Keys:
    """The keys in the newest revision of a secret.

    Raises:
        ValueError: if one is missing or unusable, or Juju does not give the secret.
    """
    try:
        content = model.get_secret(id=secret_id).get_content(refresh=True)
    except ops.ModelError:
        raise ValueError('Juju does not give this secret') from None
    return check(content)
