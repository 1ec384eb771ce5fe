# SPDX-License-Identifier: GPL-2.0-only
"""Rules about GPU code: for which GPUs it is, and whether MPI can reach it."""
import os
import re
from typing import Dict, Iterator, List

from ...extras import packages_remedy
from ...releases import load_machine
from ..elf import ARCHIVE, GPU, LIBRARY, OBJECT, PROGRAM, Elf
from ..policy import kind_of
from .base import InstallationFacts, Problem, rule


def processor(target: str) -> str:
    """The GPU of a target ID: gfx90a of gfx90a:sramecc+:xnack-."""
    return target.partition(':')[0]


def features(target: str) -> Dict[str, str]:
    """The features that a target ID fixes: {xnack: '+'} of gfx90a:xnack+."""
    return {part[:-1]: part[-1] for part in target.split(':')[1:]}


@rule('gpu-target-missing')
def gpu_target_missing(installation: InstallationFacts) -> Iterator[Problem]:
    """GPU code in a file includes code for the machine's GPU."""
    home = installation.gpu_targets[0]
    for elf in installation.scan.elf.values():
        if elf.gpu and elf.kind != GPU and home not in map(processor, elf.gpu):
            yield Problem(elf.path, f'holds code for {", ".join(elf.gpu)}, none for {home}', _flags(home))


@rule('gpu-foreign')
def gpu_foreign(installation: InstallationFacts) -> Iterator[Problem]:
    """No code for other GPUs than those asked for."""
    for elf in installation.scan.elf.values():
        others = sorted(target for target in elf.gpu if processor(target) not in installation.gpu_targets)
        if others:
            yield Problem(elf.path, f'holds code for {", ".join(others)}',
                          f'{_flags(installation.gpu_targets[0])}; --gpu-target asks for more than one')


@rule('gpu-features')
def gpu_features(installation: InstallationFacts) -> Iterator[Problem]:
    """Code for the machine's GPU has target features in the state that the GPU has them in."""
    home, settable = installation.gpu_targets[0], load_machine()['gpu_features']['settable']
    for elf in installation.scan.elf.values():
        ours = [target for target in elf.gpu if processor(target) == home]
        wrong = [target for target in ours if _differs(target, installation)]
        if ours and len(wrong) == len(ours):
            names = sorted({name for target in wrong for name in _differs(target, installation)})
            way = ' or '.join(f'run with {settable[name]}' for name in names if name in settable)
            state = ':'.join((home, *(f'{name}{value}' for name, value in installation.features.items())))
            yield Problem(elf.path, f'holds code for {", ".join(wrong)} only; the GPUs are {state}',
                          f'compile for {home} without a feature' + (f', or {way}' if way else ''))


def _differs(target: str, installation: InstallationFacts) -> List[str]:
    return [name for name, state in features(target).items() if installation.features.get(name, state) != state]


@rule('gpu-code-missing')
def gpu_code_missing(installation: InstallationFacts) -> Iterator[Problem]:
    """An installation that is named -rocm has a GPU part."""
    name = os.path.basename(installation.locations.root)
    built = any(elf.kind in (PROGRAM, LIBRARY, ARCHIVE) for elf in installation.scan.elf.values())
    if re.search(r'-rocm\b', name) and built and not _has_code(installation) and not _calls_hip(installation):
        yield Problem(installation.locations.root, 'no file holds GPU code or calls HIP',
                      'look into the log for why the GPU part was not built (configure: HIP, ROCm), or drop the '
                      'suffix -rocm')


@rule('gpu-code-none')
def gpu_code_none(installation: InstallationFacts) -> Iterator[Problem]:
    """An installation that calls HIP has kernels for the machine's GPU."""
    callers = _calls_hip(installation)
    if callers and not _has_code(installation):
        yield Problem(callers[0].path, 'calls HIP, and no file of the installation holds GPU code',
                      'nothing, if the package only calls libraries such as rocBLAS; else look into the log for '
                      'kernels that were not compiled')


@rule('gpu-unknown')
def gpu_unknown(installation: InstallationFacts) -> Iterator[Problem]:
    """GPU code can be read."""
    for elf in installation.scan.elf.values():
        if elf.unknown_gpu:
            more = f'; or {packages_remedy("zstandard")}' if 'zstandard' in elf.unknown_gpu else ''
            yield Problem(elf.path, elf.unknown_gpu, f'look with llvm-objdump --offloading{more}')


@rule('gtl-missing')
def gtl_missing(installation: InstallationFacts) -> Iterator[Problem]:
    """A program in which MPI and GPU code meet has GTL."""
    for elf in _where_they_meet(installation):
        if elf.kind == PROGRAM:
            yield Problem(elf.path, 'MPI and GPU code without GTL (libmpi_gtl_hsa)', _GTL)


@rule('gtl-missing-library')
def gtl_missing_library(installation: InstallationFacts) -> Iterator[Problem]:
    """A library in which MPI and GPU code meet has GTL."""
    for elf in _where_they_meet(installation):
        if elf.kind != PROGRAM:
            yield Problem(elf.path, 'MPI and GPU code without GTL (libmpi_gtl_hsa)', _GTL)


@rule('gtl-unneeded')
def gtl_unneeded(installation: InstallationFacts) -> Iterator[Problem]:
    """What has no GPU code has no GTL."""
    for elf in installation.binaries():
        named = [name for name in elf.needed if kind_of(name) == 'gtl']
        if named and not _uses_gpu(installation, elf):
            yield Problem(elf.path, f'{named[0]} without GPU code',
                          'build with the module craype-accel-host, or without rocm (on partition G: nothing, if it '
                          'is to serve programs with GPU buffers)')


_GTL = 'link with cc, CC or ftn while craype-accel-amd-gfx90a and rocm are loaded, or add ' \
       '${PE_MPICH_GTL_DIR_amd_gfx90a} ${PE_MPICH_GTL_LIBS_amd_gfx90a} to the linker\'s flags'


def _flags(home: str) -> str:
    return f'name the GPU: --offload-arch={home}, -DCMAKE_HIP_ARCHITECTURES={home}, -DGPU_TARGETS={home}, ' \
           f'-DAMDGPU_TARGETS={home}'


def _has_code(installation: InstallationFacts) -> bool:
    return any(elf.gpu or elf.unknown_gpu for elf in installation.scan.elf.values() if elf.kind != OBJECT)


def _calls_hip(installation: InstallationFacts) -> List[Elf]:
    return [elf for elf in installation.scan.elf.values() if elf.hip or any(kind_of(name) == 'hip'
                                                                            for name in elf.needed)]


def _parts(installation: InstallationFacts, elf: Elf) -> Iterator[Elf]:
    """The file and what a process loads for it, without what the system brings."""
    yield elf
    for entry in installation.closure(elf):
        facts = installation.loader.read(entry.path) if entry.path else None
        if entry.path and facts and not installation.locations.is_system(entry.path):
            yield facts


def _uses_gpu(installation: InstallationFacts, elf: Elf) -> bool:
    return any(part.gpu or part.unknown_gpu or any(kind_of(name) == 'hip' for name in part.needed)
               for part in _parts(installation, elf))


def _uses_mpi(installation: InstallationFacts, elf: Elf) -> bool:
    return any(kind_of(name) == 'mpi' for part in _parts(installation, elf) for name in part.needed)


def _where_they_meet(installation: InstallationFacts) -> Iterator[Elf]:
    """Files whose process has MPI and GPU code, but no GTL; of a chain of libraries the first, and every program."""
    def meets(elf: Elf) -> bool:
        # the first two are quick, and no for most files
        return (bool(installation.loads(elf.path, 'mpi')) and not installation.loads(elf.path, 'gtl')
                and _uses_mpi(installation, elf) and _uses_gpu(installation, elf))

    for elf in installation.binaries():
        own = [installation.loader.read(path) for path in installation.own_libraries(elf)]
        if meets(elf) and (elf.kind == PROGRAM or not any(part and meets(part) for part in own)):
            yield elf
