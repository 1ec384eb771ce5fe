# SPDX-License-Identifier: GPL-2.0-only
"""
The earlier installation of a package, set aside while a new one is made in its place, and brought back if that fails.

EasyBuild (5.1.2 to 5.4.1, EasyBlock.make_installdir) deletes the earlier prefix before the new one stands, and its
module when the build starts. Here both are renamed when the new one begins to be written, and a module never points to
an installation that is not whole. It can go once EasyBuild installs beside and swaps.

Everything is done by renames, in an order in which every state says what is to be done next: whoever is killed, the
next run finishes it (`recover`). Imports nothing of EasyBuild.
"""
import errno
import hashlib
import json
import os
import shutil
import stat
import time
from contextlib import suppress
from typing import Iterator, Optional

from ..errors import LumiHooksError
from ..files import write_atomic
from ..site import OVERLAY_FOLDER

RESTORED, COMPLETED = 'restored', 'completed'


class Aside:
    """
    What stood in the place of one installation before.

    :param installdir: folder of the installation
    :param module: path of its module file
    :param prefix: the site's prefix; there it is noted that something is set aside, for whoever comes next
    :param lock: path of the lock on the installation
    """

    def __init__(self, installdir: str, module: str, prefix: str, lock: str):
        self.installdir, self.module, self.lock = installdir, module, lock
        parent, name = os.path.split(installdir.rstrip(os.sep))
        self.folder = os.path.join(parent, f'.{name}.before')
        self._done = os.path.join(parent, f'.{name}.done')
        self._software = os.path.join(self.folder, 'software')
        self._module = os.path.join(self.folder, 'module')
        key = hashlib.sha256(installdir.encode()).hexdigest()[:12]
        self._note = os.path.join(notes(prefix), f'{key}.json')

    @property
    def hidden(self) -> str:
        """Where the module file is written before it appears: beside it, under a name that Lmod ignores."""
        folder, name = os.path.split(self.module)
        return os.path.join(folder, f'.{name}.new~')

    @property
    def taken(self) -> bool:
        """Is something set aside?"""
        return os.path.lexists(self.folder)

    def take(self) -> None:
        """
        Set the installation aside.

        :raises LumiHooksError: it can't be moved; it is where it was then
        """
        try:
            os.makedirs(os.path.dirname(self._note), exist_ok=True)
            write_atomic(self._note, json.dumps({'installdir': self.installdir, 'module': self.module,
                                                 'lock': self.lock}))
            os.mkdir(self.folder)
            if os.path.lexists(self.module):
                _move(self.module, self._module)
            os.rename(self.installdir, self._software)
        except OSError as err:
            self.undo()
            raise LumiHooksError(f'the earlier installation {self.installdir} cannot be set aside: {err.strerror}; '
                                 'it was left as it is') from err

    def copy(self) -> None:
        """
        Put a copy of what was set aside in its place again, for a recipe that builds on what is there.

        :raises LumiHooksError: it can't be copied; `undo` brings it back
        """
        try:
            shutil.copytree(self._software, self.installdir, symlinks=True)
        except OSError as err:
            why = err.args[0][0][2] if isinstance(err, shutil.Error) else err.strerror
            raise LumiHooksError(f'{self.installdir}, which this recipe builds on (keeppreviousinstall), cannot be '
                                 f'copied: {why}; it was left as it is') from err

    def undo(self) -> None:
        """Bring the earlier installation back; what was half made in its place goes."""
        with suppress(FileNotFoundError):
            os.unlink(self.hidden)
        if os.path.lexists(self._software):
            half = os.path.join(self.folder, 'half')
            _remove(half)
            if os.path.lexists(self.installdir):
                os.rename(self.installdir, half)
            os.rename(self._software, self.installdir)
        if os.path.lexists(self._module) and not os.path.lexists(self.module):
            _move(self._module, self.module)
        _remove(self.folder)
        self._forget()

    def reveal(self) -> None:
        """The new module appears, in one step; nothing happens where none was made."""
        if os.path.lexists(self.hidden):
            os.replace(self.hidden, self.module)

    def commit(self, keep: bool = False) -> None:
        """
        The new installation stands: the earlier one goes.

        :param keep: it stays, beside it and with the time in its name, as recipes with cleanupoldinstall = False want
        """
        if keep and os.path.lexists(self._software):
            os.rename(self._software, f'{self.installdir}.{time.strftime("%Y%m%d-%H%M%S")}')
        if self.taken:
            _remove(self._done)
            os.rename(self.folder, self._done)
        _remove(self._done)
        self._forget()

    def recover(self) -> Optional[str]:
        """
        Finish what an `eb` that was killed had begun. Only for the holder of the lock.

        :return: RESTORED (the earlier installation is back), COMPLETED (the new one stands), None (there was nothing)
        """
        _remove(self._done)
        if not self.taken:
            with suppress(OSError):
                os.unlink(self.hidden)
            self._forget()
            return None
        # the earlier module was hidden before: one that is visible is the new one's, which appears last
        if os.path.lexists(self._software) and os.path.lexists(self.module):
            self.commit()
            return COMPLETED
        self.undo()
        return RESTORED

    def _forget(self) -> None:
        with suppress(OSError):
            os.unlink(self._note)


def notes(prefix: str) -> str:
    """The folder that notes what is set aside in a prefix."""
    return os.path.join(prefix, OVERLAY_FOLDER, 'aside')


def pending(prefix: str) -> Iterator[Aside]:
    """What is set aside in a prefix: at work, or left by an `eb` that was killed."""
    folder = notes(prefix)
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        try:
            with open(os.path.join(folder, name), encoding='utf-8') as handle:
                found = json.load(handle)
            paths = [found[key] for key in ('installdir', 'module', 'lock')]
            inside = all(os.path.realpath(path).startswith(os.path.realpath(prefix) + os.sep) for path in paths)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # of another version of the library
        if inside:  # a note says nothing about what lies elsewhere, whoever wrote it
            yield Aside(paths[0], paths[1], prefix, paths[2])


def _move(source: str, target: str) -> None:
    """Move a file; across file systems it appears at its target in one step."""
    try:
        os.rename(source, target)
    except OSError as err:
        if err.errno != errno.EXDEV:
            raise
        shutil.copy2(source, f'{target}~', follow_symlinks=False)
        os.replace(f'{target}~', target)
        os.unlink(source)


def _remove(path: str) -> None:
    """Remove a tree, read-only folders in it too."""
    def again(function, name, _):
        with suppress(OSError):
            os.chmod(os.path.dirname(name), stat.S_IRWXU)
            if os.path.isdir(name) and not os.path.islink(name):
                os.chmod(name, stat.S_IRWXU)
            function(name)
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.lexists(path):
        shutil.rmtree(path, onerror=again)
