# SPDX-License-Identifier: GPL-2.0-only
"""
Whom files are taken from: recipes, overrides and hooks decide on what is run, so the folder that they come from must
not be one that others can write to.

What can be enforced, and what can't, stands in docs/prefixes.md.
"""
import contextlib
import grp
import os
import pwd
import shutil
import stat
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Dict, FrozenSet, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..data import ROOT
from ..errors import LumiHooksError
from . import project_of, stack_of


@dataclass(frozen=True)
class Trusted:
    """
    Whose files are taken.

    :ivar user: id of the user; files of theirs and of root are taken from everywhere
    :ivar groups: ids of the groups that may write beside the user: their private one, those of projects
    :ivar roots: folders that the user chose (prefixes): files of anybody who may write there are taken
    :ivar site: folders of the site (the central stack, EasyBuild, this library): the site's staff decides there
    """
    user: int
    groups: FrozenSet[int]
    roots: Tuple[str, ...] = ()
    site: Tuple[str, ...] = ()


def trusted(prefixes: Sequence[str] = (), env: Mapping[str, str] = os.environ) -> Trusted:
    """Whom to take files from, with these prefixes and environment."""
    user = os.geteuid()
    groups = {0, _private_group(user)}
    for prefix in prefixes:
        with contextlib.suppress(OSError):  # it may be made later
            groups.add(os.stat(prefix).st_gid)
    stack = env.get('EASYBUILD_INCLUDE_MODULE_NAMING_SCHEMES', '').partition('/easybuild/tools/')[0]
    eb = shutil.which('eb', path=env.get('PATH'))
    site = [os.path.dirname(stack) if stack else '', env.get('EBROOTEASYBUILD', ''), os.path.dirname(ROOT), sys.prefix,
            os.path.dirname(os.path.dirname(os.path.realpath(eb))) if eb else '',
            *env.get('LUMI_HOOKS_UPSTREAM', '').split(os.pathsep)]
    return Trusted(user, frozenset(groups - {-1}), tuple(map(os.path.realpath, prefixes)),
                   tuple(os.path.realpath(path) for path in site if path))


def trusted_here(env: Mapping[str, str] = os.environ) -> Trusted:
    """Whom to take files from where no site is known yet: with the prefixes that the environment names."""
    top = env.get('EBU_USER_PREFIX') or os.path.join(env.get('HOME', '/'), 'EasyBuild')
    try:
        return trusted(stack_of(top, env), env)
    except LumiHooksError:
        return trusted([top], env)


def why_not(path: str, whom: Trusted, folders: Optional[Dict[str, 'Folder']] = None) -> Optional[str]:
    """
    Why a file is not to be taken, as a sentence that says what to do; None where it may be, or does not exist.

    The file and its folder must belong to the user or to root (or lie in a prefix, or be the site's), and nobody
    else may write there. Nobody may be able to put another folder in the place of one above.

    :param folders: what is known of folders already: in a run that asks for many files a folder is looked at once
    """
    path, status = os.path.abspath(path), _status(path)
    if status and stat.S_ISLNK(status.st_mode):
        path = os.path.realpath(path)
        status = _status(path)
    folder = _look_at(os.path.dirname(path), whom, {} if folders is None else folders)
    if folder.of_site:
        return None
    return _why_not(os.path.join(folder.path, os.path.basename(path)), status, whom, folder.shared) or folder.reason


class Folder(NamedTuple):
    """
    What is known of a folder that files are taken from.

    :ivar path: without links
    :ivar of_site: it is one of the site's, whose staff decides there
    :ivar shared: it lies in a prefix of the user's
    :ivar reason: why no file is to be taken from there; None where they may be
    :ivar open: why a folder below can be exchanged for another by everybody
    """
    path: str
    of_site: bool = False
    shared: bool = False
    reason: Optional[str] = None
    open: Optional[str] = None


def _look_at(folder: str, whom: Trusted, known: Dict[str, Folder]) -> Folder:
    """What is known of a folder, and thereby of those above, each looked at once."""
    if folder not in known:
        above, status = os.path.dirname(folder), _status(folder)
        if above == folder:
            known[folder] = Folder(folder)
        elif status and stat.S_ISLNK(status.st_mode):
            known[folder] = _look_at(os.path.realpath(folder), whom, known)
        else:
            up = _look_at(above, whom, known)
            real = os.path.join(up.path, os.path.basename(folder))
            shared = any(_inside(real, root) for root in whom.roots)
            known[folder] = Folder(real, any(_inside(real, root) for root in whom.site), shared,
                                   _why_not(real, status, whom, shared) or up.open,
                                   _replaceable(real, status) or up.open)
    return known[folder]


def _status(path: str) -> Optional[os.stat_result]:
    """What the file system knows of a file or link; None where there is none, or it can't be seen."""
    try:
        return os.lstat(path)
    except OSError:
        return None


def _why_not(place: str, status: Optional[os.stat_result], whom: Trusted, shared: bool) -> Optional[str]:
    if status is None:
        return None
    if status.st_mode & stat.S_IWOTH:
        return f'everybody can write to {place}: chmod o-w {place}, or put the file into a folder of your own'
    if status.st_mode & stat.S_IWGRP and status.st_gid not in whom.groups \
            and _group(status.st_gid) != project_of(place):
        return f'the group {_group(status.st_gid)} can write to {place}, and it is not that of a project of yours: ' \
               f'chmod g-w {place}, or put the file into a folder of your own'
    if not shared and status.st_uid not in (whom.user, 0):
        return f'{place} belongs to {_user(status.st_uid)}, not to you: copy it into a folder of your own once you ' \
               'have read it'
    return None


def _replaceable(folder: str, status: Optional[os.stat_result]) -> Optional[str]:
    """Why what lies in a folder further up can be exchanged by everybody (not so with the sticky bit, as in /tmp)."""
    if status and status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        return f'everybody can write to {folder}, and so put something else in the place of what lies there'
    return None


@lru_cache(maxsize=None)
def _private_group(user: int) -> int:
    """The user's own group, that nobody else is in (named after the user, or of the same number); -1 if none is."""
    try:
        entry = pwd.getpwuid(user)
    except KeyError:
        return user
    name = _group(entry.pw_gid)
    return entry.pw_gid if name == entry.pw_name or entry.pw_gid == user else -1


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f'user {number}'


def _inside(path: str, root: str) -> bool:
    return (path + os.sep).startswith(root.rstrip(os.sep) + os.sep)
