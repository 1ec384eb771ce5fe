# SPDX-License-Identifier: GPL-2.0-only
"""
Archived recipes (ebfiles_repo): copies of what was installed once.

LUMI's robot path begins with the user's own archive, so a copy there would win over a newer recipe of LUMI's or of
upstream's (its release notes tell people to delete folders). Here a copy is used only where there is nothing else, or
where it is asked for by its path, and what differs is told.
"""
import difflib
import os
from typing import Any, Dict, Iterable, List, Optional

from ..errors import RecipeError
from ..index import is_archive
from ..recipe import RECORD, Recipe, parse_recipe, read_recipe
from ..site import Site

# what EasyBuild writes around an archived recipe (FileRepository.add_easyconfig)
_BEGINNING, _END = '# Built with EasyBuild version', '# Build statistics'
_SHOWN = 12
# options of eb that install again what is installed
ANEW = ('--rebuild', '--force', '-f', '--module-only', '--skip', '-k')


def newer(recipe: Recipe, site: Site, given: Iterable[str] = ()) -> Optional[Recipe]:
    """
    The recipe that is to be installed instead of an archived one: LUMI's or the user's of that name, or the one that
    the copy was derived from.

    :param given: paths that were asked for: one of these is used as it is
    :return: None where the recipe is no archived one, was asked for, or nothing stands for it
    """
    path = recipe.path
    if not path or not is_archive(path) or os.path.realpath(path) in {os.path.realpath(item) for item in given}:
        return None
    # what is read of a live recipe lacks the record that a derived copy carries
    return _instead(parse_recipe(recipe.text, path), site)


def _instead(recipe: Recipe, site: Site) -> Optional[Recipe]:
    """LUMI's or the user's recipe of that name; for a derived copy the recipe that it was derived from."""
    name = os.path.basename(recipe.path or '')
    candidates = []
    own = site.index.recipe(recipe.name, name)
    if own and not is_archive(own) and not site.derives(recipe.name):
        candidates.append(own)
    source = recipe.record.get('source')
    candidates += [item.path for item in (*site.index.own_sources(recipe.name), *site.index.sources(recipe.name))
                   if os.path.basename(item.path) == source]
    for path in candidates:
        try:
            return read_recipe(path)
        except RecipeError:
            continue
    return None


def stays(module: str, path: str, site: Site, arguments: Iterable[str]) -> bool:
    """
    Does `eb` leave a module as it is, as it is installed, and not asked for by name to be installed again?

    :param path: the recipe that is read
    :param arguments: of eb
    """
    words = list(arguments)
    named = {os.path.basename(word) for word in words if not word.startswith('-')}
    anew = os.path.basename(path) in named and set(ANEW).intersection(words)
    return not anew and site.index.module_file(module) is not None


def differences(archived: Recipe, text: str) -> List[str]:
    """
    What an archived recipe says otherwise than a text that is used instead: the lines of a diff that begin with + or
    -, the first ones of many; none where both say the same.
    """
    if _says(parse_recipe(text)) == _says(archived):
        return []
    found = [line for line in difflib.unified_diff(_lines(archived.text), _lines(text), n=0, lineterm='')
             if line[:1] in '+-' and line[:3] not in ('+++', '---')]
    rest = len(found) - _SHOWN
    return found[:_SHOWN] + ([f'… and {rest} more lines'] if rest > 0 else [])


def _says(recipe: Recipe) -> Dict[str, Any]:
    """A recipe's parameters, without what EasyBuild and this library note in it."""
    return {name: value for name, value in recipe.parameters.items()
            if name not in ('buildstats', RECORD) and not name.startswith('local_') and not callable(value)
            and type(value).__name__ != 'module'}


def _lines(text: str) -> List[str]:
    """The lines of a recipe, without those that EasyBuild adds in an archive and our header."""
    found = []
    for line in text.splitlines():
        if line.startswith((_END, f'{RECORD} =')):
            break
        if line.strip() and not line.startswith((_BEGINNING, '# ')):
            found.append(line.rstrip())
    return found
