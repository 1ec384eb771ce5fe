# SPDX-License-Identifier: GPL-2.0-only
"""
Recipes from folders that others can write to are refused before EasyBuild runs them: reading a recipe runs it.

Checked are the files on the command line, the folders on the robot path, each recipe before it is read, and what
--include-easyblocks and the like have brought in.
"""
import functools
import os
from typing import Dict, List, Sequence, Set

from easybuild.framework.easyconfig.parser import EasyConfigParser
from easybuild.tools.build_log import EasyBuildError, print_warning
from easybuild.tools.config import build_option

from ..errors import LumiHooksError
from ..prefix.trust import Folder, Trusted, why_not

# how EasyBuild (tools/include.py) names the folders that it links included files into, on sys.path
_INCLUDED = 'included-'

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


def check_included(paths: Sequence[str], whom: Trusted) -> None:
    """
    The easyblocks, toolchains and naming schemes that options --include-* name, wherever these are set. EasyBuild has
    loaded them when the first hook runs: what they hold has been run, but nothing was built with them.

    :param paths: as in sys.path
    :raises LumiHooksError: one of them is not to be trusted
    """
    for path in paths:
        if not os.path.basename(path).startswith(_INCLUDED):
            continue
        for folder, folders, files in os.walk(path):
            for file in (os.path.join(folder, name) for name in [*files, *folders]):
                reason = why_not(os.readlink(file), whom) if os.path.islink(file) else None
                if reason:
                    raise LumiHooksError(f'{os.readlink(file)}, which an option --include-{_kind(path)} names, is not '
                                         f'taken, and nothing was built: {reason}. EasyBuild has loaded it already: '
                                         'look into it if it may be somebody else\'s')


def _kind(path: str) -> str:
    """What an option --include-… is called whose files are linked into this folder."""
    return os.path.basename(path)[len(_INCLUDED):].rpartition('-')[0]


def watch(whom: Trusted) -> None:
    """
    Have each recipe looked at before it is read, whichever way EasyBuild (or this library) came to it. Idempotent.

    :param whom: whose recipes are taken
    """
    original = EasyConfigParser.__init__
    if getattr(original, 'lumi_hooks', False):
        return
    folders: Dict[str, Folder] = {}

    @functools.wraps(original)
    def read(self, filename=None, *args, **kwargs):
        reason = why_not(filename, whom, folders) if filename else None
        if reason:
            raise EasyBuildError('lumi-hooks: the recipe %s is not taken, as it decides on what is run: %s', filename,
                                 reason)
        original(self, filename, *args, **kwargs)

    setattr(read, 'lumi_hooks', True)  # noqa: B010 (a function has no such attribute to type checkers)
    setattr(EasyConfigParser, '__init__', read)  # noqa: B010
