# SPDX-License-Identifier: GPL-2.0-only
"""
Recipes from folders that others can write to are refused before EasyBuild runs them: reading a recipe runs it.

Checked are the files on the command line, the folders on the robot path, and each recipe that is read.
"""
import os
from typing import List, Sequence, Set

from easybuild.tools.build_log import print_warning
from easybuild.tools.config import build_option

from ..errors import LumiHooksError
from ..prefix.trust import Trusted, why_not

_told: Set[str] = set()


def check_given(words: Sequence[str], whom: Trusted) -> None:
    """
    The recipes on the command line.

    :raises LumiHooksError: one of them is not to be trusted
    """
    for word in words:
        if word.endswith('.eb') and os.path.isfile(word):
            reason = why_not(word, whom)
            if reason:
                raise LumiHooksError(f'the recipe {word} is not taken, as it decides on what is run: {reason}')


def without_strangers(paths: Sequence[str], whom: Trusted, what: str = 'recipes') -> List[str]:
    """
    A search path without the folders that others can write to; says which ones it leaves out.

    :param what: is looked for there
    """
    found = []
    for path in paths:
        reason = why_not(os.path.join(path, 'any.eb'), whom) if os.path.isdir(path) else None
        if reason is None:
            found.append(path)
        elif path not in _told:
            _told.add(path)
            print_warning('lumi-hooks takes no %s from %s, as they decide on what is run: %s', what, path, reason,
                          silent=build_option('silent'))
    return found
