# SPDX-License-Identifier: GPL-2.0-only
"""Finds the recipe that a path or a file name means; says which software there is, and what a word may mean."""
import difflib
import os
import re
from typing import FrozenSet, Iterable, List, Sequence, Set

from . import sites
from .catalogue import upstream_recipes
from .errors import RecipeError
from .index import Index, letter_of

# a name in the name of a recipe's file
_NAME = re.compile(r'(.+?)-\d')


def find_recipe(recipe: str, folders: Sequence[str]) -> str:
    """
    Path of a recipe given as a path or as a file name in one of the folders.

    :raises RecipeError: it is nowhere; the message says where it was looked for
    """
    if os.path.isfile(recipe):
        return os.path.abspath(recipe)
    name = os.path.basename(recipe)
    if recipe == name:
        if not name.endswith('.eb'):
            name += '.eb'
        parts = name.split('-')
        for folder in folders:
            for size in range(1, len(parts)):
                software = '-'.join(parts[:size])
                for place in (os.path.join(folder, letter_of(software), software),
                              os.path.join(folder, software), folder):
                    path = os.path.join(place, name)
                    if os.path.isfile(path):
                        return path
    raise RecipeError(f'there is no recipe {recipe} {_nowhere(recipe, folders)}')


def _nowhere(recipe: str, folders: Sequence[str]) -> str:
    """Where a recipe was looked for, and what may be meant."""
    if os.sep in recipe:
        return '(no such file; "lumi-eb search NAME" finds one by its name)'
    if not set(upstream_recipes()) & set(folders):
        return 'in the current folder or the folders of recipes; upstream\'s are not among these: load the module ' \
               f'{sites.setup()}, or name their folder by LUMI_HOOKS_UPSTREAM'
    index = Index((), (), folders)
    name = os.path.basename(recipe)
    # the longest beginning of the file name that is a software
    parts = name.split('-')
    known = next((found for size in range(len(parts), 0, -1)
                  for found in ['-'.join(parts[:size])] if index.sources(found)), None)
    if known:
        files = [os.path.basename(source.path) for source in index.sources(known)]
        near = difflib.get_close_matches(name, files, 3, 0.6)
        return f'in the current folder, nor among {sites.name()}\'s, yours and upstream\'s: ' \
            + (f'did you mean {" or ".join(near)}?' if near else f'"lumi-eb search {known}" shows what there is')
    base = re.sub(r'(-v?\d.*)?(\.eb)?$', '', name, count=1)
    meant = did_you_mean(base, all_software(index))
    return f'in the current folder, nor any of {base or "that name"} elsewhere: {meant}'


def all_software(index: Index) -> FrozenSet[str]:
    """Names of all software that there is a recipe or a module of."""
    found: Set[str] = set()
    for folder in (*index.recipes, *index.upstream):
        for entry in index.entries(folder):
            if entry.endswith('.eb'):
                match = _NAME.match(entry)
                found.update(match.groups() if match else ())
            elif len(entry) == 1:
                found.update(index.entries(os.path.join(folder, entry)))
            elif '.' not in entry:
                found.add(entry)
    found.update(installed_software(index))
    return frozenset(name for name in found if not name.startswith(('.', '_')))


def installed_software(index: Index) -> FrozenSet[str]:
    """Names of all software that there is a module of; a folder of modules may hold other folders, too."""
    return frozenset(name for folder in index.modulepath for name in index.entries(folder)
                     if not name.startswith(('.', '_')) and not name.endswith('.lua'))


def similar(name: str, names: Iterable[str], number: int = 3) -> List[str]:
    """The names that a mistyped one may stand for, the likeliest first, whatever the case of their letters."""
    by_case = {known.lower(): known for known in sorted(names)}
    return [by_case[found] for found in difflib.get_close_matches(name.lower(), by_case, number, 0.7)]


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The end of a sentence about a name that is not known."""
    found = similar(name, names)
    return f'did you mean {" or ".join(found)}?' if found else '"lumi-eb search WORD" looks for parts of names'
