# SPDX-License-Identifier: GPL-2.0-only
"""Checks of space and inodes, against an estimate of what is going to be built."""
import os
from typing import Optional, Tuple

from .. import sites
from ..amounts import size_in_words
from ..plan.cost import size_of
from ..prefix.quota import room
from ..record.experience import Experience
from ..releases import load_machine
from . import ERROR, WARNING, Situation, check, no_prefix


def estimate(situation: Situation) -> Tuple[int, int]:
    """
    Bytes and inodes that the installations will take, as `lumi-eb plan` counts them.
    """
    known = Experience(situation.site.prefixes)
    found = [size_of(package.name, known.estimate(package.module)) for package in situation.packages]
    found = found or [size_of('', None)]
    return sum(size for size, _ in found), sum(inodes for _, inodes in found)


@check('space', 'there is room for what will be installed', no_prefix)
def space(situation: Situation):
    """Free bytes and inodes in the prefix, by quota and by file system."""
    needed = dict(zip(('bytes', 'inodes'), estimate(situation)))
    count = len(situation.packages) or 1
    what = f'{count} installation{"s" if count > 1 else ""}'
    for found in room(situation.site.prefix):
        for kind in ('bytes', 'inodes'):
            free: Optional[int] = getattr(found, kind)
            if free is None or free >= needed[kind]:
                continue
            unit = size_in_words(free) if kind == 'bytes' else f'{free:,} files'
            wanted = size_in_words(needed[kind]) if kind == 'bytes' else f'{needed[kind]:,} files'
            remedy = f'remove what you no longer need ({sites.said("quotas")})'
            if free <= needed[kind] // 20:
                yield ERROR, f'{situation.site.prefix} has room for {unit} only ({found.source}), and {what} take ' \
                             f'about {wanted}: {remedy}'
            else:
                yield WARNING, f'{situation.site.prefix} has room for {unit} ({found.source}); {what} may take ' \
                               f'{wanted}: {remedy}'


def no_build_path(situation: Situation) -> Optional[str]:
    """EasyBuild-user says where it is built."""
    path = situation.buildpath or situation.env.get('EASYBUILD_BUILDPATH')
    return None if path and os.path.isabs(path) else \
        f'EASYBUILD_BUILDPATH names no folder to build in: module load {sites.setup()}'


@check('build-space', 'there is room to build in', no_build_path)
def build_space(situation: Situation):
    """Free bytes where EasyBuild builds: on LUMI that is the node's memory."""
    path = situation.buildpath or situation.env.get('EASYBUILD_BUILDPATH')
    assert path
    needed = load_machine()['estimate']['build_bytes']
    for found in room(path)[-1:]:
        if found.bytes is not None and found.bytes < needed:
            level = ERROR if found.bytes < needed // 100 else WARNING
            yield level, f'{path}, where packages are built, has room for {size_in_words(found.bytes)} only, and a ' \
                         f'large one takes {size_in_words(needed)}: clear it ' \
                         f'({sites.said("clear")}), or build where there is more room ({sites.said("workdir")})'
        if found.inodes is not None and found.inodes < 1000:
            yield ERROR, f'{path}, where packages are built, has room for {found.inodes:,} files only: clear it, ' \
                         f'or build elsewhere ({sites.said("workdir")})'
