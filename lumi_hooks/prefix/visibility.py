# SPDX-License-Identifier: GPL-2.0-only
"""
Modules that `module avail` does not list: those that came in as dependencies alone, and those due for removal.

What is hidden is a folder of empty files below the prefix, one for each module, which several members of a project can
add to and take from at the same time. Lmod reads a list that is made of it: `.modulerc.lua` in the module tree, with
`hide_version` (Lmod's documentation, "Site and user control of defaults, aliases and hidden modules"; seen to work with
8.6.19, in the folder that MODULEPATH names). A hidden module is loaded by its full name, and by the modules that depend
on it; without its version it is not chosen. Standard library alone.
"""
import contextlib
import fcntl
import os
from typing import Iterator, List

from .. import quote
from ..files import at, names_in, open_folder, read_text, umask, write_atomic
from .hidden import DEPENDENCY, HIDDEN, REMOVED, below

FILE = '.modulerc.lua'
_KINDS = (DEPENDENCY, REMOVED)
_BEGIN, _END = '-- lumi-hooks: hidden modules', '-- lumi-hooks: end of hidden modules'


def hide(prefix: str, tree: str, module: str, kind: str) -> None:
    """
    Hide a module. Idempotent.

    :param tree: the folder of the prefix that MODULEPATH names
    :param kind: DEPENDENCY or REMOVED
    :raises OSError: the prefix or the tree can't be written
    """
    name, _, version = module.partition('/')
    with open_folder(prefix, os.path.join(HIDDEN, kind, below(prefix, tree), name), make=True) as folder, \
            contextlib.suppress(FileExistsError):
        os.close(os.open(at(folder, version.replace(os.sep, '%')), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    refresh(prefix, tree)


def show(prefix: str, tree: str, module: str, kind: str) -> bool:
    """
    List a module again.

    :return: was it hidden for that reason?
    :raises OSError: the prefix or the tree can't be written
    """
    name, _, version = module.partition('/')
    found = False
    with contextlib.suppress(FileNotFoundError), \
            open_folder(prefix, os.path.join(HIDDEN, kind, below(prefix, tree), name)) as folder:
        os.unlink(at(folder, version.replace(os.sep, '%')))
        found = True
    refresh(prefix, tree)  # also where one that was killed came no further than this
    return found


def hidden(prefix: str, tree: str, kind: str) -> List[str]:
    """Full names of the modules of a tree that are hidden for a reason; sorted."""
    top = os.path.join(prefix, HIDDEN, kind, below(prefix, tree))
    return sorted(f'{name}/{version.replace("%", os.sep)}' for name in names_in(top)
                  for version in names_in(os.path.join(top, name)))


def refresh(prefix: str, tree: str) -> None:
    """
    Write the list that Lmod reads, as the folder of what is hidden says now; what others wrote into the file stays.

    :raises OSError: the tree can't be written
    """
    path = os.path.join(tree, FILE)
    if not os.path.isdir(os.path.join(prefix, HIDDEN)) or not os.path.isdir(tree):
        return  # nothing was ever hidden
    with _alone(prefix):
        names = sorted({module for kind in _KINDS for module in hidden(prefix, tree, kind)})
        try:
            before = read_text(path)
        except FileNotFoundError:
            before = ''
        after = _without_ours(before)
        if names:
            lines = [_BEGIN, *(f'hide_version("{_lua(name)}")' for name in names), _END]
            after = after + ('\n' if after and not after.endswith('\n') else '') + '\n'.join(lines) + '\n'
        if after != before:
            if after.strip():
                write_atomic(path, after, 0o666 & ~umask())
            else:
                os.unlink(path)


def _without_ours(text: str) -> str:
    """A file without our part of it."""
    begin, end = text.find(_BEGIN), text.find(_END)
    return text if begin < 0 or end < begin else text[:begin] + text[end + len(_END):].lstrip('\n')


def _lua(text: str) -> str:
    return quote.line(text).replace('\\', '\\\\').replace('"', '\\"')


@contextlib.contextmanager
def _alone(prefix: str) -> Iterator[None]:
    """One process at a time writes the list; where files can't be locked, without."""
    with open_folder(prefix, HIDDEN, make=True) as folder:
        handle = os.open(at(folder, ''), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
