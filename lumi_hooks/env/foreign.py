# SPDX-License-Identifier: GPL-2.0-only
"""
Wheels that bring or want an MPI, told by their ELF files: what these need (DT_NEEDED), and which libraries they are.

Names: libmpi.so.12 is MPICH's interface (https://www.mpich.org/abi/), libmpi.so.40 Open MPI's, libmpi_abi.so.1 that of
MPI 5.0's standard, of which nothing is known from HPE.
"""
import os
import re
import shutil
import tempfile
import zipfile
from typing import Iterator, NamedTuple, Set, Tuple

from ..verify import policy
from ..verify.elf import Elf, NotReadable, read_elf

# runs over Cray MPICH's library for that interface (module cray-mpich-abi)
ABI = 'abi'
_MPICH, _OPEN, _STANDARD = 'libmpi.so.12', 'libmpi.so.40', 'libmpi_abi.so.1'
_KNOWN = {_OPEN: 'Open MPI', _STANDARD: "the MPI standard's own interface"}
# a file of a wheel is not larger than this, unpacked
_MOST = 4 << 30
# auditwheel renames what it copies: libmpi-1a2b3c4d.so.12.0.5
_RENAMED = re.compile(r'-[0-9a-f]{8}(?=[.]so)')


class Verdict(NamedTuple):
    """Does a wheel use MPI: '' for no, ABI; or why it can't be used as it is."""
    mpi: str = ''
    refused: str = ''


def judge(path: str) -> Verdict:
    """
    What a wheel has to do with MPI.

    :raises OSError: it can't be read
    :raises zipfile.BadZipFile: it is no wheel
    """
    brings: Set[str] = set()
    wants: Set[str] = set()
    for name, elf in _files(path):
        own = _RENAMED.sub('', os.path.basename(name)), _RENAMED.sub('', elf.soname)
        brings.update(one for one in own if policy.kind_of(one) in ('mpi', 'libfabric'))
        wants.update(_RENAMED.sub('', one) for one in elf.needed if policy.kind_of(one) == 'mpi')
    own_mpi = sorted(one for one in brings if policy.kind_of(one) == 'mpi')
    if brings:
        what = f'an MPI of its own ({own_mpi[0]})' if own_mpi else sorted(brings)[0]
        return Verdict(refused=f'it brings {what}, which does not know the Slingshot network')
    # a package may hold a variant for each MPI, and load the one that is there
    if _MPICH in wants:
        return Verdict(mpi=ABI)
    if wants:
        one = sorted(wants)[0]
        return Verdict(refused=f'it wants {_KNOWN.get(one, "another MPI")} ({one}), and Cray MPICH has {_MPICH} alone')
    return Verdict()


def _files(path: str) -> Iterator[Tuple[str, Elf]]:
    """The programs and libraries in a wheel; each is unpacked by itself, as it is read from a file."""
    with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory(prefix='lumi-hooks-wheel-') as folder:
        place = os.path.join(folder, 'file')
        for entry in archive.infolist():
            if entry.is_dir() or entry.file_size > _MOST:
                continue
            with archive.open(entry) as stream:
                magic = stream.read(4)
                if magic != b'\x7fELF':
                    continue
                with open(place, 'wb') as copy:
                    copy.write(magic)
                    shutil.copyfileobj(stream, copy, 1 << 20)
            try:
                elf = read_elf(place, policy.processors())
            except NotReadable:
                continue
            if elf:
                yield entry.filename, elf
