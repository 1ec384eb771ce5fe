# SPDX-License-Identifier: GPL-2.0-only
"""Where recipes lie: upstream's, ours, and those of LUMI and the user."""
import os
import sys
from typing import List, Mapping, Optional, Sequence

from . import loaded
from .data import ROOT
from .errors import RecipeError
from .prefix.trust import trusted_here, why_not
from .site import OVERLAY_FOLDER as FOLDER


def upstream_recipes(env: Mapping[str, str] = os.environ) -> List[str]:
    """
    Folders with upstream's recipes, for `eb` and lumi-eb alike: $LUMI_HOOKS_UPSTREAM (a list like PATH) where it is
    set, else those of the EasyBuild that is loaded, and no others. LUMI keeps them off its robot path.
    """
    given = env.get('LUMI_HOOKS_UPSTREAM')
    return [path for path in given.split(os.pathsep) if path] if given else loaded.recipes(env)


def our_recipes() -> Optional[str]:
    """Our recipes of what upstream lacks (easyconfigs/), from a checkout or an installation."""
    for path in (os.path.join(os.path.dirname(ROOT), 'easyconfigs'),
                 os.path.join(sys.prefix, 'share', 'lumi-hooks', 'easyconfigs')):
        if os.path.isdir(path):
            return path
    return None


def other_recipes(robot_path: Sequence[str], upstream: Sequence[str]) -> List[str]:
    """The folders of a robot path that hold other recipes than upstream's and ours: LUMI's and the user's."""
    known = {os.path.realpath(path) for path in [*upstream, our_recipes() or '']}
    return [path for path in robot_path
            if os.path.realpath(path) not in known and f'{os.sep}{FOLDER}{os.sep}' not in path]


def find_recipe(recipe: str, folders: Sequence[str]) -> str:
    """
    Path of a recipe given as a path or as a file name in one of the folders.

    :raises RecipeError: it is nowhere (the message says where it was looked for), or not to be trusted
    """
    path = _find(recipe, folders)
    reason = why_not(path, trusted_here())
    if reason:
        raise RecipeError(f'the recipe {path} is not read, as reading it runs it: {reason}')
    return path


def _find(recipe: str, folders: Sequence[str]) -> str:
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
                letter = software[:1].lower() if software[:1].isalpha() else '0'
                for place in (os.path.join(folder, letter, software), os.path.join(folder, software), folder):
                    path = os.path.join(place, name)
                    if os.path.isfile(path):
                        return path
    hint = '"eb --search NAME" lists what exists'
    if not set(upstream_recipes()) & set(folders):
        hint = 'upstream\'s recipes are not among them: load the module EasyBuild, or name their folder by ' \
               'LUMI_HOOKS_UPSTREAM'
    raise RecipeError(f'there is no recipe {recipe} (looked in {", ".join(["the current folder", *folders])}); {hint}')
