# SPDX-License-Identifier: GPL-2.0-only
"""
What was removed or replaced, and stays on disk for some days, as jobs may still use it: a note for each, in the prefix.

A note says what is kept, and where; its time is when that was. Who reads it believes no path that lies elsewhere. A
note is made before anything is moved, and goes after everything else: what a killed process left is found by it.
Standard library alone.
"""
import os
import time
from dataclasses import dataclass, fields
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Tuple

from .. import settings
from ..amounts import size_in_words
from ..files import read_json
from ..index import is_archive
from ..releases import load_machine
from . import LEFT_OVER

# `removed`: it is where it was, hidden and due; `rebuilt`: set aside, another one stands there; `undone`: brought back,
# or what that took the place of
REMOVED, REBUILT, UNDONE = 'removed', 'rebuilt', 'undone'
_KINDS = (REMOVED, REBUILT, UNDONE)
FOLDER, SET_ASIDE = LEFT_OVER
_DAY = 86400
# bytes of a note: a few paths
_LARGEST = 1 << 16


@dataclass(frozen=True)
class Held:
    """
    Something that is kept.

    :ivar kind: REMOVED, REBUILT or UNDONE
    :ivar module: full name of its module
    :ivar module_file: where that is, or was
    :ivar installdir: folder of the installation
    :ivar lock: path of the lock on the installation
    :ivar archive: its recipe in the archive of the prefix, empty where it has none
    :ivar kept: folder that it was moved to; empty where it is in its place
    :ivar keep_days: how long it is kept
    :ivar bytes: its size, by its record; 0 where that is not known
    :ivar inodes: its files and folders, likewise
    :ivar user: name of who removed or replaced it
    """
    kind: str
    module: str
    module_file: str
    installdir: str
    lock: str
    archive: str = ''
    kept: str = ''
    keep_days: float = 0.0
    bytes: int = 0
    inodes: int = 0
    user: str = ''


@dataclass(frozen=True)
class Note:
    """A note in a prefix: its file name, what it says, when (seconds since 1970), and the id of who wrote it."""
    prefix: str
    name: str
    held: Held
    when: float
    uid: int

    @property
    def until(self) -> float:
        """When it may go, in seconds since 1970."""
        return self.when + self.held.keep_days * _DAY

    @property
    def day(self) -> str:
        """That day, as users read it."""
        return time.strftime('%Y-%m-%d', time.localtime(self.until))

    @property
    def size(self) -> str:
        """What it holds on disk, as users read it."""
        about = self.held
        return f'{size_in_words(about.bytes)} in {about.inodes:,} files' if about.inodes else 'size not known'

    @property
    def recipe(self) -> str:
        """Where its archived recipe is kept meanwhile, under a name that EasyBuild does not look for."""
        return os.path.join(self.prefix, FOLDER, self.name + '.recipe')

    @property
    def gone(self) -> str:
        """Where its files are while they are deleted, beside the installation and listed by nobody."""
        parent, name = os.path.split(self.held.installdir)
        return os.path.join(parent, f'.{name}.gone.{self.name}')


def keep_days(env: Mapping[str, str] = os.environ) -> float:
    """
    For how many days what was removed or replaced is kept: $LUMI_HOOKS_KEEP_DAYS, else the site's data.

    :raises SiteError: the variable holds no number of days
    """
    return float(settings.value('KEEP_DAYS', env) or load_machine().get('removal', {}).get('keep_days', 0))


def notes(prefix: str) -> List[Note]:
    """The notes of a prefix, the newest first."""
    return sorted(_notes(prefix), key=lambda note: (-note.when, note.name))


def due_in(prefix: str) -> FrozenSet[str]:
    """Folders of the installations of a prefix that are due for removal, without links."""
    return frozenset(os.path.realpath(note.held.installdir) for note in _notes(prefix) if note.held.kind == REMOVED)


def _notes(prefix: str) -> Iterator[Note]:
    if not prefix:
        return
    try:
        names = os.listdir(os.path.join(prefix, FOLDER))
    except OSError:
        return
    for name in names:
        if not name.endswith('.json') or name.startswith('.'):
            continue
        path = os.path.join(FOLDER, name)
        try:
            found = read_json(path, _LARGEST, below=prefix)
            status = os.lstat(os.path.join(prefix, path))
        except (OSError, ValueError):
            continue
        held = _checked(found, prefix)
        if held:
            yield Note(prefix, name[:-5], held, status.st_mtime, status.st_uid)


def _checked(found: object, prefix: str) -> Optional[Held]:
    """What a note says, None where it is none of this version's, or names what is not the prefix's."""
    if not isinstance(found, dict) or found.get('kind') not in _KINDS:
        return None
    values: Dict[str, object] = {}
    for item in fields(Held):
        wanted: Tuple[type, ...] = {'keep_days': (int, float), 'bytes': (int,), 'inodes': (int,)}.get(item.name, (str,))
        value = found.get(item.name)
        if not isinstance(value, wanted) or isinstance(value, bool):
            return None
        values[item.name] = value
    held = Held(**values)  # type: ignore[arg-type]
    paths = [held.module_file, held.installdir, held.lock, *filter(None, (held.archive, held.kept))]
    if held.archive and not (held.archive.endswith('.eb') and is_archive(os.path.relpath(held.archive, prefix))):
        return None
    if not held.module.isprintable() or not 0 <= held.keep_days < 10000 or held.bytes < 0 or held.inodes < 0:
        return None
    top = os.path.realpath(prefix) + os.sep
    if not all(os.path.isabs(path) and path.isprintable() and os.path.normpath(path) == path
               and os.path.realpath(os.path.dirname(path)).startswith(top) for path in paths):
        return None
    parent, name = os.path.split(held.installdir)
    if held.kept and (os.path.dirname(held.kept) != parent
                      or not os.path.basename(held.kept).startswith(f'.{name}.kept.')):
        return None
    if bool(held.kept) == (held.kind == REMOVED) and held.kind != UNDONE:
        return None
    return held
