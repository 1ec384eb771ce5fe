# SPDX-License-Identifier: GPL-2.0-only
"""
The user's settings: environment variables LUMI_HOOKS_…, as docs/settings.md explains them.

What is set by mistake is told when a site is made, so by each command and by `eb`: a setting that does nothing is worse
than none.
"""
import difflib
import os
import re
from functools import lru_cache
from typing import Any, FrozenSet, Mapping

from .errors import SiteError
from .schemas import checked

PREFIX = 'LUMI_HOOKS_'


@lru_cache(maxsize=None)
def load_settings() -> Mapping[str, Mapping[str, Any]]:
    """The settings by name: what each changes, and its values where there are only these (settings.json)."""
    found: Mapping[str, Mapping[str, Any]] = checked('settings.json')['settings']
    return found


def value(name: str, env: Mapping[str, str] = os.environ) -> str:
    """
    What a setting says, without blanks around it; empty where it is not set.

    :raises SiteError: it can't have that value
    """
    found, known = env.get(PREFIX + name, '').strip(), load_settings()[name]
    if found and not (found in known.get('values', (found,)) and re.fullmatch(known.get('pattern', '(?s:.*)'), found)):
        wanted = known.get('said') or ' or '.join(known['values'])
        raise SiteError(f'{PREFIX}{name} is {found!r}; it can be {wanted}, or unset')
    return found


def check(env: Mapping[str, str] = os.environ) -> None:
    """
    Reject a setting that would do nothing: a misspelt name, a value it can't have, a rule that does not exist.

    :raises SiteError: the message names the setting, and what may be meant
    """
    for variable in sorted(name for name in env if name.startswith(PREFIX) and env[name].strip()):
        name = variable[len(PREFIX):]
        if name in load_settings():
            value(name, env)
            continue
        near = difflib.get_close_matches(name, load_settings(), 1, 0.8)
        if near:  # any other is ours all the same: what modules and scripts set for each other
            raise SiteError(f'{variable} is not a setting; do you mean {PREFIX}{near[0]}?')
    disabled = words(env, 'DISABLE')
    if disabled:
        from .rules import RULES  # rules need sites; only who disables one pays for reading them here
        known = [rule.id for rule in RULES]
        for name in sorted(disabled.difference(known)):
            near = difflib.get_close_matches(name, known, 1)
            raise SiteError(f'{PREFIX}DISABLE names {name!r}, and there is no rule of that name'
                            + (f'; do you mean {near[0]}?' if near else '') + ' (docs/rules.md lists them)')


def words(env: Mapping[str, str], name: str) -> FrozenSet[str]:
    """
    The words of a setting that is a list, between colons, commas or blanks.

    >>> sorted(words({'LUMI_HOOKS_DERIVE': 'GROMACS:Siesta, lz4'}, 'DERIVE'))
    ['GROMACS', 'Siesta', 'lz4']
    """
    return frozenset(word for word in re.split(r'[,:\s]+', env.get(PREFIX + name, '')) if word)
