# SPDX-License-Identifier: GPL-2.0-only
"""Rules about paths: what is missing at run time, what points into build folders or into the system."""
import os
import shlex
from typing import Dict, Iterator, List, Set, Tuple

from ... import sites
from ..elf import PROGRAM, Elf
from ..loader import Loaded, expand
from .base import InstallationFacts, Problem, rule


@rule('build-path')
def build_path(installation: InstallationFacts) -> Iterator[Problem]:
    """Nothing points into the folder of the build, or where everything is temporary."""
    locations = installation.locations
    for elf in installation.binaries():
        for folder in _run_path(elf):
            if locations.is_build(folder):
                yield Problem(elf.path, f'looks for libraries in the build folder {folder} ({_which(elf)})',
                              _without(installation, elf))
        for entry in installation.loader.direct(elf.path):
            if entry.path and locations.is_build(entry.path):
                yield Problem(elf.path, f'loads {entry.path}, which lies in a build folder',
                              'install that library too, and link what is installed; if the folder is not a build '
                              'folder but holds installed software, name it with --prefix')
            elif not entry.path and '/' in entry.name and locations.is_build(entry.name):
                yield Problem(elf.path, f'names the library {entry.name}, in a build folder',
                              f'give the library a SONAME (-Wl,-soname), or: patchelf --replace-needed {entry.name} '
                              f'{os.path.basename(entry.name)} {shlex.quote(elf.path)}')
    for link, target in installation.scan.links.items():
        path = os.path.join(os.path.dirname(link), target)
        if '.so' in os.path.basename(target) and locations.is_build(path):
            yield Problem(link, f'links to {target}, in a build folder', 'copy the library instead of linking to it')


@rule('rpath-system')
def rpath_system(installation: InstallationFacts) -> Iterator[Problem]:
    """No run path into the Cray PE or ROCm."""
    locations = installation.locations
    for elf in installation.binaries():
        found = [folder for folder in _run_path(elf) if locations.in_cray(folder) or locations.in_rocm(folder)]
        if found:
            yield Problem(elf.path, f'{_which(elf)} into the system: {":".join(found)}', _without(installation, elf))


@rule('missing')
def missing(installation: InstallationFacts) -> Iterator[Problem]:
    """Every library is found at run time, under the machine's rules."""
    for elf, lost in _lost(installation):
        for entry in lost:
            lies = installation.lies_at(entry.name, elf.path)
            if not lies or elf.kind == PROGRAM:
                by = '' if entry.asked_by == elf.path else f', which {entry.asked_by} needs'
                place = f' (it lies in {os.path.dirname(lies)}, where the loader does not look)' if lies else ''
                yield Problem(elf.path, f'{entry.name} is not found{by}{place}', _how_to_find(installation, entry.name))


@rule('off-path')
def off_path(installation: InstallationFacts) -> Iterator[Problem]:
    """Libraries of the installation lie where the loader looks."""
    for elf, lost in _lost(installation):
        for entry in lost:
            lies = installation.lies_at(entry.name, elf.path)
            if lies and elf.kind != PROGRAM:
                yield Problem(elf.path, f'{entry.name} lies in {os.path.dirname(lies)}, where the loader does not look',
                              'nothing, if the program that uses the file loads it first; otherwise add the '
                              'folder to LD_LIBRARY_PATH (modextrapaths), or a run path relative to $ORIGIN')


@rule('unreadable')
def unreadable(installation: InstallationFacts) -> Iterator[Problem]:
    """Every file can be read."""
    for path, why in sorted(installation.scan.unreadable.items()):
        yield Problem(path, why, 'fix its permissions, or reinstall it; test data that are broken on purpose may stay')


def _run_path(elf: Elf) -> Tuple[str, ...]:
    return expand(elf.runpath or elf.rpath, elf.path)


def _which(elf: Elf) -> str:
    return 'RUNPATH' if elf.runpath else 'RPATH'


def _without(installation: InstallationFacts, elf: Elf) -> str:
    """What to do about folders of a run path: what eb does by itself, or what to type for what is there."""
    locations = installation.locations
    kept = [folder for folder in elf.runpath or elf.rpath for full in expand([folder], elf.path)
            if not (locations.is_build(full) or locations.in_cray(full) or locations.in_rocm(full))]
    command = f'--set-rpath {shlex.quote(":".join(kept))}' if kept else '--remove-rpath'
    return 'install it again, eb takes such folders out of run paths; or by hand: ' \
           f'patchelf {command} {shlex.quote(elf.path)}'


def _lost(installation: InstallationFacts) -> Iterator[Tuple[Elf, List[Loaded]]]:
    """
    Files and what is not found for them. What a library of the installation lacks is told of that library alone, and
    not at all where the installation's own programs that load it have it: by their run paths, or loaded before.
    """
    in_programs = _found_in_programs(installation)

    def names(path: str) -> Dict[str, Loaded]:
        there = in_programs.get(os.path.realpath(path), ())
        return {entry.name: entry for entry in installation.loader.closure(path)
                if not entry.path and entry.name not in there}

    for elf in installation.binaries():
        lost = names(elf.path)
        if lost:
            told = {name for path in installation.own_libraries(elf) for name in names(path)}
            direct = {entry.name for entry in lost.values() if entry.asked_by == elf.path}
            yield elf, [entry for name, entry in lost.items() if name not in told or name in direct]


def _found_in_programs(installation: InstallationFacts) -> Dict[str, Set[str]]:
    """Names that are found in the processes of the installation's programs, by the own libraries that they load."""
    found: Dict[str, Set[str]] = {}
    for elf in installation.binaries():
        if elf.kind == PROGRAM:
            closure = installation.closure(elf)
            names = {entry.name for entry in closure if entry.path}
            for entry in closure:
                if entry.path and installation.locations.is_own(entry.path):
                    found.setdefault(os.path.realpath(entry.path), set()).update(names)
    return found


def _how_to_find(installation: InstallationFacts, name: str) -> str:
    if name.startswith(('libmpi', 'libsci', 'libhdf5', 'libnetcdf', 'libpnetcdf', 'libfftw3')):
        return 'the library is Cray\'s: link with cc, CC or ftn. At run time it has to be ' \
               f'in {installation.locations.cray}/pe/lib64; a version that only its module has is found ' \
               f'{sites.said("loader")}'
    return 'add the package that has it as a dependency, so that its module sets LD_LIBRARY_PATH; verify with its ' \
           'modules loaded (lumi-eb verify NAME/VERSION does that), or name its folder with --library-path'
