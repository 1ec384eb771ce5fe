# SPDX-License-Identifier: GPL-2.0-only
"""The stack of prefixes inside `eb`: modules and recipes of all of them are found."""
import os
from dataclasses import replace
from typing import List, Sequence

from easybuild.tools.environment import setvar

from .. import prefix as prefixes
from ..catalogue import other_recipes
from ..central import Index
from ..prefix.overrides import overrides_of
from ..site import Site, stack_version


def enter(site: Site, robot: Sequence[str], upstream: Sequence[str]) -> Site:
    """
    Put the modules of all prefixes onto MODULEPATH; returns the site with the index of what exists there,
    and with the overrides of all prefixes.

    It has to run before EasyBuild's modules tool is made, which keeps MODULEPATH as it finds it.

    :param robot: robot path as EasyBuild was configured
    :param upstream: folders with upstream's recipes
    """
    found = [path for path in os.environ.get('MODULEPATH', '').split(':') if path]
    modulepath = prefixes.module_path(found, site.prefixes, stack_version(site), site.partition)
    if modulepath != found:
        setvar('MODULEPATH', ':'.join(modulepath), verbose=False)
    index = Index(modulepath, other_recipes(robot_path(site, robot), upstream), upstream)
    return replace(site, index=index, overrides=overrides_of(site.prefixes))


def robot_path(site: Site, robot: Sequence[str]) -> List[str]:
    """A robot path with the recipes of all prefixes, those of a prefix behind those of the prefixes above it."""
    return prefixes.robot_path(robot, site.prefixes, stack_version(site), site.partition)
