# SPDX-License-Identifier: GPL-2.0-only
"""
Removes installations so that nothing disappears under a running job, brings them back, and deletes them in the end.

What is removed stays where it is, as jobs hold its path: its module is marked as due (presence.py), hidden, and its
archived recipe is put away. What was replaced was set aside before (rollback.py). Each step leaves a state that says
what is to be done next: whoever is killed, the next run finishes it (`settle`). Imports nothing of EasyBuild.
"""
import os
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Callable, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from ... import tree
from ...errors import LumiHooksError
from ...files import LARGEST, read_bytes, write_atomic
from ...prefix import held, hidden, keeping, visibility
from ...prefix.held import REBUILT, REMOVED, UNDONE, Held, Note
from ...prefix.notice import with_notice, without_notice
from ...presence import is_due, is_gone
from .locks import Lock
from .rollback import EarlierInstallation, user_name

# installations that one run deletes at most, where it does so beside its own work
BOUND = 5


@dataclass(frozen=True)
class Target:
    """
    What is to be removed.

    :ivar tree: the folder of modules that its module file is in
    :ivar installdir: its installation; empty where its module names none
    :ivar archive: its recipe in the archive of the prefix, empty where it has none
    :ivar bytes: size by its record, None where that is not known; `inodes` likewise
    """
    prefix: str
    module: str
    tree: str
    module_file: str
    installdir: str
    archive: str = ''
    bytes: Optional[int] = None
    inodes: Optional[int] = None

    @property
    def lock(self) -> str:
        """Path of the lock on the installation."""
        return lock_path(self.installdir)


def lock_path(installdir: str) -> str:
    """Where EasyBuild (filetools.det_lock_path) keeps the lock on an installation, name/version below one folder."""
    base = os.path.dirname(os.path.dirname(installdir))
    return os.path.join(os.environ.get('EASYBUILD_LOCKS_DIR') or os.path.join(base, '.locks'),
                        f'{installdir.replace(os.sep, "_")}.lock')


def remove(target: Target, days: float, tell: Callable[[str], None] = print) -> Note:
    """
    Remove an installation. Idempotent: what is due already is left as it is.

    :param days: how long it stays on disk
    :raises LumiHooksError: it is being installed, or it can't be written; nothing was changed then
    """
    with _alone(target, target.prefix, 'removed', tell):
        text = _read(target.prefix, target.module_file)
        if is_due(text):
            earlier = [note for note in held.notes(target.prefix) if note.held.kind == REMOVED
                       and note.held.installdir == target.installdir]
            if earlier:
                settle(earlier[0])
                return earlier[0]
        note = keeping.write(target.prefix, uuid.uuid4().hex[:12], Held(
            REMOVED, target.module, target.module_file, target.installdir, target.lock, target.archive, '', days,
            target.bytes or 0, target.inodes or 0, user_name()))
        try:
            # from here on it is not installed any more
            write_atomic(target.module_file, with_notice(text, _said(note), target.module_file.endswith('.lua')),
                         os.lstat(target.module_file).st_mode & 0o777)
        except OSError:
            keeping.drop(note)
            raise
        settle(note)
        return note


@contextmanager
def _alone(about: Union[Target, Held], prefix: str, done: str, tell: Callable[[str], None]) -> Iterator[None]:
    """
    The lock on an installation for a while, whose files are as they were before another process was killed.

    :param done: what cannot be, where something can't be written
    :raises LumiHooksError: it is being installed, or something can't be written
    """
    lock = Lock(about.lock, about.module)
    lock.acquire(limit=0, tell=tell)
    try:
        EarlierInstallation(about.installdir, about.module_file, prefix, about.lock).recover()
        yield
    except OSError as err:
        place = err.filename or about.installdir
        raise LumiHooksError(f'{about.module} cannot be {done}: {err.strerror} ({place})') from err
    finally:
        lock.release()


def _said(note: Note) -> str:
    return f'{note.held.module} was removed by {note.held.user} and is due for deletion on {note.day}: after that it ' \
           f'can not be loaded any more (lumi-eb remove --undo {note.held.module} brings it back)'


def settle(note: Note) -> None:
    """
    Finish what a killed process had begun with what a note is about. Only for the holder of the lock. Idempotent.

    :raises OSError: something can't be written
    """
    about = note.held
    folder = os.path.dirname(os.path.dirname(about.module_file))
    if about.kind != REMOVED:
        if about.kept and not os.path.lexists(os.path.join(about.kept, 'software')) and not os.path.lexists(note.gone):
            tree.remove(about.kept)  # it was brought back
            keeping.drop(note)
        return
    try:
        due: Optional[bool] = is_due(_read(note.prefix, about.module_file))
    except FileNotFoundError:
        due = None
    if due is None:
        return  # it is being deleted, or somebody removed the module: it goes when it is time
    if due:
        visibility.hide(note.prefix, folder, about.module, visibility.REMOVED)
        _no_default(about.module_file)
        if about.archive and os.path.lexists(about.archive):
            write_atomic(note.recipe, _read(note.prefix, about.archive))
            os.unlink(about.archive)
    else:
        # it was brought back, or something else was installed in its place
        if os.path.lexists(note.recipe):
            if about.archive and not os.path.lexists(about.archive):
                write_atomic(about.archive, _read(note.prefix, note.recipe))
            os.unlink(note.recipe)
        visibility.show(note.prefix, folder, about.module, visibility.REMOVED)
        keeping.become(note, UNDONE)


def _no_default(module_file: str) -> None:
    """The link that says which generation of an environment is the default does not lead to one that was removed."""
    link = os.path.join(os.path.dirname(module_file), 'default')
    with suppress(OSError):
        if os.readlink(link) == os.path.basename(module_file):
            os.unlink(link)


def _is_settled(note: Note) -> bool:
    """Is there nothing to finish, as far as a look tells it without the lock?"""
    about = note.held
    if about.kind != REMOVED:
        return not about.kept or os.path.lexists(os.path.join(about.kept, 'software'))
    try:
        folder = os.path.dirname(os.path.dirname(about.module_file))
        return is_due(_read(note.prefix, about.module_file)) \
            and not (about.archive and os.path.lexists(about.archive)) \
            and hidden.is_hidden(note.prefix, folder, about.module, visibility.REMOVED)
    except OSError:
        return True


def _read(prefix: str, path: str) -> str:
    """A text file of a prefix; no link in its place, to a secret of this user's, is followed."""
    top, (folder, name) = os.path.realpath(prefix), os.path.split(path)
    below = os.path.relpath(os.path.join(os.path.realpath(folder), name), top)
    return read_bytes(below, LARGEST, top).decode('utf-8', 'surrogateescape')


def undo(notes: Sequence[Note], module: str, tell: Callable[[str], None] = print) -> str:
    """
    Bring back what was removed or replaced last. Idempotent.

    :param notes: those of one installation, the newest first
    :return: what was done, as a sentence
    :raises LumiHooksError: there is nothing to bring back, or it can't be written; it is as it was then
    """
    if not notes:
        raise LumiHooksError(f'{module}: nothing of it was removed or replaced, or it was deleted since')
    about = notes[0].held
    with _alone(about, notes[0].prefix, 'brought back', tell):
        _settle_all(notes)
        now = [note for note in held.notes(notes[0].prefix) if note.held.installdir == about.installdir]
        if not now or now[0].held.kind == UNDONE:
            return f'{module} is as it was before it was removed or replaced: there is nothing to bring back'
        return _bring_back(now[0]) if now[0].held.kind == REMOVED else _swap(now[0])


def _bring_back(note: Note) -> str:
    about = note.held
    if is_gone(about.installdir):
        raise LumiHooksError(f'{about.module} cannot be brought back: somebody deleted {about.installdir}')
    text = _read(note.prefix, about.module_file)
    write_atomic(about.module_file, without_notice(text), os.lstat(about.module_file).st_mode & 0o777)
    settle(note)
    return f'{about.module} is back'


def _swap(note: Note) -> str:
    about = note.held
    if not os.path.lexists(os.path.join(about.kept, 'module')):
        raise LumiHooksError(f'{about.module} cannot be brought back: it had no module when it was replaced; its files '
                             f'are in {about.kept} until {note.day}')
    earlier = EarlierInstallation(about.installdir, about.module_file, note.prefix, about.lock)
    earlier.take()
    try:
        earlier.bring(about.kept)
        earlier.reveal()
    except BaseException:
        earlier.undo()
        raise
    earlier.commit()
    settle(note)
    return f'{about.module} is back as it was before it was reinstalled; what took its place is kept for some days'


def expire(notes: Iterable[Note], now: Optional[float] = None, bound: Optional[int] = None,
           tell: Callable[[str], None] = print) -> List[Note]:
    """
    Delete what was kept long enough, as far as this user may, and where nobody is at work.

    :param now: the time, in seconds since 1970; infinity deletes everything
    :param bound: how many are deleted at most
    :param tell: is told which locks of dead processes were cleared
    :return: what is gone
    """
    found: List[Note] = []
    for note in notes:
        if bound is not None and len(found) >= bound:
            break
        time_is_up = note.until <= (time.time() if now is None else now)
        mine = note.uid in (0, os.geteuid())
        if not (time_is_up or mine and not _is_settled(note)):
            continue
        lock = Lock(note.held.lock, note.held.module)
        try:
            lock.acquire(limit=0, tell=tell)
        except LumiHooksError:
            continue
        try:
            if mine:  # what somebody else had begun is finished by that user
                settle(note)
            if time_is_up and _may_delete(note) and _delete(note):
                found.append(note)
        except OSError:
            continue  # somebody else's files
        finally:
            lock.release()
    return found


def _may_delete(note: Note) -> bool:
    """A note of somebody else's is believed only on files of that user: it may not have this user delete own ones."""
    if note.uid in (0, os.geteuid()):
        return True
    with suppress(OSError):
        return os.lstat(note.held.kept or note.held.installdir).st_uid == note.uid
    return True


def _delete(note: Note) -> bool:
    """Delete what a note is about; whether all of it is gone. Only for the holder of the lock."""
    about = note.held
    current = next((item for item in held.notes(note.prefix) if item.name == note.name), None)
    if current is None or current.held != about:
        return False  # settled to something else meanwhile
    if about.kind == REMOVED:
        with suppress(FileNotFoundError):
            if not is_due(_read(note.prefix, about.module_file)):
                return False
            os.unlink(about.module_file)
        files = about.installdir
    else:
        files = about.kept
    if files and os.path.lexists(files) and not os.path.lexists(note.gone):
        os.rename(files, note.gone)
    tree.remove(note.gone)
    if os.path.lexists(note.gone):
        return False
    if about.kind == REMOVED:
        for mark in (visibility.REMOVED, visibility.DEPENDENCY):
            visibility.show(note.prefix, os.path.dirname(os.path.dirname(about.module_file)), about.module, mark)
        for folder in (os.path.dirname(about.module_file), os.path.dirname(about.installdir)):
            with suppress(OSError):
                os.rmdir(folder)  # where it was the only version
    keeping.drop(note)
    return True


def settle_installation(prefix: str, installdir: str) -> None:
    """After an installation stands: what was noted of an earlier one in its place. Only for the holder of the lock."""
    with suppress(OSError):
        _settle_all([note for note in held.notes(prefix) if note.held.installdir == installdir])


def kept(prefix: str, installdir: str) -> Optional[str]:
    """What was replaced last is on disk still: how much, until when, and how to get it back or rid of it."""
    newest = next((note for note in held.notes(prefix) if note.held.installdir == installdir), None)
    if newest is None or newest.held.kind != REBUILT:
        return None
    module = newest.held.module
    return f'the earlier {module} is kept until {newest.day} ({newest.size}), as jobs may use it: "lumi-eb remove ' \
           f'--undo {module}" brings it back, "lumi-eb remove --expire --now {module}" frees it'


def _settle_all(notes: Iterable[Note]) -> None:
    for note in notes:
        settle(note)


def totals(notes: Iterable[Note]) -> Tuple[int, int]:
    """Bytes and inodes that notes hold on disk."""
    kept = [note for note in notes if note.held.kind == REMOVED or note.held.kept]
    return sum(note.held.bytes for note in kept), sum(note.held.inodes for note in kept)
