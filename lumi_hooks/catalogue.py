# SPDX-License-Identifier: GPL-2.0-only
"""Where recipes lie: upstream's, ours, and those of LUMI and the user."""
import os
from typing import List, Mapping, Sequence

from . import loaded
from .data import our_recipes
from .site import OVERLAY_FOLDER as FOLDER


def upstream_recipes(env: Mapping[str, str] = os.environ) -> List[str]:
    """
    Folders with upstream's recipes, for `eb` and lumi-eb alike: $LUMI_HOOKS_UPSTREAM (a list like PATH) where it is
    set, else those of the EasyBuild that is loaded, and no others. LUMI keeps them off its robot path.
    """
    given = env.get('LUMI_HOOKS_UPSTREAM')
    return [path for path in given.split(os.pathsep) if path] if given else loaded.recipes(env)


def other_recipes(robot_path: Sequence[str], upstream: Sequence[str]) -> List[str]:
    """The folders of a robot path that hold other recipes than upstream's and ours: LUMI's and the user's."""
    known = [*upstream, our_recipes() or '']
    others = [path for path in robot_path if path not in known and f'{os.sep}{FOLDER}{os.sep}' not in path]
    real = {os.path.realpath(path) for path in known} if others else ()
    return [path for path in others if os.path.realpath(path) not in real]
