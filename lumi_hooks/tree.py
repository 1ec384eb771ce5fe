# SPDX-License-Identifier: GPL-2.0-only
"""
Trees of files that others may change meanwhile: walked, copied and removed by descriptors.

Between a look at a path and its use anybody who may write into one of its folders can put a link there, to a secret or
to a file of the user. Here every folder is opened once, and each name in it is opened relative to that, without
following links (openat(2), O_PATH, O_NOFOLLOW). Standard library alone.
"""
import contextlib
import errno
import os
import shutil
import stat
from typing import Iterator, List, NamedTuple, Tuple

from .files import at, of, open_regular

_ENTRY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
# links on the way to a folder, as many as Linux follows (path_resolution(7))
_MOST_LINKS = 40
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Entry(NamedTuple):
    """A file, folder or link: its path as it was given, an open descriptor of O_PATH, and what fstat says of it."""
    path: str
    file: int
    status: os.stat_result

    @property
    def mine(self) -> bool:
        """Does it belong to this user?"""
        return self.status.st_uid == os.geteuid()


@contextlib.contextmanager
def opened(path: str) -> Iterator[Entry]:
    """
    One file or folder, or a link itself. Above it only links of this user's or root's are followed: anybody else's
    may have been put there a moment ago.

    :raises OSError: it is not there, or there is a link of somebody else's above it
    """
    place, name = os.path.split(os.path.abspath(path))
    folder = _folder(place)
    try:
        file = os.open(name or '.', _ENTRY, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        yield Entry(path, file, os.fstat(file))
    finally:
        os.close(file)


def _folder(path: str) -> int:
    """A descriptor of a folder, by a path whose links are this user's or root's."""
    left, links = path.split(os.sep)[::-1], 0
    here = os.open(os.sep, _ENTRY)
    try:
        while left:
            name = left.pop()
            if not name:
                continue
            inner = os.open(name, _ENTRY, dir_fd=here)
            status = os.fstat(inner)
            if stat.S_ISLNK(status.st_mode):
                target = os.readlink('', dir_fd=inner)
                os.close(inner)
                links += 1
                if status.st_uid not in (0, os.geteuid()) or links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, 'there is a link of somebody else\'s in it', path)
                left.extend(target.split(os.sep)[::-1])
                if not target.startswith(os.sep):
                    continue
                inner = os.open(os.sep, _ENTRY)
            os.close(here)
            here = inner
        return here
    except BaseException:
        os.close(here)
        raise


def entries(path: str) -> Iterator[Entry]:
    """
    A path and everything below it, folders before what is in them; no link is followed. A descriptor is open until the
    next one is asked for. What vanishes meanwhile, and what can't be opened or listed, is passed over.
    """
    with contextlib.suppress(OSError), opened(path) as top:
        yield top
        folders = [(top.file, top.path, iter(_names(top)))]
        try:
            while folders:
                folder, where, names = folders[-1]
                name = next(names, None)
                if name is None:
                    folders.pop()
                    if folders:
                        os.close(folder)
                    continue
                try:
                    file = os.open(name, _ENTRY, dir_fd=folder)
                except OSError:
                    continue
                keep = False
                try:
                    entry = Entry(f'{where}/{name}', file, os.fstat(file))
                    yield entry
                    if stat.S_ISDIR(entry.status.st_mode):
                        folders.append((file, entry.path, iter(_names(entry))))
                        keep = True
                finally:
                    if not keep:
                        os.close(file)
        finally:
            for folder, _, _ in folders[1:]:
                os.close(folder)


def _names(entry: Entry) -> List[str]:
    """What is in a folder; nothing in what is none, or can't be listed."""
    if not stat.S_ISDIR(entry.status.st_mode):
        return []
    try:
        file = os.open('.', _LIST, dir_fd=entry.file)
    except OSError:
        return []
    try:
        return os.listdir(file)
    finally:
        os.close(file)


def copy(source: str, target: int, name: str) -> None:
    """
    Copy a tree into an open folder, with modes and times; links stay links, and what is no file, folder or link is left
    out.

    :param target: a folder that nobody else may write into
    :raises OSError: something can't be read or written
    """
    later: List[Tuple[str, os.stat_result]] = []
    start = len(source)
    for entry in entries(source):
        made, status = at(target, name + entry.path[start:]), entry.status
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(made, 0o700)
            later.append((made, status))
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink('', dir_fd=entry.file), made)
        elif stat.S_ISREG(status.st_mode):
            with os.fdopen(open_regular(of(entry.file)), 'rb') as reader, open(made, 'xb') as writer:
                shutil.copyfileobj(reader, writer, 1 << 20)
                os.fchmod(writer.fileno(), stat.S_IMODE(status.st_mode))
            os.utime(made, ns=(status.st_atime_ns, status.st_mtime_ns))
    for made, status in reversed(later):
        os.chmod(made, stat.S_IMODE(status.st_mode))
        os.utime(made, ns=(status.st_atime_ns, status.st_mtime_ns))


def remove(path: str) -> None:
    """
    Remove a file, a link or a tree, read-only folders of this user's in it too. What can't be removed stays. Links
    above it are followed as they are now.

    :raises OSError: the path itself is no folder, and can't be removed
    """
    place, name = os.path.split(os.path.abspath(path))
    path = os.path.join(os.path.realpath(place), name)
    try:
        with opened(path) as top:
            folder = stat.S_ISDIR(top.status.st_mode)
            if folder:
                _empty(top)
    except FileNotFoundError:
        return
    if not folder:
        os.unlink(path)
    else:
        with contextlib.suppress(OSError):
            os.rmdir(path)


def _empty(top: Entry) -> None:
    """Remove everything in a folder."""
    folders = [(top, '', iter(_opened_up(top)))]
    try:
        while folders:
            folder, own, names = folders[-1]
            name = next(names, None)
            if name is None:
                folders.pop()
                if folders:
                    os.close(folder.file)
                    with contextlib.suppress(OSError):
                        os.rmdir(at(folders[-1][0].file, own))
                continue
            with contextlib.suppress(OSError):
                file = os.open(name, _ENTRY, dir_fd=folder.file)
                inner = Entry(name, file, os.fstat(file))
                if stat.S_ISDIR(inner.status.st_mode):
                    folders.append((inner, name, iter(_opened_up(inner))))
                else:
                    os.close(file)
                    os.unlink(at(folder.file, name))
    finally:
        for inner, _, _ in folders[1:]:
            os.close(inner.file)


def _opened_up(folder: Entry) -> List[str]:
    """What is in a folder, which its owner can empty from then on."""
    if folder.mine and folder.status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        with contextlib.suppress(OSError):
            os.chmod(of(folder.file), stat.S_IRWXU)
    return _names(folder)
