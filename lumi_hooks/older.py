# SPDX-License-Identifier: GPL-2.0-only
"""
What a recipe wants of EasyBuild that the loaded one does not have: an easyblock, or a parameter of one.

Recipes of a newer EasyBuild (LUMI_HOOKS_UPSTREAM) are read by the easyblocks of the loaded one. Easyblocks are looked
for by the names of their files, and parameters as words in their texts: nothing is imported.
"""
import contextlib
import glob
import os
import re
from functools import lru_cache
from typing import Dict, FrozenSet, Iterable, Iterator, List, Mapping, Tuple

from . import easybuilds, loaded
from .data import ROOT
from .errors import RecipeError
from .files import read_text
from .recipe import RECORD, Recipe, read_recipe

# modules of the framework whose parameters every recipe may have
_EVERYWHERE = ('framework/easyconfig/default.py', 'framework/easyblock.py', 'framework/extensioneasyblock.py',
               'framework/extension.py')
_IMPORT = re.compile(r'^(?:from|import) +easybuild\.easyblocks\.(?:\w+\.)*(\w+)', re.M)
_WORD = re.compile(r'[\'"](\w+)[\'"]')


def notes(recipe: Recipe, env: Mapping[str, str] = os.environ) -> List[str]:
    """
    Sentences about what the loaded EasyBuild lacks for a recipe; none where nothing is missing or nothing is known.

    :param recipe: as it is written, before it is adapted
    """
    place = easybuilds.easyblocks(env)
    return list(_notes(recipe, place, env.get('EASYBUILD_INCLUDE_EASYBLOCKS', ''))) if place else []


def of_files(paths: Iterable[str], env: Mapping[str, str] = os.environ) -> List[str]:
    """
    The same of several recipes. Those of the loaded EasyBuild's own collection are not read again: they fit.

    :param paths: of recipes that can be read
    """
    own = [os.path.realpath(path) + os.sep for path in loaded.recipes(env)]
    found: List[str] = []
    for path in paths:
        if not any(os.path.realpath(path).startswith(folder) for folder in own):
            with contextlib.suppress(RecipeError):
                found.extend(notes(read_recipe(path), env))
    return found


def _notes(recipe: Recipe, place: str, included: str) -> Iterator[str]:
    name = recipe.parameters.get('easyblock') or f'EB_{recipe.name}'
    for easyblock in dict.fromkeys((name, *_inside(recipe))):
        if isinstance(easyblock, str) and '.' not in easyblock and module_of(easyblock) not in _modules(place) \
                and module_of(easyblock) not in _others(included):
            yield f'{recipe.filename} needs the easyblock {easyblock}, which {_which(place)} does not have: load a ' \
                  'newer EasyBuild, or take an older recipe'
    module = module_of(str(name))
    if module not in _modules(place):
        return
    unknown = sorted(key for key, value in recipe.parameters.items() if _is_parameter(key, value)
                     and key not in _words(place, module))
    if unknown:
        yield f'{recipe.filename} sets {", ".join(unknown)}, which {_which(place)} does not know and ignores: ' \
              'what is built may lack it; load a newer EasyBuild, or take an older recipe'


def _inside(recipe: Recipe) -> Iterator[object]:
    """The easyblocks of a bundle's components and of extensions, as far as they are named."""
    for key in ('exts_defaultclass', 'default_easyblock'):
        if recipe.parameters.get(key):
            yield recipe.parameters[key]
    for key in ('components', 'exts_list'):
        items = recipe.parameters.get(key)
        for item in items if isinstance(items, (list, tuple)) else ():
            if isinstance(item, (list, tuple)) and len(item) > 2 and isinstance(item[2], dict):
                yield item[2].get('easyblock')


def module_of(easyblock: str) -> str:
    """
    Name of the Python module that holds an easyblock, as EasyBuild derives it.

    >>> module_of('EB_netCDF-Fortran'), module_of('EB_GROMACS'), module_of('CMakeMake')
    ('netcdf_fortran', 'gromacs', 'cmakemake')
    """
    name = easyblock[3:] if easyblock.startswith('EB_') else easyblock
    for word, sign in (('_minus_', '-'), ('_plus_', '+')):
        name = name.replace(word, sign)
    return re.sub(r'\W', '', name.replace('-', '_')).lower()


def _is_parameter(key: str, value: object) -> bool:
    return not key.startswith(('local_', '_')) and key != RECORD and not callable(value) \
        and type(value).__name__ != 'module'


def _which(place: str) -> str:
    """The loaded EasyBuild, by the version of its easyblocks."""
    # <root>/lib/python3.11/site-packages/easybuild/easyblocks
    root = os.path.abspath(os.path.join(place, *[os.pardir] * 5))
    found = easybuilds.version(root, 'easyblocks')
    return f'EasyBuild {found}, which is loaded,' if found else 'the loaded EasyBuild'


@lru_cache(maxsize=None)
def _modules(place: str) -> Mapping[str, str]:
    """Name of each module with an easyblock -> its file."""
    found: Dict[str, str] = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(place), '*', '*.py'))):
        found.setdefault(os.path.basename(path)[:-3], path)
    return found


@lru_cache(maxsize=None)
def _others(included: str) -> FrozenSet[str]:
    """Names of the modules with easyblocks of LUMI's, the user's and ours."""
    patterns = [*included.split(','), os.path.join(glob.escape(os.path.dirname(ROOT)), 'easyblocks', '**', '*.py')]
    return frozenset(os.path.basename(path)[:-3] for pattern in patterns if pattern
                     for path in glob.glob(pattern, recursive=True))


@lru_cache(maxsize=None)
def _words(place: str, module: str) -> FrozenSet[str]:
    """The words in quotes in an easyblock's text, those that it inherits from, and in the framework's."""
    known, wanted, found = _modules(place), [module], set(_common(place))
    seen: List[str] = []
    while wanted:
        name = wanted.pop()
        if name not in seen and name in known:
            seen.append(name)
            text = _text(known[name])
            found.update(_WORD.findall(text))
            wanted.extend(_IMPORT.findall(text))
    return frozenset(found)


@lru_cache(maxsize=None)
def _common(place: str) -> Tuple[str, ...]:
    base = os.path.dirname(place)
    return tuple({word for name in _EVERYWHERE for word in _WORD.findall(_text(os.path.join(base, name)))})


def _text(path: str) -> str:
    try:
        return read_text(path)
    except OSError:
        return ''
