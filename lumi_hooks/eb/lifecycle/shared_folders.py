# SPDX-License-Identifier: GPL-2.0-only
"""
Folders that are everybody's, made while a package is installed that is not.

What is installed for one group is written under a umask that lets nobody else in. Folders above it are made on the
way, by whichever step comes first there: of sources, modules, archived recipes, locks, builds. They are opened as soon
as they are made: a build may take hours, may fail, or be killed.
"""
import os
import stat
from typing import Any, Callable

# below it EasyBuild makes name/version/toolchain: the last is a build's own
_BUILD_DEPTH = 3


def keep_open(shared: Callable[[str], bool], mask: int) -> Callable[[], None]:
    """
    From now on folders that this process makes are opened as a umask allows. Python has one function for it, which
    os.makedirs, shutil and EasyBuild use; none of them tells where else it makes folders. It can go when EasyBuild
    restricts what it installs before it opens what is above.

    :param shared: is a folder that was just made everybody's? Those that were made with a mode of their own (mkdtemp)
        are not asked for
    :param mask: the umask that they would have been made under
    :return: puts everything back
    """
    original = os.mkdir

    def mkdir(path: Any, mode: int = 0o777, *, dir_fd: Any = None) -> None:
        original(path, mode, dir_fd=dir_fd)
        if dir_fd is None and mode & stat.S_IRWXG and isinstance(path, (str, os.PathLike)) and shared(os.fspath(path)):
            _open(path, mode & ~mask)

    def put_back() -> None:
        if os.mkdir is mkdir:
            os.mkdir = original
    os.mkdir = mkdir
    return put_back


def _open(path: Any, mode: int) -> None:
    """Add permissions to a folder of this user's, and to nothing that somebody put into its place."""
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        status = os.fstat(folder)
        if status.st_uid == os.geteuid():
            os.fchmod(folder, stat.S_IMODE(status.st_mode) | mode & 0o777)
    except OSError:
        pass  # doctor tells of folders that stay closed
    finally:
        os.close(folder)


def of_a_build(path: str, build: str) -> bool:
    """Is a folder one build's own, by EasyBuild's layout below the folder that it builds in?"""
    below = os.path.relpath(os.path.realpath(path), os.path.realpath(build))
    return not below.startswith(os.pardir) and below.count(os.sep) >= _BUILD_DEPTH - 1
