# SPDX-License-Identifier: GPL-2.0-only
"""Is a module one that `module avail` does not list? visibility.py hides modules and lists them again."""
import os

# below a prefix: kind / path of a folder of modules / name / version
HIDDEN = os.path.join('.lumi-hooks', 'hidden')
DEPENDENCY, REMOVED = 'dependency', 'removed'


def is_hidden(prefix: str, tree: str, module: str, kind: str) -> bool:
    """Is a module hidden for that reason?"""
    top = os.path.join(prefix, HIDDEN, kind)
    if not os.path.isdir(top):
        return False  # most often; what follows looks at each folder above the tree
    name, _, version = module.partition('/')
    return os.path.lexists(os.path.join(top, below(prefix, tree), name, version.replace(os.sep, '%')))


def below(prefix: str, tree: str) -> str:
    """
    Path of a tree below its prefix.

    :raises OSError: it lies elsewhere
    """
    found = os.path.relpath(os.path.realpath(tree), os.path.realpath(prefix))
    if found.split(os.sep)[0] in (os.pardir, os.curdir):
        raise OSError(22, f'does not lie in {prefix}', tree)
    return found
