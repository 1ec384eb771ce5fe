# SPDX-License-Identifier: GPL-2.0-only
"""
Does a module stand for an installation? One place decides it, for `eb`, plan, doctor, explain and search.

A module file is there, and yet nothing is installed, where somebody removed the files of the installation by hand
(GONE), and where `lumi-eb remove` marked it as due for removal (DUE): it can still be loaded by its full name, so that
no job that is queued fails, and it says so. The text of the module file tells both; the file is read, never run.
"""
import errno
import os
import re
from typing import Optional

DUE, GONE = 'due', 'gone'
_ROOT = re.compile(r'^(?:local root = "([^"\n]+)"|set root "?([^"\n]+?)"?\s*$)', re.MULTILINE)
# a module that puts a folder of the installation on a search path was made when that was there; others (a toolchain,
# a module that only loads others) may never have had one
_USED = re.compile(r'^\s*(?:prepend_path\([^)\n]*\broot\b|prepend-path\s+\S+\s+"?\$root\b)', re.MULTILINE)
BEGIN, END = 'lumi-hooks: due for removal', 'lumi-hooks: end of due for removal'
# what prefix/notice.py adds to a module file
NOTICE = re.compile(rf'\n(?:--|#) {BEGIN}\n.*?\n(?:--|#) {END}\n', re.DOTALL)


def root_of(text: str) -> Optional[str]:
    """The folder that a module file of EasyBuild's, in Lua or Tcl, says it is for."""
    match = _ROOT.search(text)
    return (match[1] or match[2]) if match else None


def fallen(text: str) -> Optional[str]:
    """
    Why a module stands for no installation: DUE or GONE; None where it stands for one, or that can't be told.

    :param text: of the module file
    """
    if is_due(text):
        return DUE
    root = root_of(text)
    return GONE if root and os.path.isabs(root) and _USED.search(text) and is_gone(root) else None


def is_gone(folder: str) -> bool:
    """Is an installation not there, or an empty folder? What this user may not look into is there."""
    try:
        with os.scandir(folder) as found:
            return next(found, None) is None
    except OSError as err:
        return err.errno in (errno.ENOENT, errno.ENOTDIR)


def is_due(text: str) -> bool:
    """Does a module file say that it is due for removal?"""
    return NOTICE.search(text) is not None
