# SPDX-License-Identifier: GPL-2.0-only
"""
Code of others is refused before EasyBuild runs it, or where it has run it already, before anything is built.

Checked are the files on the command line, the folders on the robot path, each recipe before it is read, patches before
they are applied, what --include-easyblocks and the like have brought in, this clone, and the current folder, which
Python imports from.
"""
import os
import sys
from typing import List, Optional, Sequence, Set

from ... import library, trust
from ...errors import LumiHooksError, TrustError
from ...recipe import Recipe, checksums_in_folder, patches_in_folder
from ...trust.owners import CHECKOUT
from .. import messages, patches

# how EasyBuild (tools/include.py) names the folders that it links included files into, on sys.path
_INCLUDED = 'included-'
# options that name files which EasyBuild follows: an easystack may name options, a configuration file easyblocks
_NAMED = ('--easystack', '--configfiles')
_SUFFIXES = ('.eb', '.yaml', '.yml')

_told: Set[str] = set()


def check_given(words: Sequence[str]) -> None:
    """
    The recipes, easystacks and configuration files on the command line and in the environment.

    :raises TrustError: one of them could have been written by others
    """
    start = tuple(f'{name}=' for name in _NAMED)
    files = [word.partition('=')[2] if word.startswith(start) else word for word in words]
    files = [word for word in files if word.endswith(_SUFFIXES)]
    for before, word in zip(words, words[1:]):
        files += word.split(',') if before in _NAMED else []
    for name in ('EASYBUILD_EASYSTACK', 'EASYBUILD_CONFIGFILES'):
        files += os.environ.get(name, '').split(',')
    for path in filter(os.path.isfile, files):
        trust.check(path, 'the recipe' if path.endswith('.eb') else 'the file')


def check_folder() -> None:
    """
    The current folder, where Python imports from it, as `eb` has it do ("python -m easybuild.main").

    :raises TrustError: others can write there, so that what was imported may be theirs
    """
    try:
        current = os.getcwd()
    except OSError:
        return
    reason = trust.why_not_in(current) if current in [*_dropped, *sys.path] or '' in sys.path else None
    if reason:
        raise TrustError(f'eb was started in {current}, which Python imports from, and {reason}. Start it in a folder '
                         'of your own: cd')


# the current folder, where it was taken off Python's search path for good
_dropped: List[str] = []


def put_back(first: Optional[str]) -> None:
    """
    Put the current folder back onto Python's search path, which the hooks file took off it, where nobody else can write
    there.
    """
    if first is None:
        return
    current = first or os.path.realpath(os.curdir)
    if trust.why_not_in(current):
        _dropped.append(current)
    else:
        sys.path.insert(0, first)


def watch_clone() -> None:
    """
    What was loaded of this library, and from now on each of its modules and data files before it is read.

    :raises TrustError: others can write to one of them
    """
    judge = trust.current_judge()  # once: to find out who is trusted reads files of the library

    def look(path: str, status: Optional[os.stat_result]) -> None:
        reason = judge.why_not(path, status)
        if not reason and path.endswith('.py'):  # Python runs the compiled module that lies there
            reason = judge.why_not_in(os.path.join(os.path.dirname(path), '__pycache__'))
        _stop(reason)
    library.watch(look)


def check_clone() -> None:
    """
    The whole of this library, before anything is built: other programs read what `eb` does not.

    :raises TrustError: others can write to it
    """
    _stop(next(filter(None, map(trust.why_not, library.files(everything=True))), None))


def _stop(reason: Optional[str]) -> None:
    if reason:
        raise TrustError(f'this copy of lumi-hooks is not used: {reason}. It has been loaded already: if somebody else '
                         f'may have changed it, clone it again; otherwise "chmod -R o-w {CHECKOUT}" closes it to '
                         f'everybody, and "chmod -R go-w {CHECKOUT}" to its group as well')


def trusted_folders(paths: Sequence[str], what: str = 'recipes') -> List[str]:
    """
    A search path without the folders that others can write to; says which ones it leaves out.

    :param what: is looked for there
    """
    found = []
    for path in paths:
        reason = trust.why_not_in(path)
        if reason is None or not os.path.isdir(path):
            found.append(path)
        elif path not in _told:
            _told.add(path)
            messages.warn(f'no {what} are taken from {path}, as they decide on what is run: {reason}')
    return found


def check_included(paths: Sequence[str]) -> None:
    """
    The easyblocks, toolchains and naming schemes that options --include-* name, wherever these are set. EasyBuild has
    loaded them when the first hook runs: what they hold has been run, but nothing was built with them.

    :param paths: as in sys.path
    :raises TrustError: one of them could have been written by others
    """
    for path in paths:
        if not os.path.basename(path).startswith(_INCLUDED):
            continue
        for folder, folders, files in os.walk(path):
            for file in (os.path.join(folder, name) for name in [*files, *folders]):
                reason = trust.why_not(os.readlink(file)) if os.path.islink(file) else None
                if reason:
                    raise TrustError(f'{os.readlink(file)}, which an option --include-{_kind(path)} names, is not '
                                     f'used, and nothing was built: {reason}. EasyBuild has loaded it already: '
                                     'look into it if it may be somebody else\'s')


def _kind(path: str) -> str:
    """What an option --include-… is called whose files are linked into this folder."""
    return os.path.basename(path)[len(_INCLUDED):].rpartition('-')[0]


def check_adjacent_files(recipe: Recipe) -> None:
    """
    What EasyBuild takes from next to a recipe: its patches, and its list of checksums.

    :raises TrustError: others could have written one of them
    """
    for path in patches_in_folder(recipe):
        trust.check(path, 'the patch')
    checksums_in_folder(recipe)


def check_patches(app) -> None:
    """
    The patches that were found for a package, wherever they lie, before they are applied.

    :raises TrustError: one of them could have been written by others
    """
    extensions = (patch for item in app.exts for patch in item.get('patches') or ())
    for patch in (*app.patches, *extensions):
        if isinstance(patch, dict) and patch.get('path'):
            trust.check(patch['path'], 'the patch')


@patches.replaces('easybuild.framework.easyconfig.parser:EasyConfigParser.__init__')
def read(original, self, filename=None, *args, **kwargs):
    """Look at each recipe before it is read, whichever way EasyBuild came to it."""
    try:
        if filename:
            trust.check(filename, 'the recipe')
    except LumiHooksError as err:
        raise messages.error(err) from err
    original(self, filename, *args, **kwargs)
