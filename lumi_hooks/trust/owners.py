# SPDX-License-Identifier: GPL-2.0-only
"""
Whom files are taken from: the user, root, and in some folders others as well.

A folder that the user named or that the machine's modules name is a zone. Inside it files of those who look after it
are taken, and its group may write. A zone lends trust to nothing outside of itself; only the group of the prefix that
is installed into counts elsewhere, as its members decide on what the user runs anyway.
"""
import grp
import os
import pwd
import shutil
import stat
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import FrozenSet, List, Mapping, Optional, Sequence, Tuple

from .. import sites
from ..areas import project_of
from ..data import ROOT

CHECKOUT = os.path.dirname(ROOT)


@dataclass(frozen=True)
class Zone:
    """
    A folder in which files of others are taken.

    :ivar path: without links
    :ivar owners: ids of users whose files are taken besides the user's and root's; None: whoever may write there
    :ivar groups: ids of groups that may write there
    """
    path: str
    owners: Optional[FrozenSet[int]] = frozenset()
    groups: FrozenSet[int] = frozenset()


@dataclass(frozen=True)
class Trusted:
    """
    Whose files are taken.

    :ivar user: id of the user; files of theirs and of root are taken from everywhere
    :ivar groups: ids of groups that may write everywhere: the user's private one, root's, that of the prefix that is
        installed into
    :ivar zones: folders with rules of their own, the innermost first
    """
    user: int
    groups: FrozenSet[int]
    zones: Tuple[Zone, ...] = ()

    def zone(self, path: str) -> Optional[Zone]:
        """The innermost zone that a path without links lies in."""
        return next((zone for zone in self.zones if inside(path, zone.path)), None)


def trusted(prefixes: Sequence[str], env: Mapping[str, str], named: Sequence[str] = ()) -> Trusted:
    """
    Whose files are taken with a stack of prefixes.

    :param prefixes: top first; may be empty
    :param env: where modules and the user name folders of the site
    :param named: further folders that the user named (overrides)
    """
    user = os.geteuid()
    groups = {0, private_group(user)}
    zones = [zone for zone in (*map(_site_zone, _site_folders(env)), *map(_named_zone, _upstream(env)),
                               _named_zone(CHECKOUT), *map(_shared_zone, named),
                               *map(_shared_zone, prefixes)) if zone]
    top = _shared_zone(prefixes[0]) if prefixes else None
    if top:
        groups |= top.groups
    # of two for the same folder the stricter one counts, which is the later: prefixes behind folders of the site
    found = {zone.path: zone for zone in zones}
    return Trusted(user, frozenset(groups - {-1}), tuple(sorted(found.values(), key=lambda zone: -len(zone.path))))


def sharing_group(path: str) -> Optional[int]:
    """
    Id of the group that shares a folder with the user: the project's by the name of its folder, or that of a folder
    with the set-gid bit; None where there is none, or the user is not in it. A primary group that others are in as well
    (users) is nobody's choice, and does not count but for a project's.
    """
    try:
        status = os.stat(path)
    except OSError:
        return None
    mine = status.st_gid in (os.getegid(), *os.getgroups())
    if mine and group_name(status.st_gid) == project_of(path):
        return status.st_gid
    chosen = status.st_gid != os.getegid() or status.st_gid == private_group(os.geteuid())
    return status.st_gid if mine and chosen and status.st_mode & stat.S_ISGID else None


def _shared_zone(path: str) -> Optional[Zone]:
    """A prefix, or a folder with overrides: of the user's own, or shared with a group that the user is in."""
    group = sharing_group(path)
    return Zone(os.path.realpath(path), None, frozenset({group})) if group is not None else None


def _named_zone(path: str) -> Optional[Zone]:
    """A folder that the user chose to take code from: its owner's files are taken, and those of a sharing group."""
    return _shared_zone(path) or _zone(path, False)


def _site_zone(path: str) -> Optional[Zone]:
    """A folder of the site, whose code runs already (EasyBuild, the central stack): its owner and its group decide."""
    return _zone(path, True)


def _zone(path: str, with_group: bool) -> Optional[Zone]:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return Zone(os.path.realpath(path), frozenset({status.st_uid}),
                frozenset({status.st_gid}) if with_group else frozenset())


def _site_folders(env: Mapping[str, str]) -> List[str]:
    """Folders of the site: the central stack, EasyBuild, the Python that runs."""
    stack = env.get('EASYBUILD_INCLUDE_MODULE_NAMING_SCHEMES', '').partition('/easybuild/tools/')[0]
    own = [os.path.dirname(stack)] if stack else sites.site()['central']
    found = [*own, env.get('EBROOTEASYBUILD', ''), sys.prefix]
    eb = shutil.which('eb', path=env.get('PATH'))
    if eb:
        root = os.path.dirname(os.path.dirname(os.path.realpath(eb)))
        # an `eb` somewhere else (~/eb) makes nothing of the folder above
        found.append(root if os.path.isdir(os.path.join(root, 'easybuild', 'easyconfigs')) else '')
    return [path for path in dict.fromkeys(found) if path and os.path.realpath(path) != os.sep]


def _upstream(env: Mapping[str, str]) -> List[str]:
    return [path for path in env.get('LUMI_HOOKS_UPSTREAM', '').split(os.pathsep) if path]


@lru_cache(maxsize=None)
def private_group(user: int) -> int:
    """The user's own group, that nobody else is in (named after the user, or of the same number); -1 if none is."""
    try:
        entry = pwd.getpwuid(user)
    except KeyError:
        return user
    name = group_name(entry.pw_gid)
    return entry.pw_gid if name == entry.pw_name or entry.pw_gid == user else -1


def group_name(number: int) -> str:
    """Name of a group, or its number."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def user_name(number: int) -> str:
    """Name of a user, or "user 12345"."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f'user {number}'


def inside(path: str, root: str) -> bool:
    """Does a path lie in a folder, or is it the folder?"""
    return (path + os.sep).startswith(root.rstrip(os.sep) + os.sep)
