# SPDX-License-Identifier: GPL-2.0-only
"""
Whose files an installation is made of, and who may read them: the project's group, the set-gid bit, never everybody's
to write.

EasyBuild adjusts modes in one of its steps, and copies logs and recipes afterwards; it does not hand the set-gid bit
on through the install step (easybuild-framework, issue 3847), and its --group demands a primary group. A pass over
the installation makes up for that.
"""
import contextlib
import grp
import os
import stat
from typing import Iterable, Iterator, Optional

from . import project_of
from .quota import existing

_SCRIPTS = ('bin', 'sbin')


def shared_group(prefix: str) -> Optional[int]:
    """
    Id of the group that a prefix is shared with: a project's, by the name of its folder, or that of a folder with the
    set-gid bit; None for a prefix of one's own.
    """
    if not prefix:
        return None
    with contextlib.suppress(KeyError):
        number = grp.getgrnam(project_of(prefix) or '').gr_gid
        if number in (os.getegid(), *os.getgroups()):
            return number
    try:
        status = os.stat(existing(prefix))
    except OSError:
        return None
    return status.st_gid if status.st_mode & stat.S_ISGID else None


def settle(path: str, group: Optional[int], writable: bool = True, restricted: bool = False) -> Iterator[str]:
    """
    Give everything below a path to a group, readable (and writable) by it, folders with the set-gid bit, nothing
    writable by everybody. Files of other users and what links point to are left alone.

    :param group: id of the group; None leaves groups as they are, and only takes write permission from everybody
    :param writable: may the group write?
    :param restricted: may nobody else read?
    :return: paths that could not be set
    """
    for entry in walk(path):
        try:
            settle_one(entry, group, writable, restricted)
        except OSError:
            yield entry


def settle_one(entry: str, group: Optional[int], writable: bool = True, restricted: bool = False) -> None:
    """
    The same for one file or folder.

    :raises OSError: it can't be set
    """
    status = os.lstat(entry)
    if status.st_uid != os.geteuid():
        return
    if group is not None and status.st_gid != group:
        os.chown(entry, -1, group, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        return
    old = stat.S_IMODE(status.st_mode)
    new = old & ~stat.S_IWOTH
    if group is not None:
        new |= stat.S_IRGRP
        if old & stat.S_IXUSR:
            new |= stat.S_IXGRP
        if stat.S_ISDIR(status.st_mode):
            new |= stat.S_ISGID
        if not writable:
            new &= ~stat.S_IWGRP
        elif old & stat.S_IWUSR:
            new |= stat.S_IWGRP
    if restricted:
        new &= ~stat.S_IRWXO
    # a change of group takes set-id bits away
    if new != stat.S_IMODE(os.lstat(entry).st_mode):
        os.chmod(entry, new)


def walk(path: str) -> Iterator[str]:
    """A path and everything below it, without following links."""
    yield path
    if os.path.isdir(path) and not os.path.islink(path):
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                yield os.path.join(folder, name)


def repair_programs(path: str) -> Iterator[str]:
    """
    Make programs in bin and sbin executable again that only their owner may read and write: on SLES 15 SP6
    `sed -i` leaves mode 600 behind. Returns what was repaired.

    :param path: folder of an installation
    """
    for folder in _SCRIPTS:
        for entry in _files(os.path.join(path, folder)):
            with contextlib.suppress(OSError):
                status = os.lstat(entry)
                if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) != 0o600:
                    continue
                with open(entry, 'rb') as handle:
                    start = handle.read(4)
                if start[:2] == b'#!' or start == b'\x7fELF':
                    os.chmod(entry, 0o755 & ~umask())
                    yield entry


def open_up(paths: Iterable[str], mask: int) -> None:
    """
    Give the group and others back what an umask allows them, for files and folders that were made under a narrower
    one; what is not the user's own is left alone.
    """
    for path in paths:
        with contextlib.suppress(OSError):
            status = os.lstat(path)
            if status.st_uid != os.geteuid() or stat.S_ISLNK(status.st_mode):
                continue
            full = 0o777 if stat.S_ISDIR(status.st_mode) or status.st_mode & stat.S_IXUSR else 0o666
            os.chmod(path, stat.S_IMODE(status.st_mode) | (full & ~mask))


def umask() -> int:
    """The umask of this process."""
    found = os.umask(0o077)
    os.umask(found)
    return found


def _files(folder: str) -> Iterable[str]:
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    except OSError:
        return ()
