# SPDX-License-Identifier: GPL-2.0-only
"""The stack of prefixes inside `eb`: modules and recipes of all of them are found."""
import os
from dataclasses import replace
from typing import List, Sequence

from easybuild.tools.config import ConfigurationVariables, source_paths, source_paths_data
from easybuild.tools.environment import setvar
from easybuild.tools.filetools import det_lock_path

from ... import prefix as prefixes
from ...catalogue import other_recipes
from ...files import names_in
from ...index import Index
from ...prefix import closed
from ...prefix.overrides import overrides_of
from ...site import Site, stack_version
from .. import messages, patches
from . import gate


def enter(site: Site, robot: Sequence[str], upstream: Sequence[str]) -> Site:
    """
    Put the modules of all prefixes onto MODULEPATH; returns the site with the index of what exists there,
    and with the overrides of all prefixes.

    It has to run before EasyBuild's modules tool is made, which keeps MODULEPATH as it finds it.

    :param robot: robot path as EasyBuild was configured
    :param upstream: folders with upstream's recipes
    """
    found = [path for path in os.environ.get('MODULEPATH', '').split(':') if path]
    for sentence in closed.sentences(site.prefixes, stack_version(site), site.partition):
        messages.warn(sentence)
    modulepath = prefixes.module_path(found, site.prefixes, stack_version(site), site.partition)
    if modulepath != found:
        setvar('MODULEPATH', ':'.join(modulepath), verbose=False)
    index = Index(modulepath, other_recipes(robot_path(site, robot), upstream), upstream)
    return replace(site, index=index, overrides=overrides_of(site.prefixes))


def has_left_over(site: Site) -> bool:
    """May something be left in the prefix of an `eb` that was killed, or be kept for some days?"""
    locks = os.path.dirname(det_lock_path('x'))
    return any(map(names_in, (locks, *(os.path.join(site.prefix, folder) for folder in prefixes.LEFT_OVER))))


def robot_path(site: Site, robot: Sequence[str]) -> List[str]:
    """A robot path with the recipes of all prefixes, those of a prefix behind those of the prefixes above it."""
    return prefixes.robot_path(robot, site.prefixes, stack_version(site), site.partition)


def find_sources(site: Site) -> None:
    """
    Have sources looked for in all prefixes, too, so that what one was installed from is not fetched again; they are
    used where they lie, with the checksums of the recipe that asks for them. Idempotent.
    """
    where = site.prefixes, stack_version(site), site.partition
    for name, before in (('sourcepath', source_paths()), ('sourcepath_data', source_paths_data())):
        found = prefixes.source_path(before, *where)
        taken = gate.trusted_folders([path for path in found if path not in before], 'sources')
        set_source_paths([path for path in found if path in before or path in taken], name)


def set_source_paths(paths: Sequence[str], name: str = 'sourcepath') -> None:
    """
    Set where EasyBuild looks for sources; downloads go to the first.

    :param name: the setting, for sources or for those of data
    """
    # a frozen dictionary, as build options are (see easybuild.tools.config.update_build_option)
    if patches.on('sources'):
        ConfigurationVariables()._FrozenDict__dict[name] = list(paths)
