# SPDX-License-Identifier: GPL-2.0-only
"""How a program that was not built here runs on a release: what has to be loaded, by which command, or why not."""
import os
import shlex
from functools import lru_cache
from typing import FrozenSet, List, NamedTuple, Tuple

from .. import sites
from ..errors import DataError
from ..releases import Release, library_suffix, load_machine, load_release, load_toolchains, release_names
from ..schemas import checked
from ..versions import version_key
from .tree import FILE, FOLDER, IMAGE, Found
from .wants import AT_RUN_TIME, CRAY, MPICH, NONE, OPENMPI, STANDARD, STATIC, kind_of_library, load_mpi

NATIVELY, ABI, MPIXLATE, NOT = 'natively', 'cray-mpich-abi', 'cray-mpixlate', 'not'
# functions that are shown of those that are missing
_SHOWN = 3
_REBUILD = 'build it here with the wrappers cc, CC and ftn'


class Answer(NamedTuple):
    """How it runs (one of the constants above), the command, and why so."""
    runs: str
    command: str
    reason: str


class Asked(NamedTuple):
    """What is asked about: the release, the partition, what the user named, and of which kind it is (tree.py)."""
    release: Release
    partition: str
    given: str
    kind: str


@lru_cache(maxsize=None)
def functions_of(mpich: str) -> FrozenSet[str]:
    """The functions that a version of MPICH has (mpisymbols.json), those of Fortran in lower case too."""
    names: FrozenSet[str] = frozenset()
    for entry in checked('releases/mpisymbols.json')['versions']:
        names = (names | frozenset(entry['names'])) - frozenset(entry['gone'])
        if entry['mpich'] == mpich:
            return names | {_in_fortran(name, mpich) for name in names} | frozenset(load_mpi()['fortran'])
    raise DataError(f'releases/mpisymbols.json has no MPICH {mpich}')


def _in_fortran(name: str, mpich: str) -> str:
    """What a version of MPICH calls a function in mpi_f08 without its token: large counts had a word of their own."""
    large = load_mpi()['large_counts']
    if name.endswith('_c') and version_key(mpich) < version_key(large['below']):
        return name.lower()[:-2] + large['word']
    return name.lower()


def interface(release: Release) -> Tuple[str, str]:
    """The version of MPICH that a release's Cray MPICH is like, and that of the standard."""
    version = version_key(release.modules['cray-mpich'])
    entry = [one for one in load_mpi()['interfaces'] if version_key(one['from']) <= version][-1]
    return entry['mpich'], entry['mpi']


def missing(found: Found, release: Release) -> List[str]:
    """The functions of MPI that a file asks for and the release's library has not, sorted."""
    known = functions_of(interface(release)[0])
    return sorted(name for name in found.wants.functions if name not in known and name.lower() not in known)


def answer(found: Found, asked: Asked) -> Answer:
    """How one file runs."""
    if found.itself:
        return Answer(NOT, '', 'it is an MPI library itself, and a program here uses that of the release')
    told = {MPICH: _mpich, OPENMPI: _openmpi, STANDARD: _standard, CRAY: _cray, STATIC: _static, NONE: _none,
            AT_RUN_TIME: _at_run_time}[found.wants.interface](found, asked)
    if asked.kind == IMAGE and told.command:
        return told._replace(command='', reason=told.reason + '; in a container the host\'s MPI, libfabric and PMI '
                             'have to be bound first')
    return told


def _none(found: Found, asked: Asked) -> Answer:
    return Answer(NATIVELY, '', 'it uses no MPI' + (f'; what it brings ({", ".join(found.brings)}) knows nothing of '
                                                    'this machine\'s network' if found.brings else ''))


def _static(found: Found, asked: Asked) -> Answer:
    return Answer(NOT, '', 'an MPI library is a part of the program itself and can\'t be exchanged: each process would '
                  f'be alone, or without the network; {_REBUILD}')


def _standard(found: Found, asked: Asked) -> Answer:
    return Answer(NOT, '', f'it wants the MPI standard\'s own ABI ({", ".join(found.wants.libraries)}), which no Cray '
                  f'MPICH is known to have: {_REBUILD}, or take a variant for MPICH\'s ABI (libmpi.so.12)')


def _at_run_time(found: Found, asked: Asked) -> Answer:
    if found.wants.functions:
        return _mpich(found, asked)
    opened = ', '.join(found.wants.libraries)
    return Answer(ABI, command(found, asked), f'it opens {opened} itself when it runs: with {abi(asked.release)} '
                  'loaded that is Cray MPICH under MPICH\'s name, if it is content with what is called libmpi.so.12')


def _cray(found: Found, asked: Asked) -> Answer:
    names = [name for name in found.wants.libraries if kind_of_library(name) == CRAY]
    here = [toolchain for toolchain in load_machine()['partitions'][asked.partition]['toolchains']
            if all(_has(name, asked.release.name, toolchain) for name in names)]
    gone = missing(found, asked.release)
    if here and not gone:
        return Answer(NATIVELY, command(found, asked, here[0]), f'{", ".join(names)}: the release\'s own library')
    others = [name for name in release_names() for toolchain in load_toolchains()['toolchains']
              if all(_has(library, name, toolchain) for library in names)]
    why = f'{asked.release.name} has no {", ".join(names)}' if not here else _lacks(gone, asked.release)
    return Answer(NOT, '', why + (f' ({", ".join(dict.fromkeys(others))} has it)' if others and not here else '')
                  + f': {_REBUILD}')


def _has(library: str, release: str, toolchain: str) -> bool:
    """Is a library called so on a release, for a toolchain?"""
    try:
        suffix = library_suffix('cray-mpich', release, toolchain)
    except DataError:
        return False
    stem = library.partition('.so')[0]
    return bool(suffix) and stem in (f'libmpi_{suffix}', f'libmpifort_{suffix}')


def _openmpi(found: Found, asked: Asked) -> Answer:
    tool = load_mpi()['mpixlate']
    names = found.wants.libraries
    if tool['name'] in asked.release.modules and names and set(names) <= set(tool['libraries']) and not found.forced:
        return Answer(MPIXLATE, command(found, asked), 'it wants Open MPI, whose handles are not Cray MPICH\'s: HPE\'s '
                      f'{asked.release.module(tool["name"])} translates between them (untried), or {_REBUILD}')
    return Answer(NOT, '', f'it wants Open MPI ({", ".join(names) or "by its symbols"}), which Cray MPICH can\'t stand '
                  f'in for: {_REBUILD}, or install an Open MPI over the system\'s libfabric and start it by mpirun')


def _mpich(found: Found, asked: Asked) -> Answer:
    module = load_mpi()['abi_module']
    gone = missing(found, asked.release)
    if gone:
        return Answer(NOT, '', f'{_lacks(gone, asked.release)}: {_newer(found, asked.release)}')
    unknown = [name for name in found.wants.libraries if name not in module['libraries']
               and (name not in module['renames'] or name.startswith('libmpicxx') and found.wants.cxx)]
    if unknown:
        own = [name for name in unknown if any(os.path.basename(path) == name for path in found.brings)]
        return Answer(NOT, '', f'it needs {", ".join(unknown)}, '
                      + ('a copy of MPI that it brings under a name of its own, which nothing here can stand in for'
                         if own else f'which {abi(asked.release)} has not') + f': {_REBUILD}')
    number = len(found.wants.functions)
    reason = f'{abi(asked.release)} is Cray MPICH under the name that it asks for'
    if number:
        reason += f', with all that it calls of MPI ({number} name{"" if number == 1 else "s"})'
    if found.brings:
        reason += f'; by itself it would use {", ".join(found.brings)}'
    return Answer(ABI, command(found, asked), reason)


def _lacks(gone: List[str], release: Release) -> str:
    mpich, mpi = interface(release)
    more = f' and {len(gone) - _SHOWN} more' if len(gone) > _SHOWN else ''
    return f'it calls {", ".join(gone[:_SHOWN])}{more}, which {release.module("cray-mpich")} (MPI {mpi}, like MPICH ' \
           f'{mpich}) has not'


def _newer(found: Found, release: Release) -> str:
    """The releases whose library has all of it, or that it has to be built."""
    others = [name for name in release_names() if not missing(found, load_release(name))]
    return f'it would run on {", ".join(others)}; or {_REBUILD}' if others else _REBUILD


def abi(release: Release) -> str:
    """The module with Cray MPICH under MPICH's names."""
    return release.module(load_mpi()['abi_module']['name'])


def command(found: Found, asked: Asked, toolchain: str = '') -> str:
    """The lines of a shell, in one, that run a file on two ranks."""
    release, kind = asked.release, found.wants.interface
    toolchain = toolchain or load_machine()['default_toolchain']
    steps = [f'module load {sites.said("here", release=release.name, partition=asked.partition)} '
             f'{toolchain}/{release.cpe}']
    before, data = '', load_mpi()
    if kind == OPENMPI:
        steps.append(f'module load {release.module(data["mpixlate"]["name"])}')
        before = data['mpixlate']['command'] + ' '
    elif kind != CRAY:
        steps.append(f'module swap cray-mpich {abi(release)}')
        steps += _links(found)
        if found.forced:  # its DT_RPATH comes before LD_LIBRARY_PATH, but not before what is loaded already
            preload = ':'.join(f'{data["abi_module"]["folder"]}/{name}' for name in data['abi_module']['libraries']
                               if name in found.wants.libraries)
            before = f'env LD_PRELOAD={preload} '
    if found.wants.kind == AT_RUN_TIME and found.wants.variant:
        before = f'env {data["chosen"]["command"].format(abi=kind.replace("-abi", ""))} {before}'
    return ' && '.join([*steps, f'srun -n 2 {before}{_program(found, asked)}'])


def _links(found: Found) -> List[str]:
    """Links for the names that the module has not, in a folder that is searched first."""
    module = load_mpi()['abi_module']
    names = [name for name in found.wants.libraries if name in module['renames']]
    if not names:
        return []
    made = ' && '.join(f'ln -sf {module["folder"]}/{module["renames"][name]} mpi-names/{name}' for name in names)
    return [f'mkdir -p mpi-names && {made}', 'export LD_LIBRARY_PATH=$PWD/mpi-names:$LD_LIBRARY_PATH']


def _program(found: Found, asked: Asked) -> str:
    """What srun starts."""
    path = asked.given if asked.kind == FILE else os.path.join(asked.given, found.file)
    if not found.program:
        return 'python3 SCRIPT' if found.module else 'PROGRAM'
    if asked.kind in (FOLDER, FILE):
        return shlex.quote(path if os.sep in path else './' + path)
    return os.path.basename(found.file)
