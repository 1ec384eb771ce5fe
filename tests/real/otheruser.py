# SPDX-License-Identifier: GPL-2.0-only
"""Commands run by other users than root, who must reach what the tests need even where root's home folder is closed."""
import functools
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

from .conftest import CACHE, ROOT


def become(user, groups=(), needed=()):
    """
    The start of a command line that runs the rest as another user: the same process, in a mount namespace of its own if
    one of the folders lies below one that others cannot enter (a checkout or a cache in root's home folder).

    :param user: number of the user, and of the user's own group
    :param needed: folders that the user must reach, besides the checkout, the cache and this Python's
    """
    plain = ['setpriv', f'--reuid={user}', f'--regid={user}',
             f'--groups={",".join(map(str, groups))}' if groups else '--clear-groups']
    return [*_opened(tuple(sorted({os.path.realpath(path) for path in (ROOT, CACHE, sys.prefix, *needed)}))), *plain]


def reaches(path, user):
    """Can another user read a file?"""
    command = [*become(user, needed=(os.path.dirname(path),)), 'test', '-r', str(path)]
    return subprocess.run(command, check=False).returncode == 0


def closed_above(path):
    """The outermost folder above a path that others cannot enter; None if there is none."""
    return next((folder for folder in reversed(Path(path).parents)
                 if not folder.stat().st_mode & stat.S_IXOTH), None)


@functools.lru_cache(maxsize=None)
def _opened(paths):
    """The command that shows the paths below closed folders to everybody, in a namespace; [] where all are open."""
    hidden = {path: closed for path in paths if os.path.isdir(path) and (closed := closed_above(path))}
    if not hidden or subprocess.run(['unshare', '-m', 'true'], check=False, capture_output=True).returncode != 0:
        return []
    lines = ['set -e', 'mount -t tmpfs -o mode=755 none /mnt']
    for number, path in enumerate(hidden):
        lines.append(f'mkdir /mnt/{number}; mount --rbind {shlex.quote(path)} /mnt/{number}')
    lines += [f'mount -t tmpfs -o mode=755 none {shlex.quote(str(closed))}' for closed in sorted(set(hidden.values()))]
    for number, path in enumerate(hidden):
        # one may lie in the other, and is there with it
        lines.append(f'[ -e {shlex.quote(path)} ] || '
                     f'{{ mkdir -p {shlex.quote(path)}; mount --rbind /mnt/{number} {shlex.quote(path)}; }}')
    return ['unshare', '-m', 'sh', '-c', '\n'.join([*lines, 'umount -l /mnt', 'exec "$@"']), 'sh']
