# SPDX-License-Identifier: GPL-2.0-only
"""The files of this library itself, in a clone or as installed."""
import os
from typing import Iterator

from .data import ROOT

# next to lumi_hooks/ in a clone: code that EasyBuild, Lmod and git run
_BESIDE = ('toolchains', 'easyblocks', 'easyconfigs', 'bin', 'modulefiles')
_GIT = (os.path.join('.git', 'config'), os.path.join('.git', 'HEAD'))


def files(everything: bool = False) -> Iterator[str]:
    """
    Paths of the library's own files; compiled ones are left out.

    :param everything: what is next to it in its clone as well: classes, recipes, programs, git's configuration
    """
    yield from _below(ROOT)
    clone = os.path.dirname(ROOT)
    if everything and os.path.isfile(os.path.join(clone, 'setup.cfg')):
        for name in _BESIDE:
            yield from _below(os.path.join(clone, name))
        yield from filter(os.path.isfile, (os.path.join(clone, name) for name in _GIT))


def _below(folder: str) -> Iterator[str]:
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != '__pycache__']
        yield from (os.path.join(path, name) for name in names)
