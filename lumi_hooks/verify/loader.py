# SPDX-License-Identifier: GPL-2.0-only
"""
What the run-time loader would find, computed from what the files say: no program is run for it.

The rules are those of ld.so(8) and of _dl_map_object in glibc's elf/dl-load.c: a name that is loaded already is taken.
Where the file that asks has a DT_RUNPATH, LD_LIBRARY_PATH is searched, then that DT_RUNPATH. Where it has none, the
DT_RPATH of the file, of the one that loaded it and so on up to the program is searched before LD_LIBRARY_PATH; of these
those that have a DT_RUNPATH give nothing (their DT_RPATH is ignored), but do not cut the others off. Then come the
cache of /etc/ld.so.conf and the default folders. On top stand the machine's own rules (machine.json, "loader").
"""
import os
import re
import subprocess
from collections import deque
from typing import Callable, Deque, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .elf import Elf

DEFAULT = ('/lib64', '/usr/lib64', '/lib', '/usr/lib')
_CACHE_LINE = re.compile(r'\s+(\S+) \(([^)]*)\) => (\S+)$')


class Loaded(NamedTuple):
    """A library that a process asks for: under which name, who asks first, where it is found (None: nowhere)."""
    name: str
    asked_by: str
    path: Optional[str]


def system_cache() -> Dict[str, str]:
    """Library name -> path, by the loader's cache of this system (one run of ldconfig); empty where it has none."""
    for command in ('/sbin/ldconfig', '/usr/sbin/ldconfig', 'ldconfig'):
        try:
            done = subprocess.run([command, '-p'], capture_output=True, text=True, check=False,
                                  env={'PATH': os.environ.get('PATH', ''), 'LC_ALL': 'C'})
        except OSError:
            continue
        found: Dict[str, str] = {}
        for line in done.stdout.splitlines():
            match = _CACHE_LINE.match(line)
            if match and 'x86-64' in match.group(2) and 'hwcap' not in match.group(2):
                found.setdefault(match.group(1), match.group(3))
        return found
    return {}


class Loader:
    """
    Finds libraries.

    :param read: facts of a file by its path, None where it is no library that could be loaded
    :param library_path: folders of LD_LIBRARY_PATH
    :param system: the machine's own folders, which every process searches
    :param late: does the Cray PE's own part of LD_LIBRARY_PATH come behind those of the machine?
    :param cache: names and paths of the loader's cache
    """

    def __init__(self, read: Callable[[str], Optional[Elf]], library_path: Sequence[str] = (),
                 system: Sequence[str] = (), late: Callable[[str], bool] = lambda folder: False,
                 cache: Optional[Mapping[str, str]] = None):
        self.read = read
        folders = [folder for folder in library_path if folder]
        self.library_path = tuple(folder for folder in folders if not late(folder))
        self.system = (*system, *(folder for folder in folders if late(folder)))
        self.cache = cache if cache is not None else {}
        self._listings: Dict[str, FrozenSet[str]] = {}
        self._found: Dict[tuple, Optional[str]] = {}
        self._closures: Dict[str, Tuple[Loaded, ...]] = {}

    def closure(self, path: str) -> Tuple[Loaded, ...]:
        """All libraries that a process would load for one file, in the loader's order."""
        if path not in self._closures:
            self._closures[path] = tuple(self._load(path))
        return self._closures[path]

    def direct(self, path: str) -> Tuple[Loaded, ...]:
        """The libraries that the file itself names."""
        return tuple(entry for entry in self.closure(path) if entry.asked_by == path)

    def _load(self, path: str) -> List[Loaded]:
        first = self.read(path)
        found: Dict[str, Loaded] = {}
        if first is None:
            return []
        known = {first.soname} if first.soname else set()
        queue: Deque[Tuple[str, Elf, Tuple[str, ...]]] = deque([(path, first, ())])
        while queue:
            here, elf, inherited = queue.popleft()
            # of this file and of those that loaded it: handed on, also by a file that itself asks by its DT_RUNPATH
            chain = inherited if elf.runpath else (*expand(elf.rpath, here), *inherited)
            rpath = () if elf.runpath else chain
            runpath = expand(elf.runpath, here)
            for name in elf.needed:
                if name in found or name in known:
                    continue
                # a name with a slash is a path, which may begin with $ORIGIN too
                place = self._find(expand([name], here)[0] if '/' in name else name, rpath, runpath)
                found[name] = Loaded(name, here, place)
                facts = self.read(place) if place else None
                if place and facts:
                    if facts.soname:
                        known.add(facts.soname)
                    queue.append((place, facts, chain))
        return list(found.values())

    def _find(self, name: str, rpath: Tuple[str, ...], runpath: Tuple[str, ...]) -> Optional[str]:
        key = (name, rpath, runpath)
        if key not in self._found:
            self._found[key] = self._search(name, rpath, runpath)
        return self._found[key]

    def _search(self, name: str, rpath: Tuple[str, ...], runpath: Tuple[str, ...]) -> Optional[str]:
        if '/' in name:
            return name if self.read(name) else None
        for folder in (*rpath, *self.library_path, *runpath, *self.system):
            path = self._in(folder, name)
            if path:
                return path
        path = self.cache.get(name)
        if path and self.read(path):
            return path
        return next((path for path in (self._in(folder, name) for folder in DEFAULT) if path), None)

    def _in(self, folder: str, name: str) -> Optional[str]:
        """A library in a folder, if it is there and can be loaded (the loader goes on where it can't)."""
        if folder not in self._listings:
            try:
                self._listings[folder] = frozenset(os.listdir(folder))
            except OSError:
                self._listings[folder] = frozenset()
        path = os.path.join(folder, name)
        return path if name in self._listings[folder] and self.read(path) else None


def expand(folders: Sequence[str], path: str) -> Tuple[str, ...]:
    """The folders of a run path, with $ORIGIN and the like written out for the file that has it."""
    if not folders:
        return ()
    origin = os.path.dirname(path)
    return tuple(os.path.normpath(re.sub(r'\$(\{ORIGIN\}|ORIGIN\b)', lambda _: origin,
                                         re.sub(r'\$(\{LIB\}|LIB\b)', 'lib64', folder)))
                 for folder in folders if folder)
