# SPDX-License-Identifier: GPL-2.0-only
"""Rules about symbols: versions that the libraries found do not have, and symbols that nothing in a process defines."""
import os
from typing import FrozenSet, Iterator, List, Set, Tuple

from ..elf import PROGRAM, Elf
from ..policy import looked_up_elsewhere
from .base import InstallationFacts, Problem, rule

# names that are written out
SHOWN = 5
# the linker makes these up where they are asked for
_MADE_UP = frozenset((b'_DYNAMIC', b'_GLOBAL_OFFSET_TABLE_', b'_PROCEDURE_LINKAGE_TABLE_', b'__tls_get_addr'))


@rule('symbol-version')
def symbol_version(installation: InstallationFacts) -> Iterator[Problem]:
    """The libraries that are found have the versions that are asked for (GLIBCXX_3.4.32, GLIBC_2.38 …)."""
    for elf in installation.binaries():
        if not elf.imports.versions:
            continue
        places = {entry.name: entry.path for entry in installation.closure(elf)}
        for name, versions in elf.imports.versions:
            path = places.get(name)
            offered = installation.exports(path).versions if path else frozenset()
            # a library without any versions is taken as it is, as by ld.so
            lost = [version for version in versions if version not in offered] if offered else []
            if path and lost:
                yield Problem(elf.path, f'needs {", ".join(lost)} of {name}, and {path} does not have it',
                              'it was built with a newer compiler or library than is found at run time: build it and '
                              'load it with the same modules, and keep other copies of the library out of '
                              'LD_LIBRARY_PATH')


@rule('undefined')
def undefined(installation: InstallationFacts) -> Iterator[Problem]:
    """Every symbol of a program, and of the installation's libraries that it loads, is defined by one of them."""
    for elf in installation.binaries():
        if elf.kind == PROGRAM:
            for part, names in _undefined(installation, elf):
                by = '' if part is elf else f' in {os.path.relpath(part.path, os.path.dirname(elf.path))}'
                yield Problem(elf.path, f'no library that it loads defines {_some(names)}{by}',
                              'link the library that defines it (LIBS, -l…), and see that the one found at run time '
                              'is of the version that it was built with; ldd -r shows the same')


@rule('undefined-library')
def undefined_library(installation: InstallationFacts) -> Iterator[Problem]:
    """
    Every symbol of a library that others link is defined by what it loads itself.

    Not looked at: plugins and modules, whose programs have the symbols (they are not called lib*.so, lie elsewhere than
    in lib, or have no SONAME); libraries that a program of the installation loads; symbols that another file of the
    installation or an interpreter defines.
    """
    linked = [elf for elf in installation.binaries() if _is_linked(installation, elf)]
    if not linked:
        return
    in_programs = {os.path.realpath(entry.path) for elf in installation.binaries() if elf.kind == PROGRAM
                   for entry in installation.closure(elf) if entry.path and installation.locations.is_own(entry.path)}
    own: Set[bytes] = set()
    lost: List[Tuple[Elf, Set[bytes]]] = []
    for elf in linked:
        if os.path.realpath(elf.path) not in in_programs:
            lost += [(part, names) for part, names in _undefined(installation, elf) if part is elf]
    if lost:
        own.update(*(installation.exports(elf.path).symbols for elf in installation.binaries()))
    for elf, names in lost:
        names = {name for name in names - own if not looked_up_elsewhere(name.decode('utf-8', 'replace'))}
        if names:
            yield Problem(elf.path, f'no library that it loads defines {_some(names)}',
                          'nothing, where every program that links it links the library that defines it too; else link '
                          'that library into this one (-l…, without -Wl,--as-needed in front)')


def _is_linked(installation: InstallationFacts, elf: Elf) -> bool:
    """Is it a library that others link, rather than a plugin?"""
    folder, name = os.path.split(os.path.relpath(elf.path, installation.locations.root))
    return elf.kind != PROGRAM and name.startswith('lib') and folder in ('lib', 'lib64') and bool(elf.soname)


def _undefined(installation: InstallationFacts, elf: Elf) -> Iterator[Tuple[Elf, Set[bytes]]]:
    """
    The file and the installation's libraries that its process loads, each with symbols that nothing in the process
    defines. Nothing is said where a library is missing or can't be read: it may have them.
    """
    closure = installation.closure(elf)
    paths = [entry.path for entry in closure]
    read = [installation.loader.read(path) if path else None for path in paths]
    if not closure or not all(read):
        return
    there = _offered(installation, tuple(path for path in paths if path))
    for part in (elf, *(facts for facts in read if facts and installation.locations.is_own(facts.path))):
        if part.imports.undefined:
            names = set(part.imports.undefined.split(b'\0')) - there - _MADE_UP
            if names:
                names -= installation.exports(elf.path).symbols
            if names:
                yield part, names


def _offered(installation: InstallationFacts, paths: Tuple[str, ...]) -> FrozenSet[bytes]:
    """The symbols of some libraries together."""
    known = installation.offered
    if paths not in known:
        known[paths] = frozenset().union(*(installation.exports(path).symbols for path in paths))
    return known[paths]


def _some(names: Set[bytes]) -> str:
    shown = [name.decode('utf-8', 'replace') for name in sorted(names)]
    more = f' and {len(shown) - SHOWN} more' if len(shown) > SHOWN else ''
    return ', '.join(shown[:SHOWN]) + more
