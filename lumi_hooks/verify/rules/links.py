# SPDX-License-Identifier: GPL-2.0-only
"""Rules about what a process holds: the same library twice, Cray's for two compilers, what a package has to link."""
import fnmatch
import os
import re
from functools import lru_cache
from typing import Dict, Iterable, Iterator, List, Mapping, Tuple

from .. import policy
from ..policy import kind_of
from .base import InstallationFacts, Problem, rule

# Cray names its libraries after the compiler that they are for
_COMPILER = re.compile(r'lib\w+?_(gnu|cray|aocc|amd|intel|nvidia)(_\d+)?(_mpi)?(_mp)?\.so')


@lru_cache(maxsize=None)
def _compiler(name: str) -> str:
    """The compiler that one of Cray's libraries is for, by its name; empty where it is none of them."""
    match = _COMPILER.match(name)
    return match.group(1) if match else ''


def _names(installation: InstallationFacts, path: str) -> Dict[str, str]:
    """What a process loads for a file, itself included: paths (names where they are not found) by file name."""
    return {os.path.basename(path): path,
            **{entry.name: entry.path or entry.name for entry in installation.loader.closure(path)}}


@rule('library-twice')
def library_twice(installation: InstallationFacts) -> Iterator[Problem]:
    """No process loads two builds of one library: serial and parallel, of two compilers, of two versions."""
    def twice(path: str) -> Dict[str, List[str]]:
        found: Dict[str, Dict[str, str]] = {}
        for name, place in _names(installation, path).items():
            family = policy.family(os.path.basename(name))
            if family:
                found.setdefault(family, {})[os.path.realpath(place) if '/' in place else place] = place
        return {family: sorted(places.values()) for family, places in found.items() if len(places) > 1}

    for elf in installation.where_it_begins(lambda path: bool(twice(path))):
        for family, places in twice(elf.path).items():
            brought = ', '.join(place + installation.by(elf, place) for place in places)
            yield Problem(elf.path, f'two {family} libraries in one process: {brought}',
                          'build it and its dependencies with the same module (all with the parallel one, or all '
                          'with the serial one), with one compiler, and with one release of the Cray PE')


@rule('compilers-mixed')
def compilers_mixed(installation: InstallationFacts) -> Iterator[Problem]:
    """No process loads Cray's libraries for two compilers."""
    def compilers(path: str) -> Dict[str, str]:
        found: Dict[str, str] = {}
        mpi: Dict[str, str] = {}
        for name in _names(installation, path):
            compiler = _compiler(name)
            if compiler:
                (mpi if kind_of(name) == 'mpi' else found).setdefault(compiler, name)
        # two MPI libraries are told by a rule of their own
        return {**mpi, **found} if len(mpi) < 2 else found

    for elf in installation.where_it_begins(lambda path: len(compilers(path)) > 1):
        yield Problem(elf.path, 'Cray\'s libraries for two compilers in one process: '
                                + ', '.join(sorted(compilers(elf.path).values())),
                      'build it and all its dependencies with one compiler (one PrgEnv, one cpe* toolchain)')


@rule('libsci-mixed')
def libsci_mixed(installation: InstallationFacts) -> Iterator[Problem]:
    """No process loads LibSci for several threads and the one for one thread: which is called, is left to chance."""
    def both(path: str) -> List[str]:
        found = [name for name in _names(installation, path) if kind_of(name) == 'libsci']
        threaded = {'_mp.so' in name for name in found}
        return sorted(found) if len(threaded) > 1 else []

    for elf in installation.where_it_begins(lambda path: bool(both(path))):
        yield Problem(elf.path, f'LibSci with threads and without in one process: {", ".join(both(elf.path))}',
                      'build all of them with OpenMP, or none (toolchainopts: openmp)')


@rule('links-missing')
def links_missing(installation: InstallationFacts) -> Iterator[Problem]:
    """What a package has to be linked with (its data say it) is linked."""
    for path, names, entry in _stated(installation):
        wanted = entry.get('libraries', ())
        if wanted and not _of(names, wanted):
            yield Problem(path, f'does not load {" or ".join(wanted)}: {entry["reason"]}',
                          'the build has not found the library and went on without it, or the recipe switches it '
                          'off: look for it in the log of configure; a recipe that means it is installed with '
                          'LUMI_HOOKS_VERIFY=warn')


@rule('links-unwanted')
def links_unwanted(installation: InstallationFacts) -> Iterator[Problem]:
    """What a package must not be linked with (its data say it) is not linked."""
    for path, names, entry in _stated(installation):
        found = _of(names, entry.get('without', ()))
        if found:
            yield Problem(path, f'loads {", ".join(found)}: {entry["reason"]}',
                          'see which module brings it (lumi-eb explain), and which option of the build takes it; a '
                          'recipe that means it is installed with LUMI_HOOKS_VERIFY=warn')


def _stated(installation: InstallationFacts) -> Iterator[Tuple[str, Dict[str, str], Mapping]]:
    """The files that a package's data say something of: path, the names of what is loaded for it, what is said."""
    variant = os.path.basename(os.path.realpath(installation.locations.root))
    for entry in policy.links(installation.software):
        if 'unless' in entry and re.search(entry['unless'], variant):
            continue
        for elf in installation.binaries():
            file = os.path.relpath(elf.path, installation.locations.root)
            if any(fnmatch.fnmatch(file, pattern) for pattern in entry['files']):
                yield elf.path, _names(installation, elf.path), entry


def _of(names: Iterable[str], patterns: Iterable[str]) -> List[str]:
    return sorted(name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in patterns))
