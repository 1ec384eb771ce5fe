# SPDX-License-Identifier: GPL-2.0-only
"""Rules about what a process holds: the same library twice, Cray's for two compilers, what a package has to link."""
import fnmatch
import os
import re
from functools import lru_cache
from typing import Dict, Iterator, List

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


@rule('links-missing')
def links_missing(installation: InstallationFacts) -> Iterator[Problem]:
    """What a package has to be linked with (its data say it) is linked."""
    for entry in policy.links(installation.software):
        for elf in installation.binaries():
            file = os.path.relpath(elf.path, installation.locations.root)
            if any(fnmatch.fnmatch(file, pattern) for pattern in entry['files']) \
                    and not any(fnmatch.fnmatch(name, pattern) for name in _names(installation, elf.path)
                                for pattern in entry['libraries']):
                yield Problem(elf.path, f'does not load {" or ".join(entry["libraries"])}: {entry["reason"]}',
                              'the build has not found the library and went on without it, or the recipe switches it '
                              'off: look for it in the log of configure; a recipe that means it is installed with '
                              'LUMI_HOOKS_VERIFY=warn')
