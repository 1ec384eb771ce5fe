# SPDX-License-Identifier: GPL-2.0-only
"""
The facts of one ELF file: what it needs, where it looks for it, which GPU code is in it.

pyelftools reads the header and names the constants. The tables that the header points to are decoded here in one step
each, because an object for every section and every tag costs ten times as much, and its ELFFile builds its parsers
anew for every file: an installation may have 10,000.
"""
import io
import mmap
import os
import re
import struct
from typing import Any, BinaryIO, Dict, List, Mapping, NamedTuple, Optional, Set, Tuple, Union, cast

from elftools.common.exceptions import ELFError
from elftools.common.utils import struct_parse
from elftools.elf.elffile import ELFFile
from elftools.elf.enums import ENUM_D_TAG, ENUM_P_TYPE_BASE
from elftools.elf.structs import ELFStructs

from ..files import open_regular
from . import archive, fatbin

MAGIC = b'\x7fELF'
PROGRAM, LIBRARY, OBJECT, GPU, ARCHIVE = 'program', 'library', 'object', 'gpu', 'archive'
_TAG = {number: name for name, number in ENUM_D_TAG.items()
        if name in ('DT_NEEDED', 'DT_SONAME', 'DT_RPATH', 'DT_RUNPATH', 'DT_STRTAB', 'DT_FLAGS_1')}
_LOAD, _DYNAMIC, _INTERP, _NOTE = (ENUM_P_TYPE_BASE[f'PT_{name}'] for name in ('LOAD', 'DYNAMIC', 'INTERP', 'NOTE'))
_DF_1_PIE = 0x08000000
_STRUCTS = ELFStructs(little_endian=True, elfclass=64)
_STRUCTS.create_basic_structs()
# sections that hold GPU code: HIP's fat binaries; tables of OpenMP offloading; NVIDIA's fat binaries
HIP_SECTIONS = (b'.hip_fatbin',)
OFFLOAD_SECTIONS = (b'omp_offloading_entries', b'llvm_offload_entries', b'.llvm.offloading')
CUDA_SECTIONS = (b'.nv_fatbin', b'.nvFatBinSegment', b'__nv_relfatbin')
# what an object file calls of HIP, and of the libraries on top of it, by the names in its table of strings
_HIP_STARTS = (b'\0hip', b'\0__hip', b'\0roc')
_HIP_CALL = re.compile(rb'\0(?:(?:__)?hip(?:blas|fft|sparse|solver|rand)?[A-Z]'
                       rb'|roc(?:blas|fft|sparse|solver|rand)_)\w*\0')


class NotReadable(Exception):
    """A file that begins like an ELF file and can't be read as one; the message says why."""


class Elf(NamedTuple):
    """
    Facts of an ELF file, or of the object files in a static library. `path` is where it was found; a file of another
    machine has no more than its machine.
    """
    path: str
    machine: str
    kind: str
    soname: str = ''
    needed: Tuple[str, ...] = ()
    rpath: Tuple[str, ...] = ()
    runpath: Tuple[str, ...] = ()
    gpu: Tuple[str, ...] = ()
    cuda: bool = False
    # why GPU code that is there can't be told
    unknown_gpu: str = ''
    # does a static library call HIP? It names no library that would tell
    hip: bool = False


def read_elf(path: str, processors: Mapping[int, str]) -> Optional[Elf]:
    """
    Facts of a file; None where it is neither an ELF file, a static library nor a bundle of GPU code, which costs one
    read of a few bytes.

    :param processors: EF_AMDGPU_MACH -> gfx name
    :raises OSError: it can't be opened or read, or is no regular file (a FIFO would be waited for)
    :raises NotReadable: it begins like an ELF file and is none
    """
    handle = open_regular(path)
    try:
        magic = os.read(handle, 8)
        if magic != archive.MAGIC and magic[:4] not in (MAGIC, fatbin.BUNDLE[:4], fatbin.COMPRESSED):
            return None
        with mmap.mmap(handle, 0, access=mmap.ACCESS_READ) as data:
            if magic != archive.MAGIC and magic[:4] != MAGIC:
                return _bundle(path, data)
            try:
                return (_archive if magic == archive.MAGIC else _elf)(path, data, processors)
            except (ELFError, struct.error, ValueError, KeyError, IndexError, OverflowError, AssertionError) as err:
                what = 'static library' if magic == archive.MAGIC else 'ELF file'
                raise NotReadable(f'not a sound {what} ({type(err).__name__}: {err})') from err
    finally:
        os.close(handle)


def _bundle(path: str, data: mmap.mmap) -> Optional[Elf]:
    """A file that is nothing but a bundle of GPU code, as rocBLAS and others load them at run time."""
    if data[:len(fatbin.BUNDLE)] != fatbin.BUNDLE and data[:4] != fatbin.COMPRESSED:
        return None
    try:
        return Elf(path, 'EM_AMDGPU', GPU, gpu=tuple(sorted(fatbin.bundle_targets(data, 0, len(data)))))
    except fatbin.BundleError as err:
        return Elf(path, 'EM_AMDGPU', GPU, unknown_gpu=str(err))


def _elf(path: str, data: mmap.mmap, processors: Mapping[int, str]) -> Elf:
    stream = cast(BinaryIO, data)
    if data[4:6] != b'\2\1':  # not 64 bit, little endian: of another machine
        return Elf(path, str(ELFFile(stream)['e_machine']), OBJECT)
    head = struct_parse(_STRUCTS.Elf_Ehdr, stream, 0)
    machine, kind = str(head['e_machine']), head['e_type']
    segments = _table(data, head['e_phoff'], head['e_phentsize'], head['e_phnum'], '<IIQQQQQQ')
    if machine == 'EM_AMDGPU':
        notes = b''.join(data[offset:offset + size] for kind_, _, offset, _, _, size, _, _ in segments
                         if kind_ == _NOTE)
        target = fatbin.code_object_target(head['e_flags'], notes, processors)
        return Elf(path, machine, GPU, gpu=(target,) if target else (),
                   unknown_gpu='' if target else f'code for an unknown GPU (flags {head["e_flags"]:#x})')
    sections = _sections(data, head)
    gpu, unknown = _gpu(data, sections, processors)
    cuda = any(name in CUDA_SECTIONS for name, _, _ in sections)
    if kind == 'ET_REL' or machine != 'EM_X86_64':
        return Elf(path, machine, OBJECT, gpu=gpu, cuda=cuda, unknown_gpu=unknown)
    found = _dynamic(data, segments)
    soname = found['DT_SONAME'][0] if found['DT_SONAME'] else ''
    interpreted = any(segment[0] == _INTERP for segment in segments)
    pie = any(flags & _DF_1_PIE for flags in found['DT_FLAGS_1'])
    program = kind == 'ET_EXEC' or pie or (interpreted and not soname)
    return Elf(path, machine, PROGRAM if program else LIBRARY, soname, tuple(found['DT_NEEDED']),
               _folders(found['DT_RPATH']), _folders(found['DT_RUNPATH']), gpu, cuda, unknown)


def _archive(path: str, data: mmap.mmap, processors: Mapping[int, str]) -> Elf:
    """What the object files of a static library hold for GPUs; most hold nothing, which one search tells."""
    targets: Set[str] = set()
    unknown, cuda = '', False
    names = [name for name in (*HIP_SECTIONS, *OFFLOAD_SECTIONS, *CUDA_SECTIONS, fatbin.BUNDLE) if data.find(name) >= 0]
    for member in archive.members(data):
        if member[:6] != MAGIC + b'\2\1' or not any(name in member for name in names):
            continue
        head = struct_parse(_STRUCTS.Elf_Ehdr, io.BytesIO(member), 0)
        sections = _sections(member, head)
        found, why = _gpu(member, sections, processors)
        targets.update(found)
        unknown = unknown or why
        cuda = cuda or any(name in CUDA_SECTIONS for name, _, _ in sections)
    return Elf(path, 'EM_X86_64', ARCHIVE, gpu=tuple(sorted(targets)), cuda=cuda, unknown_gpu=unknown,
               hip=any(_calls_hip(data, start) for start in _HIP_STARTS))


def _calls_hip(data: mmap.mmap, start: bytes) -> bool:
    """Is there a name that begins so, and is one of HIP's or of the libraries on top of it?"""
    position = data.find(start)
    while position >= 0:
        if _HIP_CALL.match(data, position):
            return True
        position = data.find(start, position + 1)
    return False


def _folders(values: List[str]) -> Tuple[str, ...]:
    return tuple(folder for value in values for folder in value.split(':'))


def _table(data: Union[mmap.mmap, bytes], offset: int, size: int, count: int, form: str) -> List[tuple]:
    """A table of the file: `count` records of `size` bytes."""
    wanted = struct.calcsize(form)
    if not count:
        return []
    if size < wanted or offset + size * count > len(data):
        raise ValueError('a table lies outside of the file')
    if size == wanted:
        return list(struct.iter_unpack(form, data[offset:offset + size * count]))
    return [struct.unpack_from(form, data, offset + size * number) for number in range(count)]


def _sections(data: Union[mmap.mmap, bytes], head: Mapping[str, Any]) -> List[Tuple[bytes, int, int]]:
    """Name, offset and size of the sections that rules look at; none where a file was stripped of its sections."""
    table = _table(data, head['e_shoff'], head['e_shentsize'], head['e_shnum'], '<IIQQQQIIQQ')
    if not table or head['e_shstrndx'] >= len(table):
        return []
    start, size = table[head['e_shstrndx']][4:6]
    names = data[start:start + size]
    found: List[Tuple[bytes, int, int]] = []
    for wanted in (*HIP_SECTIONS, *OFFLOAD_SECTIONS, *CUDA_SECTIONS):
        if wanted in names:
            found.extend((wanted, row[4], row[5]) for row in table
                         if names[row[0]:row[0] + len(wanted) + 1] == wanted + b'\0')
    # relocatable device code (-fgpu-rdc): a section for each target, which is a part of its name
    if fatbin.BUNDLE in names:
        found.extend((names[row[0]:names.find(b'\0', row[0])], row[4], row[5]) for row in table
                     if names[row[0]:row[0] + len(fatbin.BUNDLE)] == fatbin.BUNDLE)
    return found


def _gpu(data: Union[mmap.mmap, bytes], sections: List[Tuple[bytes, int, int]],
         processors: Mapping[int, str]) -> Tuple[Tuple[str, ...], str]:
    """Targets of the GPU code in a host file, and why they can't be told where that is so."""
    found: Set[str] = set()
    unknown = ''
    for name, offset, size in sections:
        try:
            if name in HIP_SECTIONS:
                found.update(fatbin.bundle_targets(data, offset, offset + size))
            elif name in OFFLOAD_SECTIONS:
                found.update(fatbin.embedded_targets(data, processors))
            elif name.startswith(fatbin.BUNDLE):
                found.update(fatbin.entry_target(name))
        except fatbin.BundleError as err:
            unknown = str(err)
    return tuple(sorted(found)), unknown


def _dynamic(data: mmap.mmap, segments: List[tuple]) -> Dict[str, List[Any]]:
    """Values of the tags of the dynamic segment that matter, strings looked up."""
    found: Dict[str, List[Any]] = {name: [] for name in _TAG.values()}
    place = next((segment for segment in segments if segment[0] == _DYNAMIC), None)
    if place is None:
        return found
    offset, size = place[2], place[5] - place[5] % 16
    if offset + size > len(data):
        raise ValueError('the dynamic segment lies outside of the file')
    for tag, value in struct.iter_unpack('<QQ', data[offset:offset + size]):
        if tag == 0:
            break
        name = _TAG.get(tag)
        if name:
            found[name].append(value)
    if not found['DT_STRTAB']:
        return found
    address = found['DT_STRTAB'][0]
    load = next((segment for segment in segments
                 if segment[0] == _LOAD and segment[3] <= address < segment[3] + segment[5]), None)
    if load is None:
        raise ValueError('the table of strings lies in no segment')
    start = address - load[3] + load[2]
    for name in ('DT_NEEDED', 'DT_SONAME', 'DT_RPATH', 'DT_RUNPATH'):
        found[name][:] = [_string(data, start + value) for value in found[name]]
    return found


def _string(data: mmap.mmap, start: int) -> str:
    end = data.find(b'\0', start)
    if not 0 < start < len(data) or end < 0 or end - start > 1 << 20:
        raise ValueError('a string lies outside of the file')
    return data[start:end].decode('utf-8', 'surrogateescape')
