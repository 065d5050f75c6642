"""Sizes for humans, as Juju writes them."""

import math


def decimal(count: float) -> str:
    """Bytes in powers of 1000, such as ``1.0 GB``."""
    return _text(count, 1000, ('B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB'))


def binary(count: float) -> str:
    """Bytes in powers of 1024, such as ``1.0 GiB``."""
    return _text(count, 1024, ('B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'))


def _text(count: float, base: int, units: tuple[str, ...]) -> str:
    """One digit after the point below ten, none above."""
    power = 0
    while count >= base and power < len(units) - 1:
        count /= base
        power += 1
    rounded = math.floor(count * 10 + 0.5) / 10
    digits = 1 if rounded < 10 and power else 0
    return f'{rounded:.{digits}f} {units[power]}'
