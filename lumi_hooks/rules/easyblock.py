# SPDX-License-Identifier: GPL-2.0-only
"""Upstream's easyblocks that can't work with a cpe* toolchain (easyblocks.json; the list is docs/easyblocks.md)."""
from functools import lru_cache
from typing import Any, Mapping

from ..change import Refusal
from ..releases import load_toolchains
from ..schemas import checked
from ..site import Site
from .base import rule
from .draft import Draft

# how EasyBuild writes a software's name as the name of a class
_ENCODED = {'-': '_minus_', '+': '_plus_', '.': '_period_', ':': '_colon_', ' ': '_space_'}


@lru_cache(maxsize=None)
def load_easyblocks() -> Mapping[str, Mapping[str, Any]]:
    """The easyblocks whose recipes are refused by name (easyblocks.json); all that were read: ci/easyblocks.json."""
    return checked('easyblocks.json')['easyblocks']


@rule('easyblock', 'an easyblock that would stop in the middle of a build is refused before it')
def easyblock(draft: Draft, site: Site):
    """Upstream's easyblock of the software stops because of the compiler, or because it misses a library by name."""
    name = draft.parameters.get('easyblock') or class_name(draft.name)
    entry = load_easyblocks().get(name)
    group = 'gnu' if load_toolchains()['toolchains'][site.toolchain]['family'] == 'GCC' else 'others'
    if entry and entry[group] == 'refused' and 'refused_by' not in entry:
        yield Refusal('easyblock', f'upstream\'s easyblock of {draft.name} can\'t work with {site.toolchain}: '
                      f'{entry["reason"]}. Instead: {entry["instead"]}', 'easyblock')


def class_name(software: str) -> str:
    """
    Name of the class that EasyBuild takes for a software, where there is one.

    >>> class_name('Score-P')
    'EB_Score_minus_P'
    """
    return 'EB_' + ''.join(_ENCODED.get(letter, letter) for letter in software)
