"""Times as Juju prints them."""

import datetime
import time


def stamp(seconds: float, form: str = '%d %b %Y %H:%M:%S') -> str:
    """A time (0 is now) as Juju prints it: local, with ``Z`` or ``+01:00``."""
    moment = datetime.datetime.fromtimestamp(seconds or time.time(), datetime.UTC).astimezone()
    offset = moment.strftime('%z')
    return moment.strftime(form) + ('Z' if offset == '+0000' else f'{offset[:3]}:{offset[3:]}')
