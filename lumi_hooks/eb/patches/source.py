# SPDX-License-Identifier: GPL-2.0-only
"""
Tells whether a function is the one that a patch was written for: by a digest of its source.

`inspect.getsource` tokenizes, and takes tens of milliseconds for a file like easyblock.py. Here a function ends where
the next line is indented no deeper; `ci/patches` compares the two.
"""
import hashlib
import inspect
from functools import lru_cache
from typing import Callable, List, Sequence


def digest(function: Callable) -> str:
    """A digest of a function's source, without comments and empty lines; empty where there is none to read."""
    code = getattr(inspect.unwrap(function), '__code__', None)
    lines = block(_lines(code.co_filename), code.co_firstlineno) if code else []
    return hashlib.sha256('\n'.join(lines).encode()).hexdigest()[:32] if lines else ''


def block(lines: Sequence[str], number: int) -> List[str]:
    """
    The lines of a function, indented as at the top level.

    :param number: of its first line (its decorator's, where it has one), from 1 on
    """
    found: List[str] = []
    depth, inside = None, False
    for line in lines[number - 1:]:
        text = line.strip()
        if not text or text.startswith('#'):
            continue
        indented = len(line) - len(line.lstrip())
        depth = indented if depth is None else depth
        if inside and indented <= depth and not text.startswith(')'):
            break
        inside = inside or text.startswith('def ')
        found.append(line.rstrip()[depth:])
    return found


@lru_cache(maxsize=8)
def _lines(path: str) -> List[str]:
    try:
        with open(path, encoding='utf-8', errors='replace') as handle:
            return handle.read().split('\n')
    except OSError:
        return []
