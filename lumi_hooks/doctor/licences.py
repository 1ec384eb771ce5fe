# SPDX-License-Identifier: GPL-2.0-only
"""Checks of licensed software: the licence is there, and the group that may read it exists."""
import grp
import os
import re

from . import ERROR, Situation, check, no_recipe

SERVER = r'\d*@[A-Za-z0-9.-]+'


@check('licence', 'the licences that are needed are there', no_recipe)
def licence(here: Situation):
    """The licence file that a recipe or an override names can be read; a server (port@host) is not asked."""
    for package in here.packages:
        named = package.parameters.get('license_file')
        for entry in named if isinstance(named, (list, tuple)) else [named]:
            if not isinstance(entry, str) or not entry or '%(' in entry or re.fullmatch(SERVER, entry):
                continue
            if not os.access(entry, os.R_OK):
                yield ERROR, f'{package.module} needs the licence {entry}, which is not there or cannot be read ' \
                             'by you: ' \
                             'put it there, or name yours in an override (license_file, docs/prefixes.md)'


@check('licence-variable', 'LM_LICENSE_FILE names licences that are there', no_recipe)
def variable(here: Situation):
    """Of the files that LM_LICENSE_FILE names, one has to be there, where a licensed package is to be built."""
    licensed = [package.module for package in here.packages if package.parameters.get('license_file')]
    entries = [entry for entry in here.env.get('LM_LICENSE_FILE', '').split(':') if entry]
    if licensed and entries and not any(re.fullmatch(SERVER, entry) or os.access(entry, os.R_OK) for entry in entries):
        yield ERROR, f'LM_LICENSE_FILE names {", ".join(entries)}, and none of them can be read: {licensed[0]} ' \
                     'needs one'


@check('licence-group', 'the groups that are to have licensed software to themselves exist', no_recipe)
def restricted(here: Situation):
    """The group that a recipe or an override restricts an installation to exists, and the user is in it."""
    for package in here.packages:
        name = package.parameters.get('group')
        name = name[0] if isinstance(name, (tuple, list)) and name else name
        if not isinstance(name, str) or not name:
            continue
        try:
            number = grp.getgrnam(name).gr_gid
        except KeyError:
            yield ERROR, f'{package.module} is to be readable by the group {name} alone, and there is no such group'
            continue
        if number not in (os.getegid(), *os.getgroups()):
            yield ERROR, f'{package.module} is to be readable by the group {name} alone, and you are not in it'
