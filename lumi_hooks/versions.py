# SPDX-License-Identifier: GPL-2.0-only
"""Comparing versions the way recipes need it, with the standard library alone (this is imported by `eb`)."""
import re
from functools import lru_cache
from typing import Dict, List, Mapping, Tuple

_PARTS = re.compile(r'[0-9]+|[a-zA-Z]+')
_MONTHS = ('jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec')
# a day as LAMMPS writes it (29Aug2024, and its tags: patch_29Aug2024)
_DAY = re.compile(rf'(?:\A(?:patch|stable|release)[_-]?|(?<![a-z0-9]))([0-9]{{1,2}})({"|".join(_MONTHS)})([0-9]{{4}})'
                  r'(?![0-9])', re.IGNORECASE)
# how far before a release its pre-releases are; a single letter counts where a number follows (3.0.0b2, 2.0-a2), and no
# more of a word or of a commit's checksum (2024b, 1.1.1a and 17-b804f are none); a capital is a revision (16.A.03)
_STAGES = {'dev': -4, 'alpha': -3, 'beta': -2, 'pre': -1, 'preview': -1, 'rc': -1}
_LETTER = re.compile(r'(?<![a-zA-Z0-9])([0-9]+[._-]?)([ab])(?=[._-]?[0-9]{1,3}(?![a-zA-Z0-9]))')
_SAME = {'release': 'r', 'rev': 'r', 'revision': 'r'}
# longer numbers are no versions, and Python turns none of more than 4300 digits into a number
_LONGEST = 1000
# a clause of a requirement (PEP 440): `!=` is left to pip, and a version alone is the lowest one
_CLAUSE = re.compile(r'(>=|<=|===?|~=|>|<|)\s*([0-9][0-9A-Za-z]*(?:[.!+-][0-9A-Za-z]+)*)(\.\*)?')


@lru_cache(maxsize=None)  # few versions are compared again and again
def version_key(version: str) -> Tuple:
    """
    A key to sort versions by: numbers as numbers, letters as text, letters before numbers. Days sort by the calendar
    (29Aug2024 as 20240829 does), and a pre-release before its release (3.0.0b2 < 3.0.0).

    A part of a key compares as a key does: `version_key(version)[:2]` is the minor version.

    >>> sorted(['1.10', '1.9', '1.9rc1', '1.9a'], key=version_key)
    ['1.9rc1', '1.9', '1.9a', '1.10']
    >>> sorted(['22Jul2025', '29Aug2024', '2Aug2023_update2', '2Aug2023'], key=version_key)
    ['2Aug2023', '2Aug2023_update2', '29Aug2024', '22Jul2025']
    """
    text = _LETTER.sub(lambda found: found[1] + {'a': '.alpha', 'b': '.beta'}[found[2]], _DAY.sub(_as_number, version))
    key: List[Tuple[int, int, int, str]] = []
    for part in _PARTS.findall(text):
        word = part.lower()
        if part.isdigit():
            key.append((1, int(part) if len(part) < _LONGEST else 10 ** _LONGEST, 0, ''))
        elif word in _STAGES and key and key[-1][:1] == (1,):
            key[-1] = (1, key[-1][1], _STAGES[word], '')
        else:
            key.append((0, 0, 0, _SAME.get(word, word)))
    return tuple(key)


def same_minor(one: str, other: str) -> bool:
    """
    Do two versions agree in major and minor number?

    >>> same_minor('3.0rc1', '3.0.2')
    True
    """
    first, second = ([(kind, number, word) for kind, number, _, word in version_key(version)[:2]]
                     for version in (one, other))
    return first == second


def within(version: str, bounds: Mapping) -> bool:
    """
    Does a version lie within bounds?

    >>> within('1.5', {'min': '1.2', 'below': '2'})
    True
    """
    low, high = bounds.get('min'), bounds.get('below')
    return not (low and version_key(version) < version_key(low)) \
        and not (high and version_key(version) >= version_key(high))


@lru_cache(maxsize=None)
def bound(requirement: str) -> str:
    """
    The bounds that a requirement of a Python package sets: the lowest version, and behind commas what a version has to
    be below (<) or may not exceed (<=).

    :param requirement: specifiers (PEP 440); a bound is one too

    >>> bound('>=1.25.4,<2.1'), bound('~=1.4.2'), bound('==2.0.*'), bound('<=3'), bound('1.2,>=1.3')
    ('1.25.4,<2.1', '1.4.2,<1.5', '2.0,<2.1', ',<=3', '1.3')
    """
    found: Dict[str, List[str]] = {'>=': [], '<': [], '<=': []}
    for clause in requirement.split(','):
        match = _CLAUSE.fullmatch(clause.strip())
        if not match:
            continue
        sign, version = match[1], match[2]
        if sign not in ('<', '<='):
            found['>='].append(version)
        if sign in ('<', '<='):
            found[sign].append(version)
        elif sign == '~=' or match[3]:
            numbers = version.split('.')[:-1] if sign == '~=' else version.split('.')
            if numbers and numbers[-1].isdigit():
                found['<'].append('.'.join([*numbers[:-1], str(int(numbers[-1]) + 1)]))
        elif sign in ('==', '==='):
            found['<='].append(version)
    least = max(found['>='], key=version_key, default='')
    upper = [f'{sign}{min(found[sign], key=version_key)}' for sign in ('<', '<=') if found[sign]]
    return ','.join([least, *upper])


def suits(version: str, requirement: str) -> bool:
    """
    Does a version lie within the bounds that a requirement sets?

    >>> suits('2.4.0', '1.25.4,<2.1'), suits('2.0.7', '1.25.4,<2.1'), suits('2.0', ',<=2.0.0'), suits('1.2', '1.3')
    (False, True, True, False)
    """
    least, *upper = bound(requirement).split(',')
    this = _bare(version)
    return this >= _bare(least) and all(this <= _bare(item[2:]) if item[1] == '=' else this < _bare(item[1:])
                                        for item in upper)


def worded(requirement: str) -> str:
    """
    The bounds of a requirement in words.

    >>> worded('>=1.25.4,<2.1'), worded('1.2'), worded('<=3'), worded('==3')
    ('1.25.4 or newer, below 2.1', '1.2 or newer', 'at most 3', 'exactly 3')
    """
    least, *upper = bound(requirement).split(',')
    if upper == [f'<={least}']:
        return f'exactly {least}'
    words = [f'{least} or newer'] if least else []
    return ', '.join([*words, *(f'at most {item[2:]}' if item[1] == '=' else f'below {item[1:]}' for item in upper)])


def _bare(version: str) -> Tuple:
    """A version's key without zeros at its end and without a local part: 2 is 2.0.0, and 2.0+cray is 2.0."""
    return version_key(re.sub(r'(?:\.0)+$', '', version.partition('+')[0]))


def _as_number(found: 're.Match[str]') -> str:
    """A day as a number: 29Aug2024 is 20240829."""
    return f'{found[3]}{_MONTHS.index(found[2].lower()) + 1:02d}{int(found[1]):02d}'
