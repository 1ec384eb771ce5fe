# SPDX-License-Identifier: GPL-2.0-only
"""
The user's settings: environment variables LUMI_HOOKS_…, as docs/settings.md explains them.

What is set by mistake is told when a site is made, so by each command and by `eb`: a setting that does nothing is worse
than none.
"""
import difflib
import os
import re
from typing import Dict, FrozenSet, List, Mapping, Tuple

from .errors import SiteError

PREFIX = 'LUMI_HOOKS_'
# what each changes, in a few words; values where there are only these
SETTINGS: Dict[str, Tuple[str, Tuple[str, ...]]] = {
    'RELEASE': ('used instead of what the modules say', ()),
    'PARTITION': ('used instead of what the modules say', ()),
    'TOOLCHAIN': ('used instead of what follows from the recipe', ()),
    'MODE': ('used instead of what the modules say', ()),
    'SITE': ('another site', ()),
    'SITE_DIR': ('another site', ()),
    'UPSTREAM': ('folders with upstream\'s recipes', ()),
    'PREFIXES': ('your stack of prefixes', ()),
    'OVERRIDES': ('folders with overrides of recipes', ()),
    'ALLOW': ('software that may lack checksums, and that may download while it is built', ()),
    'MOUNT': ('how the image of a packed environment is mounted', ('fuse', 'singularity', 'say')),
    'PATCHES': ('how EasyBuild\'s functions are replaced', ('off', 'untested')),
    'NETWORK': ('the way that keeps builds off the network', ('notification', 'sockets', 'namespace', 'open')),
    'KEEP_ENVIRONMENT': ('variables of your shell that builds may see', ()),
    'PRIVATE_SOURCES': ('folders with the sources of licensed software', ()),
    'CHAIN': ('hooks files that run after ours', ()),
    'DERIVE': ('software that is derived though the site has a recipe', ()),
    'GPU': ('software whose variant for GPUs is taken', ()),
    'DISABLE': ('rules that are switched off', ()),
    'HIDE': ('are modules hidden that came in only as dependencies?', ('on', 'off')),
    'KEEP_DAYS': ('for how many days removed files are kept', ()),
    'VERIFY': ('what an error of lumi-eb verify does to an installation', ('error', 'warn', 'off')),
    'SYSTEM_ROOT': ('the folder that holds /opt/cray', ()),
    'PYTHON': ('the Python that runs lumi-eb', ()),
}


def check(env: Mapping[str, str] = os.environ) -> None:
    """
    Reject a setting that would do nothing: a misspelt name, a value it can't have, a rule that does not exist.

    :raises SiteError: the message names the setting, and what may be meant
    """
    for variable in sorted(name for name in env if name.startswith(PREFIX) and env[name].strip()):
        name, value = variable[len(PREFIX):], env[variable].strip()
        if name not in SETTINGS:
            near = difflib.get_close_matches(name, SETTINGS, 1, 0.8)
            if near:
                raise SiteError(f'{variable} is not a setting; do you mean {PREFIX}{near[0]}?')
            continue  # ours all the same: what modules and scripts set for each other
        values = SETTINGS[name][1]
        if values and value not in values:
            raise SiteError(f'{variable} is {value!r}; it can be {" or ".join(values)}, or unset')
    disabled = words(env, 'DISABLE')
    if disabled:
        from .rules import RULES  # rules need sites; only who disables one pays for reading them here
        known = [rule.id for rule in RULES]
        for name in sorted(disabled.difference(known)):
            near = difflib.get_close_matches(name, known, 1)
            raise SiteError(f'{PREFIX}DISABLE names {name!r}, and there is no rule of that name'
                            + (f'; do you mean {near[0]}?' if near else '') + ' (docs/rules.md lists them)')


def in_force(env: Mapping[str, str] = os.environ) -> List[str]:
    """The settings that are set, each with its value and what it changes, in the order of the documentation."""
    return [f'{PREFIX}{name}={env[PREFIX + name]}: {meaning}' for name, (meaning, _) in SETTINGS.items()
            if env.get(PREFIX + name)]



def words(env: Mapping[str, str], name: str) -> FrozenSet[str]:
    """
    The words of a setting that is a list, between colons, commas or blanks.

    >>> sorted(words({'LUMI_HOOKS_DERIVE': 'GROMACS:Siesta, lz4'}, 'DERIVE'))
    ['GROMACS', 'Siesta', 'lz4']
    """
    return frozenset(word for word in re.split(r'[,:\s]+', env.get(PREFIX + name, '')) if word)
