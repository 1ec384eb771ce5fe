# SPDX-License-Identifier: GPL-2.0-only
"""Rules about texts: scripts whose interpreter will not be there, and what tells other builds paths that will not."""
import os
import re
from typing import Iterator

from ...site import OVERLAY_FOLDER
from ..locations import under
from ..text import CMAKE, CONFIG, LIBTOOL, PKG_CONFIG, SCRIPT
from .base import InstallationFacts, Problem, rule

# what the kernel reads of the first line (BINPRM_BUF_SIZE, include/uapi/linux/binfmts.h)
LONGEST = 255
# folders of people, whom nobody else's programs should need; LUMI's is /users
_HOME = re.compile(r'(/users/[^/]+|/home/[^/]+|/root)(?=/|$)')
# where eb keeps what it has set aside (eb/lifecycle/rollback.py)
_ASIDE = re.compile(r'/\.[^/]+\.(before|done)(/|$)|/[^/]+~(/|$)')
_NAMES = {PKG_CONFIG: 'pkg-config', CMAKE: 'CMake', LIBTOOL: 'libtool', CONFIG: 'whoever runs it'}


@rule('script-interpreter')
def script_interpreter(installation: InstallationFacts) -> Iterator[Problem]:
    """The interpreter of a script stays, and is everybody's."""
    for text in installation.scan.texts.values():
        if not text.program or not text.interpreter:
            continue
        why = _gone(installation, text.interpreter)
        if why:
            yield Problem(text.path, f'is run by {text.interpreter}, {why}',
                          'build it with the Python, Perl … of a module (not of a virtual environment), or write '
                          '"#!/usr/bin/env NAME" (easyconfig parameters fix_python_shebang_for, fix_perl_shebang_for)')
        elif text.first > LONGEST:
            yield Problem(text.path, f'its first line has {text.first} characters, and the system reads {LONGEST}',
                          'choose a shorter prefix, or write "#!/usr/bin/env NAME"')


@rule('interpreter-missing')
def interpreter_missing(installation: InstallationFacts) -> Iterator[Problem]:
    """The interpreter of a program is there."""
    for text in installation.scan.texts.values():
        folder = os.path.basename(os.path.dirname(text.path))
        if text.kind in (SCRIPT, CONFIG) and text.program and folder in ('bin', 'sbin') and text.interpreter \
                and not _gone(installation, text.interpreter) and not os.path.exists(text.interpreter):
            yield Problem(text.path, f'is run by {text.interpreter}, which is not there',
                          'write "#!/usr/bin/env NAME" (easyconfig parameters fix_python_shebang_for, '
                          'fix_perl_shebang_for), or add what brings it as a dependency and install it again')


@rule('link-path')
def link_path(installation: InstallationFacts) -> Iterator[Problem]:
    """What tells other builds where to look names nothing that goes with the build."""
    for text in installation.scan.texts.values():
        for path in text.paths:
            why = _gone(installation, path) if text.kind != SCRIPT else ''
            if why:
                yield Problem(text.path, f'tells {_NAMES[text.kind]} {path}, {why}',
                              'tell the build its final prefix (--prefix, -DCMAKE_INSTALL_PREFIX), or replace the path '
                              'by that of what is installed (postinstallcmds with sed)')


@rule('link-path-missing')
def link_path_missing(installation: InstallationFacts) -> Iterator[Problem]:
    """What tells other builds where libraries lie is right: a dependency may have been removed or moved."""
    for text in installation.scan.texts.values():
        lost = [] if text.kind == SCRIPT else [
            path for path in text.paths if under(path, installation.locations.prefixes)
            and not installation.locations.is_own(path) and not _gone(installation, path) and not os.path.exists(path)]
        if lost:
            yield Problem(text.path, f'tells {_NAMES[text.kind]} of what is not there: {", ".join(lost)}',
                          'install the dependency again, or this package with the one that is there now')


def _gone(installation: InstallationFacts, path: str) -> str:
    """Why a path will not be there for everybody; empty where it will, as far as its name tells."""
    full = os.path.normpath(path)
    home = _HOME.match(full)
    if installation.locations.is_build(full) and full.count('/') > 1:
        return 'in a build folder'
    if _ASIDE.search(full) or f'/{OVERLAY_FOLDER}/' in full:
        return 'in a folder of lumi-hooks for what is replaced or derived'
    if home and not under(installation.locations.root, (home.group(1),)) and not under(full, (
            *installation.locations.prefixes, installation.locations.cray, *installation.locations.rocm,
            *([] if installation.locations.system == '/' else [installation.locations.system]))):
        return 'in somebody\'s home folder'
    return ''
