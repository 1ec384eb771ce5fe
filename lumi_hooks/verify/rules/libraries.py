# SPDX-License-Identifier: GPL-2.0-only
"""Rules about which libraries meet in a process: MPI, libfabric, OpenMP, BLAS, CUDA."""
import os
import re
from typing import Iterator, List

from ... import sites
from ..policy import kind_of
from .base import InstallationFacts, Problem, rule

_COMPILERS = 'gnu|cray|aocc|amd|intel|nvidia'
# Cray's names of MPI libraries, and those of them that hold MPI itself rather than a language's interface to it
_CRAY = re.compile(rf'libmpi(fort|cxx)?_({_COMPILERS})')
_CORE = re.compile(rf'libmpi(_({_COMPILERS})(_\d+)?)?\.so')


def _foreign(installation: InstallationFacts, kind: str) -> Iterator[tuple]:
    """File and library, where a library of a kind that Cray brings is somebody else's."""
    def strangers(path: str) -> List[str]:
        return sorted(library for library in installation.loads(path, kind) if _is_foreign(installation, library))

    for elf in installation.where_it_begins(lambda path: bool(strangers(path))):
        yield elf, strangers(elf.path)
    for elf in installation.binaries():
        if kind_of(elf.soname or os.path.basename(elf.path)) == kind and not installation.locations.in_cray(elf.path):
            yield elf, []


def _is_foreign(installation: InstallationFacts, library: str) -> bool:
    if '/' in library:
        return not installation.locations.in_cray(library)
    # nowhere to be found: Cray's names tell that it would be Cray's; the rule `missing` speaks of those
    return kind_of(library) == 'mpi' and not _CRAY.match(library)


@rule('mpi-foreign')
def mpi_foreign(installation: InstallationFacts) -> Iterator[Problem]:
    """MPI is Cray's and nothing else's."""
    for elf, libraries in _foreign(installation, 'mpi'):
        if libraries:
            yield Problem(elf.path, f'MPI that is not Cray\'s: {_list(installation, elf, libraries)}',
                          'build with the wrappers cc, CC and ftn (or MPICC=cc …), and with dependencies that were '
                          'built that way; load no module of another MPI')
        else:
            yield Problem(elf.path, f'the installation brings an MPI library of its own ({elf.soname or "no SONAME"})',
                          'build without the bundled MPI, against cray-mpich')


@rule('mpi-mixed')
def mpi_mixed(installation: InstallationFacts) -> Iterator[Problem]:
    """No process loads two MPIs: another one beside Cray MPICH, or that of two compilers or two releases."""
    def copies(path: str) -> List[str]:
        return sorted({os.path.realpath(library) for library in installation.loads(path, 'mpi')
                       if _CORE.match(os.path.basename(library)) and '/' in library})

    for elf in installation.where_it_begins(lambda path: len(copies(path)) > 1):
        yield Problem(elf.path, f'two MPI libraries in one process: {", ".join(copies(elf.path))}',
                      'build it and its dependencies with one MPI: one compiler (one PrgEnv) and one release of the '
                      'Cray PE, without lib-abi-mpich and without another MPI')


@rule('libfabric-foreign')
def libfabric_foreign(installation: InstallationFacts) -> Iterator[Problem]:
    """libfabric is the system's."""
    mend = f'keep other libfabrics out of the build and out of LD_LIBRARY_PATH; the machine\'s is in ' \
           f'{installation.locations.cray}/libfabric'
    for elf, libraries in _foreign(installation, 'libfabric'):
        if libraries:
            yield Problem(elf.path, f'libfabric that is not the system\'s: {_list(installation, elf, libraries)}', mend)
        else:
            yield Problem(elf.path, 'the installation brings a libfabric of its own', mend)


@rule('openmp-mixed')
def openmp_mixed(installation: InstallationFacts) -> Iterator[Problem]:
    """One OpenMP run time in a process."""
    def runtimes(path: str) -> List[str]:
        found = {os.path.realpath(library) if '/' in library else library: library
                 for library in sorted(installation.loads(path, 'openmp'))}
        return sorted(found.values())

    for elf in installation.where_it_begins(lambda path: len(runtimes(path)) > 1):
        yield Problem(elf.path, f'{len(runtimes(elf.path))} OpenMP run times in one process: '
                                f'{_list(installation, elf, runtimes(elf.path))}',
                      'compile everything in the process with one compiler family, or switch OpenMP off in one part '
                      f'({sites.name()}: OpenMP with HIP only under cpeAMD and cpeCray)')


@rule('blas-foreign')
def blas_foreign(installation: InstallationFacts) -> Iterator[Problem]:
    """No BLAS in addition to LibSci, where LibSci is linked."""
    def others(path: str) -> List[str]:
        if not installation.loads(path, 'libsci'):
            return []
        return sorted(library for library in installation.loads(path, 'blas')
                      if '/' not in library or not installation.locations.in_cray(library))

    for elf in installation.where_it_begins(lambda path: bool(others(path))):
        yield Problem(elf.path, f'BLAS in addition to LibSci: {_list(installation, elf, others(elf.path))}',
                      'let the wrapper link LibSci and name no other BLAS (-DBLA_VENDOR, --with-blas, pkg-config); '
                      'build its dependencies that way too')


@rule('cuda')
def cuda(installation: InstallationFacts) -> Iterator[Problem]:
    """Nothing from CUDA."""
    mend = 'switch CUDA off, or build the HIP or SYCL back end (lumi-eb plan tells which package has one)'
    for elf in installation.scan.elf.values():
        named = sorted(name for name in elf.needed if kind_of(name) == 'cuda')
        if named:
            yield Problem(elf.path, f'needs CUDA: {", ".join(named)}', mend)
        elif elf.cuda:
            yield Problem(elf.path, 'holds code for NVIDIA GPUs (section .nv_fatbin)', mend)
        elif elf.soname and kind_of(elf.soname) == 'cuda':
            yield Problem(elf.path, f'is a library of CUDA ({elf.soname})', mend)


def _list(installation: InstallationFacts, elf, libraries: List[str]) -> str:
    return ', '.join(library + installation.by(elf, library) for library in libraries)
