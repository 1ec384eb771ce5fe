# SPDX-License-Identifier: GPL-2.0-only
"""
A store of installed packages: each is installed once, and every environment has hard links to its files.

A package is there when its folder is: it is filled under another name, and renamed. Its files are read-only, as a
change in one environment would be one in all.
"""
import contextlib
import csv
import errno
import fcntl
import os
import shutil
import stat
import uuid
from typing import Dict, Iterable, Iterator, List, Sequence, Tuple

from .. import quote, tree
from ..errors import LumiHooksError
from ..files import names_in
from ..index import normal_name

_PART = '.part-'
# no link can be made: another file system, too many, a file of somebody else's (protected_hardlinks), none at all
_COPY = (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS)


@contextlib.contextmanager
def filling(store: str) -> Iterator[str]:
    """
    A new folder in the store, which is removed at the end.

    :raises OSError: it can't be made
    """
    os.makedirs(store, exist_ok=True)
    tidy(store)
    part = os.path.join(store, f'{_PART}{uuid.uuid4().hex}')
    lock = os.open(f'{part}.lock', os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.mkdir(part)
        yield part
    finally:
        tree.remove(part)
        os.unlink(f'{part}.lock')
        os.close(lock)


def tidy(store: str) -> None:
    """Remove the folders of processes that were killed while they filled them."""
    for name in {name[:-len('.lock')] if name.endswith('.lock') else name for name in names_in(store)}:
        if name.startswith(_PART):
            _remove_unused(os.path.join(store, name))


def _remove_unused(part: str) -> None:
    with contextlib.suppress(OSError):
        lock = os.open(f'{part}.lock', os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            tree.remove(part)
            os.unlink(f'{part}.lock')
        finally:
            os.close(lock)


def split(installed: str, name: str, version: str, package: str) -> None:
    """
    Move the files of one package from where pip has installed several into a folder of its own, in one step.

    :param installed: the prefix of that installation, in a folder of `filling`
    :param package: the new folder, in the store
    :raises LumiHooksError: pip has left no record of it, or the record names files elsewhere
    """
    part = os.path.join(os.path.dirname(installed), uuid.uuid4().hex)
    for path in files(installed, [(name, version)])[name, version]:
        moved = part + path[len(installed):]
        os.makedirs(os.path.dirname(moved), exist_ok=True)
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            _link(path, moved)  # another package may have the same file, too
            os.chmod(moved, stat.S_IMODE(os.stat(moved).st_mode) & ~0o222)
    try:
        os.rename(part, package)
    except OSError as err:
        tree.remove(part)
        if err.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # somebody else was faster
            raise


def drop(installed: str, unwanted: Iterable[Sequence[str]], wanted: Iterable[Sequence[str]]) -> None:
    """
    Remove the files of packages (name, version) from a prefix, but for those that a wanted one has as well.

    :raises LumiHooksError: pip has left no record of one, or the record names files elsewhere
    """
    kept, old = ({path for found in files(installed, packages).values() for path in found}
                 for packages in (wanted, unwanted))
    remove(installed, old - kept)


def remove(installed: str, paths: Iterable[str]) -> None:
    """Remove files from a prefix, and the folders that are empty then; what is not there need not be removed."""
    for path in paths:
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue
        folder = os.path.dirname(path)
        with contextlib.suppress(OSError):  # others are in it
            while folder != installed:
                os.rmdir(folder)
                folder = os.path.dirname(folder)


def files(installed: str, packages: Iterable[Sequence[str]]) -> Dict[Tuple[str, str], List[str]]:
    """
    The paths of the files that pip has recorded of packages (name, version).

    :raises LumiHooksError: there is no record of one, or it names files elsewhere
    """
    records = _records(installed)
    found = {}
    for name, version in packages:
        record = records.get(normal_name(name))
        if not record:
            raise LumiHooksError(f'pip has installed no {quote.line(name)} {quote.line(version)}')
        found[name, version] = _recorded(installed, record, name, version)
    return found


def _recorded(installed: str, record: str, name: str, version: str) -> List[str]:
    site = os.path.dirname(os.path.dirname(record))
    with open(record, encoding='utf-8', newline='') as stream:
        found = [os.path.normpath(os.path.join(site, row[0])) for row in csv.reader(stream) if row]
    outside = [path for path in found if not path.startswith(installed + os.sep)]
    if outside:
        raise LumiHooksError(f'{quote.line(name)} {quote.line(version)} has a file outside of its prefix: '
                             f'{quote.line(os.path.relpath(outside[0], site))}')
    return found


def _records(installed: str) -> Dict[str, str]:
    """The records of all packages in a prefix, by their normal names."""
    found: Dict[str, str] = {}
    for folder, folders, _ in os.walk(installed):
        if os.path.basename(folder) == 'site-packages':
            for one in folders:
                if one.endswith('.dist-info'):
                    name = normal_name(one[:-len('.dist-info')].partition('-')[0])
                    found.setdefault(name, os.path.join(folder, one, 'RECORD'))
            folders.clear()
    return found


def link_all(package: str, target: str) -> None:
    """
    Give a prefix the files of a package: hard links, or copies where there can be none. What is there already is kept
    where it is the same file, and replaced where it is not.

    :raises OSError: a file can't be made
    """
    folders: List[str] = ['']
    while folders:
        inner = folders.pop()
        os.makedirs(os.path.join(target, inner), exist_ok=True)
        with os.scandir(os.path.join(package, inner)) as entries:
            for entry in entries:
                path = os.path.join(inner, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                    continue
                try:
                    os.link(entry.path, os.path.join(target, path), follow_symlinks=False)
                except FileExistsError:
                    _replace(entry.path, os.path.join(target, path))
                except OSError as err:
                    if err.errno not in _COPY:
                        raise
                    _replace(entry.path, os.path.join(target, path))


def _replace(source: str, path: str) -> None:
    if os.path.lexists(path) and os.path.samestat(os.lstat(source), os.lstat(path)):
        return
    part = os.path.join(os.path.dirname(path), f'.{uuid.uuid4().hex}')
    _link(source, part)
    os.replace(part, path)
    # rename(2) leaves both names where they are links to one file
    with contextlib.suppress(FileNotFoundError):
        os.unlink(part)


def _link(source: str, path: str) -> None:
    try:
        os.link(source, path, follow_symlinks=False)
    except OSError as err:
        if err.errno not in _COPY:
            raise
        shutil.copy2(source, path, follow_symlinks=False)
