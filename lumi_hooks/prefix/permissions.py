# SPDX-License-Identifier: GPL-2.0-only
"""
Whose files an installation is made of, and who may read them: the project's group, the set-gid bit, never everybody's
to write.

EasyBuild adjusts modes in one of its steps, and copies logs and recipes afterwards; it does not hand the set-gid bit
on through the install step (easybuild-framework, issue 3847), and its --group demands a primary group. A pass over
the installation makes up for that.
"""
import contextlib
import os
import stat
from typing import Dict, Iterable, Iterator, Optional, Tuple

from .. import tree
from ..files import of, open_regular, umask

_SCRIPTS = ('bin', 'sbin')


def settle(path: str, group: Optional[int], writable: bool = True, restricted: bool = False) -> Iterator[str]:
    """
    Give everything below a path to a group, readable (and writable) by it, folders with the set-gid bit, nothing
    writable by everybody. Files of other users and what links point to are left alone, and so is a file that has more
    names (hard links) than there are below the path: it may be anybody's secret.

    :param group: id of the group; None leaves groups as they are, and only takes write permission from everybody
    :param writable: may the group write?
    :param restricted: may nobody else read?
    :return: paths that could not be set
    """
    try:
        with tree.opened(path):
            pass
    except OSError:
        yield path
        return
    names: Dict[Tuple[int, int], int] = {}
    for entry in tree.entries(path):
        if _has_more_names(entry):
            inode = entry.status.st_dev, entry.status.st_ino
            names[inode] = names.get(inode, 0) + 1
        elif not _settled(entry, group, writable, restricted):
            yield entry.path
    for entry in tree.entries(path) if names else ():
        if _has_more_names(entry) and names.get((entry.status.st_dev, entry.status.st_ino)) == entry.status.st_nlink \
                and not _settled(entry, group, writable, restricted):
            yield entry.path


def settle_one(path: str, group: Optional[int], writable: bool = True, restricted: bool = False) -> None:
    """
    The same for one file or folder.

    :raises OSError: it can't be set
    """
    with tree.opened(path) as entry:
        if not _has_more_names(entry):
            _settle(entry, group, writable, restricted)


def _has_more_names(entry: tree.Entry) -> bool:
    """Is it a file with more than one name? The others may lie anywhere."""
    return entry.status.st_nlink > 1 and stat.S_ISREG(entry.status.st_mode)


def _settled(entry: tree.Entry, group: Optional[int], writable: bool, restricted: bool) -> bool:
    try:
        _settle(entry, group, writable, restricted)
    except OSError:
        return False
    return True


def _settle(entry: tree.Entry, group: Optional[int], writable: bool, restricted: bool) -> None:
    status = entry.status
    if not entry.mine:
        return
    if group is not None and status.st_gid != group:
        os.chown(of(entry.file), -1, group)
        # a program's set-id bits go with its old group: the new one's rights are not everybody's to use
        status = os.fstat(entry.file)
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
    if new != old:
        os.chmod(of(entry.file), new)


def walk(path: str) -> Iterator[str]:
    """A path and everything below it, without following links."""
    return (entry.path for entry in tree.entries(path))


def repair_programs(path: str) -> Iterator[str]:
    """
    Make programs in bin and sbin executable again that only their owner may read and write: on SLES 15 SP6
    `sed -i` leaves mode 600 behind. Returns what was repaired.

    :param path: folder of an installation
    """
    for folder in (os.path.join(path, name) for name in _SCRIPTS):
        for entry in tree.entries(folder):
            with contextlib.suppress(OSError):
                status = entry.status
                if not (os.path.dirname(entry.path) == folder and entry.mine and stat.S_ISREG(status.st_mode)
                        and not _has_more_names(entry) and stat.S_IMODE(status.st_mode) == 0o600):
                    continue
                with os.fdopen(open_regular(of(entry.file)), 'rb') as handle:
                    start = handle.read(4)
                if start[:2] == b'#!' or start == b'\x7fELF':
                    os.chmod(of(entry.file), 0o755 & ~umask())
                    yield entry.path


def open_up(paths: Iterable[str], mask: int) -> None:
    """
    Give the group and others back what an umask allows them, for files and folders that were made under a narrower
    one; what is not the user's own is left alone, and files with more than one name are.
    """
    for path in paths:
        with contextlib.suppress(OSError), tree.opened(path) as entry:
            status = entry.status
            if not entry.mine or stat.S_ISLNK(status.st_mode) or _has_more_names(entry):
                continue
            full = 0o777 if stat.S_ISDIR(status.st_mode) or status.st_mode & stat.S_IXUSR else 0o666
            os.chmod(of(entry.file), stat.S_IMODE(status.st_mode) | (full & ~mask))
