# SPDX-License-Identifier: GPL-2.0-only
"""
The earlier installation of a package, set aside while a new one is made in its place, and brought back if that fails.
When the new one stands, the earlier one is kept for some days (prefix/held.py), unlisted.

EasyBuild (5.1.2 to 5.4.1, EasyBlock.make_installdir) deletes the earlier prefix before the new one stands, and its
module when the build starts. Here both are renamed when the new one begins to be written, and a module never points to
an installation that is not whole. It can go once EasyBuild installs beside and swaps.

Everything is done by renames, in an order in which every state says what is to be done next: whoever is killed, the
next run finishes it (`recover`). Imports nothing of EasyBuild.
"""
import errno
import getpass
import hashlib
import json
import os
import shutil
import stat
import time
import uuid
from contextlib import suppress
from typing import Iterator, Optional, Tuple

from ... import tree
from ...errors import DataError, LumiHooksError
from ...files import at, open_folder, open_regular, read_bytes, read_json, read_text, replacing, write_atomic
from ...prefix import held, keeping
from ...prefix.notice import without_notice
from ...record import read_record

RESTORED, COMPLETED = 'restored', 'completed'
# bytes of a note: three paths
_LARGEST_NOTE = 1 << 16
# in the folder of what is set aside
_SOFTWARE, _MODULE, _HALF, _FROM = 'software', 'module', 'half', 'from'


class EarlierInstallation:
    """
    What was there before one installation.

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
        key = hashlib.sha256(installdir.encode()).hexdigest()[:12]
        self._prefix, self._note = prefix, f'{key}.json'

    @property
    def hidden(self) -> str:
        """Where the module file is written before it appears: in the same folder, under a name that Lmod ignores."""
        folder, name = os.path.split(self.module)
        return os.path.join(folder, f'.{name}.new~')

    @property
    def taken(self) -> bool:
        """Is something set aside? A link in its place, or a file, is none of ours and leads nowhere."""
        with suppress(OSError):
            return stat.S_ISDIR(os.lstat(self.folder).st_mode)
        return False

    def take(self) -> None:
        """
        Set the installation aside; where there is none, that is noted all the same.

        :raises LumiHooksError: it can't be moved; it is where it was then
        """
        try:
            with open_folder(self._prefix, held.SET_ASIDE, make=True) as noted:
                write_atomic(at(noted, self._note), json.dumps({'installdir': self.installdir, 'module': self.module,
                                                                'lock': self.lock}))
            if not self.taken:
                tree.remove(self.folder)
            os.mkdir(self.folder)
            with self._open() as folder:
                if os.path.lexists(self.module):
                    _move(self.module, at(folder, _MODULE))
                if _is_there(self.installdir):
                    os.rename(self.installdir, at(folder, _SOFTWARE))
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
            with self._open() as folder:
                tree.remove(at(folder, _HALF))
                # nobody else can exchange anything in it while it is copied
                os.mkdir(at(folder, _HALF), 0o700)
                with open_folder(at(folder, ''), _HALF) as half:
                    tree.copy(at(folder, _SOFTWARE), half, _SOFTWARE)
                    os.rename(at(half, _SOFTWARE), self.installdir)
        except OSError as err:
            raise LumiHooksError(f'{self.installdir}, which this recipe builds on (keeppreviousinstall), cannot be '
                                 f'copied: {err.strerror}; it was left as it is') from err

    def bring(self, kept: str) -> None:
        """
        Put in its place what was set aside before, and is kept; its module is ready to be revealed. The kept folder
        keeps its module file, and is emptied of the rest: `undo` puts it back there.

        :param kept: as `commit` made it
        :raises LumiHooksError: it can't be moved
        """
        try:
            with self._open() as folder, open_folder(*os.path.split(kept)) as source:
                write_atomic(at(folder, _FROM), kept)
                if not _is_there(self.installdir):
                    os.rename(at(source, _SOFTWARE), self.installdir)
                write_atomic(self.hidden, without_notice(
                    read_bytes(_MODULE, below=at(source, '')).decode('utf-8', 'surrogateescape')))
        except OSError as err:
            raise LumiHooksError(f'{self.installdir} cannot be brought back from {kept}: {err.strerror}') from err

    def undo(self) -> None:
        """Bring the earlier installation back; what was half made in its place goes."""
        tree.remove(self.hidden)
        if self.taken:
            with self._open() as folder:
                self._return_to_kept(at(folder, _FROM))
                software, module, half = (at(folder, name) for name in (_SOFTWARE, _MODULE, _HALF))
                if _is_there(software):
                    tree.remove(half)
                    if os.path.lexists(self.installdir):
                        os.rename(self.installdir, half)
                    os.rename(software, self.installdir)
                if _is_there(module) and not os.path.lexists(self.module):
                    _move(module, self.module)
        tree.remove(self.folder)
        self._forget()

    def _return_to_kept(self, path: str) -> None:
        """What was brought from a kept folder, and is not revealed, goes back there."""
        try:
            kept = read_text(path, largest=_LARGEST_NOTE)
        except FileNotFoundError:
            return
        parent, name = os.path.split(self.installdir)
        if os.path.dirname(kept) == parent and os.path.basename(kept).startswith(f'.{name}.kept.'):
            with suppress(FileNotFoundError), open_folder(parent, os.path.basename(kept)) as target:
                if not _is_there(at(target, _SOFTWARE)):
                    os.rename(self.installdir, at(target, _SOFTWARE))
        os.unlink(path)

    def reveal(self) -> None:
        """The new module appears, in one step; nothing happens where none was made."""
        if os.path.lexists(self.hidden):
            os.replace(self.hidden, self.module)

    def commit(self, keep: bool = False) -> None:
        """
        The new installation stands: the earlier one is kept for some days, or goes where it is 0 days.

        :param keep: it stays, in the same folder and with the time in its name, as recipes with
            cleanupoldinstall = False want
        """
        kind = held.REBUILT
        if self.taken:
            with self._open() as folder:
                if keep and _is_there(at(folder, _SOFTWARE)):
                    os.rename(at(folder, _SOFTWARE), f'{self.installdir}.{time.strftime("%Y%m%d-%H%M%S")}')
                if _is_there(at(folder, _FROM)):
                    kind = held.UNDONE
                whole = _is_there(at(folder, _SOFTWARE))
            if not (whole and self._hold(kind)):
                self._delete()
        self._forget()

    def _hold(self, kind: str) -> bool:
        """Keep what was set aside, in one step and with a note before it; False where nothing is kept, or can't be."""
        days = held.keep_days()
        if not days:
            return False
        name = uuid.uuid4().hex[:12]
        parent, version = os.path.split(self.installdir.rstrip(os.sep))
        kept = os.path.join(parent, f'.{version}.kept.{name}')
        size = _recorded_size(os.path.join(self.folder, _SOFTWARE))
        module = os.path.join(*self.module.split(os.sep)[-2:])
        try:
            note = keeping.write(self._prefix, name, held.Held(
                kind, module[:-4] if module.endswith('.lua') else module, self.module, self.installdir, self.lock,
                kept=kept, keep_days=days, bytes=size[0], inodes=size[1], user=user_name()))
        except OSError:
            return False  # a full disk: what was there goes
        try:
            os.rename(self.folder, kept)
        except OSError:
            keeping.drop(note)
            return False
        return True

    def _delete(self) -> None:
        tree.remove(self._done)
        try:
            os.rename(self.folder, self._done)
        except OSError as err:
            raise LumiHooksError(f'{self.installdir} is installed, but what was there before cannot be removed '
                                 f'from {self.folder}: {self._done} is in the way ({err.strerror}); remove '
                                 'both') from err
        tree.remove(self._done)

    def recover(self) -> Optional[str]:
        """
        Finish what an `eb` that was killed had begun. Only for the holder of the lock.

        :return: RESTORED (the earlier installation is back), COMPLETED (the new one stands), None (there was nothing)
        """
        tree.remove(self._done)
        if not self.taken:
            tree.remove(self.folder)
            with suppress(OSError):
                tree.remove(self.hidden)
            self._forget()
            return None
        # the earlier module was hidden before: one that is visible is the new one's, which appears last
        with self._open() as folder:
            replaced = any(_is_there(at(folder, name)) for name in (_SOFTWARE, _FROM)) and os.path.lexists(self.module)
        if replaced:
            self.commit()
            return COMPLETED
        self.undo()
        return RESTORED

    def _forget(self) -> None:
        with suppress(OSError), open_folder(self._prefix, held.SET_ASIDE) as noted:
            os.unlink(at(noted, self._note))

    def _open(self):
        """The folder of what is set aside, for `at`; no link in its place is followed."""
        return open_folder(*os.path.split(self.folder))


def notes(prefix: str) -> str:
    """The folder that notes what is set aside in a prefix."""
    return os.path.join(prefix, held.SET_ASIDE)


def pending(prefix: str) -> Iterator[EarlierInstallation]:
    """What is set aside in a prefix: at work, or left by an `eb` that was killed."""
    folder = notes(prefix)
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        try:
            found = read_json(os.path.join(held.SET_ASIDE, name), _LARGEST_NOTE, below=prefix)
            paths = [found[key] for key in ('installdir', 'module', 'lock')]
            sound = all(os.path.isabs(path) and path.isprintable() and os.path.normpath(path) == path
                        and os.path.realpath(path).startswith(os.path.realpath(prefix) + os.sep) for path in paths)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # of another version of the library
        if sound:  # a note says nothing about what lies elsewhere, whoever wrote it
            yield EarlierInstallation(paths[0], paths[1], prefix, paths[2])


def _recorded_size(installation: str) -> Tuple[int, int]:
    """Bytes and inodes of an installation, as its record has them; 0 where it has none."""
    with suppress(DataError, KeyError, TypeError):
        size = (read_record(installation) or {})['size']
        return max(0, size['bytes']), max(0, size['inodes'])
    return 0, 0


def user_name() -> str:
    """Name of this user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _is_there(path: str) -> bool:
    """
    Is there something at a path, if only a link?

    :raises OSError: that can't be told: the folder is closed to this user
    """
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True


def _move(source: str, target: str) -> None:
    """Move a file; across file systems it appears at its target in one step."""
    try:
        os.rename(source, target)
    except OSError as err:
        if err.errno != errno.EXDEV:
            raise
        status = os.lstat(source)
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(source), target)
        else:
            with os.fdopen(open_regular(source, follow=False), 'rb') as reader, \
                    replacing(target, stat.S_IMODE(status.st_mode)) as writer:
                shutil.copyfileobj(reader, writer)
        os.unlink(source)
