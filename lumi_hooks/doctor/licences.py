# SPDX-License-Identifier: GPL-2.0-only
"""Checks of licensed software: the licence is there, and the group that may read it exists."""
import grp
import os
import re
from typing import List, Optional, Tuple

from . import ERROR, Situation, check, no_recipe

SERVER = r'\d*@[A-Za-z0-9.-]+'


def _named(situation: Situation) -> List[Tuple[str, str]]:
    """Module and licence, for each that a recipe or an override names."""
    found = []
    for package in situation.packages:
        named = package.parameters.get('license_file')
        found += [(package.module, entry) for entry in (named if isinstance(named, (list, tuple)) else [named])
                  if isinstance(entry, str) and entry]
    return found


def _is_file(entry: str) -> bool:
    return '%(' not in entry and not re.fullmatch(SERVER, entry)


def no_licence(situation: Situation) -> Optional[str]:
    """Most software needs none; a server (port@host) is not asked."""
    named = _named(situation)
    if not named:
        return no_recipe(situation) or 'nothing that would be built names a licence'
    return None if any(_is_file(entry) for _, entry in named) else \
        f'{named[0][1]} is not a file; licence servers are not contacted'


@check('licence', 'the licence files that are needed are there', no_licence)
def licence(situation: Situation):
    """The licence file that a recipe or an override names can be read."""
    for module, entry in _named(situation):
        if _is_file(entry) and not os.access(entry, os.R_OK):
            yield ERROR, f'{module} needs the licence {entry}, which does not exist or which you cannot read: put it ' \
                         'there, or name yours in an override (license_file, docs/prefixes.md)'


def no_variable(situation: Situation) -> Optional[str]:
    """It matters for licensed software."""
    if not any(package.parameters.get('license_file') for package in situation.packages):
        return no_recipe(situation) or 'nothing that would be built names a licence'
    return None if situation.env.get('LM_LICENSE_FILE') else 'LM_LICENSE_FILE is not set'


@check('licence-variable', 'LM_LICENSE_FILE names licences that are there', no_variable)
def variable(situation: Situation):
    """Of the files that LM_LICENSE_FILE names, one has to be there, where a licensed package is to be built."""
    licensed = [package.module for package in situation.packages if package.parameters.get('license_file')]
    entries = [entry for entry in situation.env.get('LM_LICENSE_FILE', '').split(':') if entry]
    if licensed and entries and not any(re.fullmatch(SERVER, entry) or os.access(entry, os.R_OK) for entry in entries):
        yield ERROR, f'LM_LICENSE_FILE names {", ".join(entries)}, and none of them can be read: {licensed[0]} ' \
                     'needs one'


def no_group(situation: Situation) -> Optional[str]:
    """Most software is for everybody."""
    return no_recipe(situation) or (None if any(package.parameters.get('group') for package in situation.packages) else
                               'nothing that would be built is restricted to a group')


@check('licence-group', 'the groups that licensed software is restricted to exist', no_group)
def restricted(situation: Situation):
    """The group that a recipe or an override restricts an installation to exists, and the user is in it."""
    for package in situation.packages:
        name = package.parameters.get('group')
        name = name[0] if isinstance(name, (tuple, list)) and name else name
        if not isinstance(name, str) or not name:
            continue
        try:
            number = grp.getgrnam(name).gr_gid
        except KeyError:
            yield ERROR, f'{package.module} has to be readable by the group {name} alone, and there is no such group'
            continue
        if number not in (os.getegid(), *os.getgroups()):
            yield ERROR, f'{package.module} has to be readable by the group {name} alone, and you are not in it'
