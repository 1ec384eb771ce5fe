# SPDX-License-Identifier: GPL-2.0-only
"""
The one gate: whether a file is read as code, or followed as configuration.

Recipes are code, and overrides, lists of prefixes, hooks, upstream's folders and the files next to a recipe decide on
what is run. Every reader of them asks here, by the path, before it reads; nothing else in the library leads to
EasyBuild's parser or to exec (tests/unit/test_gate.py looks for it). What is not trusted can still be read as data and
shown. Who can do what to whom: docs/security.md.
"""
import os
from typing import Dict, Mapping, Optional, Tuple

from .. import sites
from ..errors import LumiHooksError, TrustError
from .judge import Judge
from .owners import Trusted, trusted

__all__ = ['Judge', 'Trusted', 'check', 'forget', 'here', 'trusted', 'why_not', 'why_not_in']

# what decides on whom files are taken from
_DECIDE = (sites.variable('prefix'), 'HOME', sites.variable('mode'), 'LUMI_HOOKS_MODE', 'EASYBUILD_PREFIX',
           'LUMI_HOOKS_PREFIXES', 'LUMI_HOOKS_OVERRIDES', 'LUMI_HOOKS_UPSTREAM', sites.NAMED, sites.FOLDER,
           'EASYBUILD_INCLUDE_MODULE_NAMING_SCHEMES', 'EBROOTEASYBUILD', 'PATH')
_AS_BYTES = tuple(map(os.fsencode, _DECIDE))
_judges: Dict[Tuple, Judge] = {}


def current_judge(env: Mapping[str, str] = os.environ) -> Judge:
    """The judge for this process, as the environment names prefixes and folders of the site."""
    # as bytes where that is possible: to decode each costs more than all else that the key is made of
    key = (os.geteuid(), *map(os.environb.get, _AS_BYTES)) if env is os.environ else tuple(map(env.get, _DECIDE))
    if key not in _judges:
        _judges.clear()
        # prefixes are read from files, which are judged themselves
        from ..prefix import stack_of, top_of
        top = top_of(env)
        try:
            stack = stack_of(top, env)
        except LumiHooksError:
            stack = (top,) if top else ()
        named = tuple(path for path in env.get('LUMI_HOOKS_OVERRIDES', '').split(os.pathsep) if path)
        _judges[key] = Judge(trusted(stack, env, named))
    return _judges[key]


def forget() -> None:
    """Look at folders again: a process looks at each once."""
    _judges.clear()


def why_not(path: str) -> Optional[str]:
    """Why a file is not taken, as a sentence that says what to do; None where it is (Judge.why_not)."""
    return current_judge().why_not(path)


def why_not_in(folder: str) -> Optional[str]:
    """Why no file of a folder is taken; None where they are (Judge.why_not_in)."""
    return current_judge().why_not_in(folder)


def check(path: str, what: str) -> None:
    """
    Stop where a file is rejected.

    :param what: it is, for the message: 'the recipe', 'the hooks file'
    :raises TrustError: with the reason, and what to do
    """
    reason = why_not(path)
    if reason:
        raise TrustError(f'{what} {path} is not read, as it decides on what is run: {reason}')
