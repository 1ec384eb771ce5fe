# SPDX-License-Identifier: GPL-2.0-only
"""Comparing versions the way recipes need it, with the standard library alone (this is imported by `eb`)."""
import re
from typing import Mapping, Tuple

_PARTS = re.compile(r'\d+|[a-zA-Z]+')


def version_key(version: str) -> Tuple:
    """
    A key to sort versions by: numbers as numbers, letters as text, letters before numbers (1.0rc1 < 1.0.1).

    >>> sorted(['1.10', '1.9', '1.9rc1'], key=version_key)
    ['1.9', '1.9rc1', '1.10']
    """
    return tuple((1, int(part), '') if part.isdigit() else (0, 0, part.lower())
                 for part in _PARTS.findall(version))


def same_minor(one: str, other: str) -> bool:
    """Do two versions agree in major and minor number?"""
    return version_key(one)[:2] == version_key(other)[:2]


def within(version: str, bounds: Mapping) -> bool:
    """
    Does a version lie within bounds?

    >>> within('1.5', {'min': '1.2', 'below': '2'})
    True
    """
    low, high = bounds.get('min'), bounds.get('below')
    return not (low and version_key(version) < version_key(low)) \
        and not (high and version_key(version) >= version_key(high))
