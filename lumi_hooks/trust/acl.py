# SPDX-License-Identifier: GPL-2.0-only
"""Who else may write to a file or folder: by its mode, and by the POSIX ACL that the file system keeps with it."""
import errno
import os
import stat
import struct
from typing import NamedTuple, Optional, Tuple

ACCESS = 'system.posix_acl_access'
# linux/posix_acl_xattr.h: a version, then entries of tag, permissions and id, little endian
_VERSION, _ENTRY = struct.Struct('<I'), struct.Struct('<HHI')
_USER, _GROUP_OBJ, _GROUP, _MASK = 0x02, 0x04, 0x08, 0x10
_WRITE = 2


class Writers(NamedTuple):
    """
    Who may write besides the owner.

    :ivar everybody: can every account of the machine?
    :ivar groups: ids of groups that can
    :ivar users: ids of users whom an ACL names
    :ivar known: False where the ACL can't be read, so that there may be more
    """
    everybody: bool
    groups: Tuple[int, ...] = ()
    users: Tuple[int, ...] = ()
    known: bool = True


def writers(path: str, status: os.stat_result) -> Writers:
    """
    Who may write to a file or folder besides its owner.

    :param path: no link
    :param status: of it
    """
    everybody = bool(status.st_mode & stat.S_IWOTH)
    # where there is an ACL the group's bits are its mask (acl(5)): without the bit no entry of it may write
    if not status.st_mode & stat.S_IWGRP:
        return Writers(everybody)
    try:
        found = os.getxattr(path, ACCESS)
    except OSError as err:
        none = err.errno in (errno.ENODATA, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOENT)
        return Writers(everybody, (status.st_gid,), known=none)
    parsed = parse(found, status.st_gid)
    return parsed._replace(everybody=everybody) if parsed else Writers(everybody, (status.st_gid,), known=False)


def parse(value: bytes, owning_group: int) -> Optional[Writers]:
    """Who may write by an ACL as the kernel keeps it; None where it is not one."""
    if len(value) < _VERSION.size or (len(value) - _VERSION.size) % _ENTRY.size or _VERSION.unpack_from(value)[0] != 2:
        return None
    entries = list(_ENTRY.iter_unpack(value[_VERSION.size:]))
    mask = next((permissions for tag, permissions, _ in entries if tag == _MASK), 7)
    users, groups = [], []
    for tag, permissions, number in entries:
        if permissions & mask & _WRITE:
            if tag == _USER:
                users.append(number)
            elif tag in (_GROUP, _GROUP_OBJ):
                groups.append(owning_group if tag == _GROUP_OBJ else number)
    return Writers(False, tuple(groups), tuple(users))
