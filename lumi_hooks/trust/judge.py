# SPDX-License-Identifier: GPL-2.0-only
"""Decides whether a file is taken: every link on the way to it, the folders that it lies in, and the file itself."""
import os
import stat
from typing import Dict, NamedTuple, Optional, Set

from .acl import Writers, writers
from .owners import Trusted, Zone, group_name, user_name

# as many links as the kernel follows (path_resolution(7))
_MOST_LINKS = 40


class Folder(NamedTuple):
    """
    What is known of a folder.

    :ivar path: without links
    :ivar reason: why no file in it is taken; None where they are
    :ivar exchange: why what lies in it, or in a folder above it, can be exchanged for something else
    :ivar there: is there something of that path?
    """
    path: str
    reason: Optional[str] = None
    exchange: Optional[str] = None
    there: bool = True


class Judge:
    """
    Judges paths for one user. A folder is looked at once: a run asks for thousands of files in few folders.

    :param trusted: whose files are taken
    """

    def __init__(self, trusted: Trusted):
        self.trusted = trusted
        self._folders: Dict[str, Folder] = {}

    def why_not(self, path: str, seen: Optional[os.stat_result] = None) -> Optional[str]:
        """
        Why a file is not read as code or followed as configuration, as a sentence that says what to do; None where it
        is, or does not exist.

        Looked at are the file and its folder, and the same of every link that leads to it: patches are taken from
        next to the link, the text from next to its target. Nobody may be able to exchange a folder above.

        :param seen: what lstat said of the file just now, where it was asked already
        """
        path = _absolute(path)
        for _ in range(_MOST_LINKS):
            folder = self._folder(os.path.dirname(path))
            place = os.path.join(folder.path, os.path.basename(path))
            status, seen = seen or _status(place), None
            if status is None:
                return None
            reason = self._strict(place, status) or folder.reason
            if reason:
                return reason
            if not stat.S_ISLNK(status.st_mode):
                # a FIFO or a device would block, or never end
                return None if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode) else \
                    f'{place} is not a regular file'
            path = os.path.join(folder.path, os.readlink(place))
        return f'{path} is a chain of too many links'

    def why_not_in(self, folder: str) -> Optional[str]:
        """Why no file of a folder is taken; None where they are, or there is no such folder."""
        return self._folder(_absolute(folder)).reason

    def why_no_work(self, folder: str) -> Optional[str]:
        """
        Why a folder is not to be worked in (built in, temporary files): somebody else could exchange what is made
        there. A folder for everybody with the sticky bit (/tmp) is fine for a folder that the user makes in it.
        """
        return self._folder(_absolute(folder)).exchange

    def _folder(self, path: str) -> Folder:
        if path not in self._folders:
            # stands while it is looked at
            self._folders[path] = Folder(path, f'{path} is a chain of too many links', f'{path} leads to itself')
            try:
                found = self._look(path)
            except RecursionError:
                found = Folder(path, 'it lies below too many folders', 'it lies below too many folders')
            if not found.there:
                del self._folders[path]  # somebody may make it later
                return found
            self._folders[path] = found
        return self._folders[path]

    def _look(self, path: str) -> Folder:
        """What is known of a folder, and thereby of those above; `..` is followed as the kernel does."""
        above, name = os.path.split(path.rstrip(os.sep) or os.sep)
        up = self._folder(above) if name else Folder(os.sep)
        if name in ('', '.'):
            place = up.path
        elif name == '..':
            return self._folder(os.path.dirname(up.path))
        else:
            place = os.path.join(up.path, name)
        status = _status(place)
        if status is None:
            return Folder(place, up.exchange, up.exchange, there=False)
        if stat.S_ISLNK(status.st_mode):
            # whoever may exchange the link decides where it leads
            bad = up.exchange or self._owner(place, status)
            target = self._folder(os.path.join(up.path, os.readlink(place)))
            return target._replace(reason=bad or target.reason, exchange=bad or target.exchange)
        can = writers(place, status)
        exchange = up.exchange or self._exchange(place, status, can)
        return Folder(place, up.exchange or self._strict(place, status, can), exchange)

    def _strict(self, place: str, status: os.stat_result, can: Optional[Writers] = None) -> Optional[str]:
        """Why a file, or the folder that it lies in, is not taken: who else may write to it, whose it is."""
        if stat.S_ISLNK(status.st_mode):
            return self._owner(place, status)
        can = can or writers(place, status)
        if can.everybody:
            return f'everybody can write to {place}: chmod o-w {place}, or put the file into a folder of your own'
        if can.groups or can.users or not can.known:  # most files are their owner's alone
            reason = self._others(place, can, self.trusted.zone(place))
            if reason:
                return reason
        return self._owner(place, status)

    def _others(self, place: str, can: Writers, zone: Optional[Zone]) -> Optional[str]:
        allowed = self.trusted.groups | (zone.groups if zone else frozenset())
        group = next((number for number in can.groups if number not in allowed), None)
        if group is not None:
            return f'the group {group_name(group)} can write to {place}, and it is not that of a project or prefix ' \
                   f'of yours: chmod g-w {place}, or put the file into a folder of your own'
        owners = zone.owners if zone and zone.owners else ()
        user = next((number for number in can.users if number not in (self.trusted.user, 0, *owners)), None)
        if user is not None:
            return f'an ACL lets {user_name(user)} write to {place}: setfacl -b {place}'
        if not can.known:
            return f'who else can write to {place} cannot be seen, as its ACL cannot be read: copy it into a folder ' \
                   'of your own once you have read it'
        return None

    def _owner(self, place: str, status: os.stat_result) -> Optional[str]:
        if status.st_uid in (self.trusted.user, 0):
            return None
        zone = self.trusted.zone(place)
        if zone and (zone.owners is None or status.st_uid in zone.owners):
            return None
        return f'{place} belongs to {user_name(status.st_uid)}, not to you: copy it into a folder of your own once ' \
               'you have read it'

    def _exchange(self, folder: str, status: os.stat_result, can: Writers) -> Optional[str]:
        """
        Why what lies in a folder can be exchanged by others (with the sticky bit only by its owner). Groups that root
        lets write to a folder of its own are an administrator's choice: the folder of a project, /usr/local.
        """
        sticky = bool(status.st_mode & stat.S_ISVTX)
        if can.everybody and not sticky:
            return f'everybody can write to {folder}, and so can replace what is in it: ' \
                   f'chmod o-w {folder}'
        zone = self._around(folder)
        found = self._others(folder, can, zone) if not sticky and status.st_uid != 0 else None
        if found:
            return found
        if status.st_uid in (self.trusted.user, 0) or zone and (zone.owners is None or status.st_uid in zone.owners):
            return None
        return f'{folder} belongs to {user_name(status.st_uid)}, who can replace what is in ' \
               'it: work in a folder of your own'

    def _around(self, folder: str) -> Optional[Zone]:
        """The zone that a folder lies in; of a folder above zones, one whose owner and group they share."""
        zone = self.trusted.zone(folder)
        if zone:
            return zone
        owners: Set[int] = set()
        groups: Set[int] = set()
        for inner in self.trusted.zones:
            if inner.path.startswith(folder.rstrip(os.sep) + os.sep):
                groups |= inner.groups
                status = _status(inner.path)
                owners |= inner.owners or ({status.st_uid} if status else set())
        return Zone(folder, frozenset(owners), frozenset(groups)) if owners or groups else None


def _status(path: str) -> Optional[os.stat_result]:
    """What the file system knows of a file or link; None where there is none, or it can't be seen."""
    try:
        return os.lstat(path)
    except (OSError, ValueError):  # a NUL byte in the name
        return None


def _absolute(path: str) -> str:
    """A path from the root on, its links and `..` as they are; one relative to a folder that is gone is nowhere."""
    if os.path.isabs(path):
        return path
    try:
        return os.path.join(os.getcwd(), path)
    except OSError:
        return os.path.join(os.sep, 'nonexistent', path)
