# SPDX-License-Identifier: GPL-2.0-only
"""Variables with the folders of what a cpe* toolchain has under other names: $EBROOTOPENSSL, $EBROOTCMAKE."""
import re
from functools import lru_cache
from typing import Dict, Mapping

from ..change import Change
from ..dependency import Dependency, root_variable
from ..packages import members, treatment
from ..site import Site
from .base import rule
from .draft import Draft
from .provided import stand_in
from .texts import in_commands

_FOLDER = re.compile(r'\$(?:\{(EBROOT[A-Z0-9_]+)\}|(EBROOT[A-Z0-9_]+)\b)')


def is_provided(draft: Draft) -> bool:
    """Is it a recipe of what the cpe* toolchain or the system provides, which means itself by such names (OpenMPI)?"""
    own = treatment(draft.name)
    return bool(own and own.verb == 'drop' and not own.lists)


@rule('folder-by-name', 'the folder of what stands in for a dependency has another name')
def folder_by_name(draft: Draft, site: Site):
    """$EBROOT… of a dependency that something else stands in for becomes that one's: nothing sets the variable."""
    if 'EBROOT' not in draft.recipe.text or is_provided(draft):
        return
    loaded = {root_variable(item.name) for _, item in draft.each()}
    known = {variable: folder for variable, folder in {**_folders(site), **_renamed(draft)}.items()
             if variable not in loaded}

    def change(text: str) -> str:
        return _FOLDER.sub(lambda match: _instead(match, known), text)

    for parameter, before, after in in_commands(draft, change):
        yield Change(parameter, before, after, 'folder-by-name',
                     'the dependency is not installed under its name here, and its variable would be empty')


def _instead(match: 're.Match[str]', known: Mapping[str, str]) -> str:
    folder = known.get(match[1] or match[2])
    if folder is None:
        return match[0]
    return f'${{{folder[1:]}}}' if match[1] and folder.startswith('$') else folder


def _renamed(draft: Draft) -> Dict[str, str]:
    """The same for dependencies that another software replaced."""
    return {root_variable(change.before.name): '$' + root_variable(change.after.name) for change in draft.changes
            if isinstance(change.before, Dependency) and isinstance(change.after, Dependency)
            and change.before.name != change.after.name and not change.after.external}


@lru_cache(maxsize=None)
def _folders(site: Site) -> Dict[str, str]:
    """Variable with the folder of a package -> the folder of what stands in for it, as a shell says it."""
    found = {}
    for name in members():
        entry = treatment(name)
        if entry and entry.folder:
            found[root_variable(name)] = entry.folder
        elif entry and entry.verb == 'module' and not entry.lists:
            found[root_variable(name)] = '$' + root_variable(stand_in(entry, site).name)
    return found
