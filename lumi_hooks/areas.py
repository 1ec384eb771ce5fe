# SPDX-License-Identifier: GPL-2.0-only
"""The storage areas of the machine: which one a path lies in, and the project whose folder it is."""
import fnmatch
import os
from typing import Mapping, Optional, Tuple

from .releases import load_machine


def area_of(path: str) -> Optional[Mapping]:
    """The storage area (machine.json) of a path, as it is written or with its links followed; None if unknown."""
    return _found(path)[0]


def project_of(path: str) -> Optional[str]:
    """Name of the project (and of its group) whose folder a path lies in, None where it lies in none."""
    area, head = _found(path)
    return os.path.basename(head) if area and area['group'] else None


def _found(path: str) -> Tuple[Optional[Mapping], str]:
    """The storage area of a path, and the folder that its pattern stands for."""
    for candidate in dict.fromkeys((os.path.normpath(path), os.path.realpath(path))):
        for area in load_machine()['storage']['areas']:
            for head in filter(None, (_head(candidate, pattern) for pattern in area['paths'])):
                return area, head
    return None, ''


def _head(path: str, pattern: str) -> Optional[str]:
    """The part of a path that a pattern of as many names fits, None where it does not."""
    size = pattern.count('/')
    head = '/'.join(path.split('/')[:size + 1])
    fits = all(fnmatch.fnmatchcase(*pair) for pair in zip(head.split('/'), pattern.split('/')))
    return head if head.count('/') == size and fits else None
