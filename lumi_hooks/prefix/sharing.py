# SPDX-License-Identifier: GPL-2.0-only
"""The group that a prefix is shared with, and the umask of what is written into it."""
import contextlib
import grp
import os
import stat
from typing import Optional

from ..files import existing, umask
from . import project_of


def shared_group(prefix: str) -> Optional[int]:
    """
    Id of the group that a prefix is shared with: a project's, by the name of its folder, or that of a folder with the
    set-gid bit; None for a prefix of the user.
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


def share(prefix: str) -> None:
    """From now on what is written into a prefix that is shared with a group is the group's to read and to write."""
    if shared_group(prefix) is not None:
        os.umask(groups_umask())


def groups_umask() -> int:
    """The umask of this process, but that the group may do what the user may, and nobody else may write."""
    return umask() & ~0o070 | 0o002
