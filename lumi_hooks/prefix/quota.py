# SPDX-License-Identifier: GPL-2.0-only
"""
How much room is left for new files: by Lustre's quotas, by LUMI's lists of them, by the file system.

Each is asked where the one before has no answer. Quotas of LUMI are those of folders (Lustre's project quotas); the
lists are made from time to time, so they may be some hours old.
"""
import getpass
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Sequence

from ..files import existing, read_json
from ..releases import load_machine
from . import area_of, project_of

KIB = 1024


@dataclass(frozen=True)
class Room:
    """
    Room for new files.

    :ivar bytes: free bytes; None where there is no limit, or it is not known
    :ivar inodes: free inodes (files and folders); None likewise
    :ivar source: who says so: "lfs quota", a file, or "file system"
    """
    bytes: Optional[int]
    inodes: Optional[int]
    source: str


def room(path: str) -> Sequence[Room]:
    """
    The room for new files at a path, or where it will be made; each source that has an answer, the file system last.
    """
    place = existing(path)
    found = [_lustre(place) or _listed(path), _file_system(place)]
    return [one for one in found if one]


def _file_system(place: str) -> Optional[Room]:
    try:
        found = os.statvfs(place)
    except OSError:
        return None
    # some file systems do not count inodes and say 0 of 0
    return Room(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None, 'file system')


def _listed(path: str) -> Optional[Room]:
    """By the file that LUMI keeps for a user or a project."""
    storage, area = load_machine()['storage'], area_of(path)
    if not area or not area['quota']:
        return None
    try:
        name = storage['project_quota'].format(group=project_of(path)) if area['group'] \
            else storage['user_quota'].format(user=getpass.getuser())
    except (KeyError, OSError):
        return None  # a user without a name
    try:
        return listed(read_json(name), area['quota'], name)
    except (OSError, ValueError):
        return None


def listed(content: Any, keys: Sequence[str], name: str) -> Optional[Room]:
    """
    The room by the contents of a file of LUMI's.

    :param keys: lead to the quotas
    :param name: of the file
    """
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    if not isinstance(content, Mapping):
        return None

    def free(kind: str) -> Optional[int]:
        limit = content.get(f'{kind}_quota_soft') or content.get(f'{kind}_quota_hard')
        used = content.get(f'{kind}_quota_used')
        return max(0, limit - used) if isinstance(limit, int) and isinstance(used, int) else None

    blocks = free('block')
    found = Room(blocks * KIB if blocks is not None else None, free('inode'), name)
    return found if found.bytes is not None or found.inodes is not None else None


def _lustre(place: str) -> Optional[Room]:
    """By `lfs quota` of the folder's quota id, else of its group."""
    lfs = shutil.which('lfs')
    if not lfs:
        return None
    asked = _output([lfs, 'project', '-d', place])
    number = re.match(r'\s*(\d+)', asked or '')
    if number and int(number.group(1)):
        whose = ['-p', number.group(1)]
    else:
        whose = ['-g', str(os.stat(place).st_gid)]
    said = _output([lfs, 'quota', '-q', *whose, place])
    return parse_lfs(said) if said else None


def parse_lfs(text: str) -> Optional[Room]:
    """
    The room by what `lfs quota -q` prints: file system, then used, quota, limit and grace of KiB and of files. A limit
    of 0 is none; a value in brackets or with an asterisk is an estimate or over the quota.
    """
    numbers: List[Optional[int]] = []
    for word in text.split()[1:]:
        match = re.fullmatch(r'\[?(\d+)\]?\*?k?', word)
        numbers.append(int(match.group(1)) if match else None)
    if len(numbers) < 8:
        return None

    def free(used: Optional[int], quota: Optional[int], limit: Optional[int]) -> Optional[int]:
        bound = quota or limit
        return max(0, bound - used) if bound and used is not None else None

    blocks, inodes = free(*numbers[:3]), free(*numbers[4:7])
    if blocks is None and inodes is None:
        return None
    return Room(blocks * KIB if blocks is not None else None, inodes, 'lfs quota')


def _output(command: List[str]) -> Optional[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
