# SPDX-License-Identifier: GPL-2.0-only
"""What a rule of `verify` is: a pure function of the facts of an installation, which yields what is wrong."""
import os
import struct
from dataclasses import dataclass, field
from typing import Callable, Dict, FrozenSet, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from ...releases import load_machine
from ..elf import LIBRARY, PROGRAM, Elf
from ..loader import Loaded, Loader
from ..locations import Locations
from ..policy import kind_of
from ..scan import Scan
from ..symbols import Exports, exports


class Problem(NamedTuple):
    """Something wrong: in which file, what it is, what to do."""
    file: str
    found: str
    mend: str


@dataclass
class InstallationFacts:
    """
    The facts that rules look at.

    `gpu_targets` are the GPUs that code may be for, the machine's own first; `gpu` says whether the partition has
    GPUs (None: not known); `software` is the package's name, whose own data tell what it has to link.
    """
    locations: Locations
    scan: Scan
    loader: Loader
    gpu_targets: Tuple[str, ...]
    gpu: Optional[bool] = None
    software: str = ''
    features: Mapping[str, str] = field(default_factory=lambda: load_machine()['gpu_features']['values'])
    _kinds: Dict[str, Mapping[str, FrozenSet[str]]] = field(default_factory=dict)
    _names: Dict[str, List[str]] = field(default_factory=dict)
    _exports: Dict[str, Exports] = field(default_factory=dict)
    # symbols of several libraries together, by their paths
    offered: Dict[Tuple[str, ...], FrozenSet[bytes]] = field(default_factory=dict)

    def lies_at(self, name: str, near: str) -> str:
        """Where in the installation a file of that name lies, nearest to another one; empty where there is none."""
        if not self._names:
            for path in (*self.scan.elf, *self.scan.links):
                self._names.setdefault(os.path.basename(path), []).append(path)
        return max(self._names.get(os.path.basename(name), ()), default='',
                   key=lambda path: len(os.path.commonpath((path, near))))

    def exports(self, path: str) -> Exports:
        """The symbols and versions that a file offers; nothing where it can't be read."""
        if path not in self._exports:
            real = os.path.realpath(path)
            if real not in self._exports:
                try:
                    self._exports[real] = exports(real)
                except (OSError, ValueError, struct.error, IndexError):
                    self._exports[real] = Exports()
            self._exports[path] = self._exports[real]
        return self._exports[path]

    def binaries(self) -> Iterator[Elf]:
        """Programs and libraries of the installation that run on the CPU."""
        return (elf for elf in self.scan.elf.values() if elf.kind in (PROGRAM, LIBRARY))

    def closure(self, elf: Elf) -> Tuple[Loaded, ...]:
        """All libraries that a process would load for a file."""
        return self.loader.closure(elf.path)

    def loads(self, path: str, kind: str) -> FrozenSet[str]:
        """The libraries of a kind that a process would load for a file: paths, or names where they are not found."""
        if path not in self._kinds:
            found: Dict[str, set] = {}
            for entry in self.loader.closure(path):
                name = entry.path or entry.name
                which = kind_of(entry.name) or kind_of(name)
                if which:
                    found.setdefault(which, set()).add(name)
            self._kinds[path] = {which: frozenset(names) for which, names in found.items()}
        return self._kinds[path].get(kind, frozenset())

    def own_libraries(self, elf: Elf) -> List[str]:
        """The libraries of the installation itself that a file names."""
        return [entry.path for entry in self.loader.direct(elf.path)
                if entry.path and self.locations.is_own(entry.path)]

    def where_it_begins(self, holds: Callable[[str], bool]) -> Iterator[Elf]:
        """
        The files of which something holds, but of none of the installation's libraries that they load: so that it is
        told of the library that brings it, and not of every program.
        """
        for elf in self.binaries():
            if holds(elf.path) and not any(holds(path) for path in self.own_libraries(elf)):
                yield elf

    def by(self, elf: Elf, library: str) -> str:
        """How a library comes into a file's process, for reading: empty where the file itself names it."""
        for entry in self.closure(elf):
            if library in (entry.path, entry.name):
                return '' if entry.asked_by == elf.path else f', by way of {entry.asked_by}'
        return ''


Rule = Callable[[InstallationFacts], Iterator[Problem]]
RULES: Dict[str, Rule] = {}


def rule(name: str) -> Callable[[Rule], Rule]:
    """Register a rule under its id; why it matters and how severe it is stands in policy.json."""
    def register(function: Rule) -> Rule:
        assert name not in RULES, f'two rules are called {name}'
        RULES[name] = function
        return function
    return register
