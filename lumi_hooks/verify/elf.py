# SPDX-License-Identifier: GPL-2.0-only
"""
The facts of one ELF file: what it needs, where it looks for it, which GPU code is in it.

Layout: https://gabi.xinuos.com (System V ABI), elf(5). Each table is decoded in one step, because an object for every
section and every tag costs ten times as much: an installation may have 10,000 files. A file may claim anything, so
what it claims is measured against the file, and against what no sound file exceeds, before memory is taken for it.
"""
import mmap
import os
import re
import struct
from typing import Dict, List, Mapping, NamedTuple, Optional, Set, Tuple, Union

from ..files import open_regular
from . import archive, fatbin, symbols
from .text import Text, kind_by_name, read_text

MAGIC = b'\x7fELF'
PROGRAM, LIBRARY, OBJECT, GPU, ARCHIVE = 'program', 'library', 'object', 'gpu', 'archive'
# a machine by its number in the header; others are told by the number (EM_4711)
_MACHINES = {0: 'NONE', 2: 'SPARC', 3: '386', 8: 'MIPS', 20: 'PPC', 21: 'PPC64', 22: 'S390', 40: 'ARM', 43: 'SPARCV9',
             50: 'IA_64', 62: 'X86_64', 183: 'AARCH64', 190: 'CUDA', 224: 'AMDGPU', 243: 'RISCV', 247: 'BPF',
             258: 'LOONGARCH'}
_RELOCATABLE, _EXECUTABLE = 1, 2
_LOAD, _DYNAMIC, _INTERP, _NOTE = 1, 2, 3, 4
_NEEDED, _STRTAB, _SONAME, _RPATH, _RUNPATH, _FLAGS_1 = 1, 5, 14, 15, 29, 0x6ffffffb
_DF_1_PIE = 0x08000000
_SEGMENT, _SECTION = '<IIQQQQQQ', '<IIQQQQIIQQ'
# number of sections that does not fit into the header, which the first section then holds
_IN_FIRST = 0xffff
# no sound file has more: sections; bytes of the dynamic segment, of its strings, of notes; of the sections' names;
# sections of GPU code
_MOST_SECTIONS, _MOST_DYNAMIC, _MOST_STRINGS, _MOST_NOTES, _MOST_NAMES, _MOST_CODE, _MOST_COMMENT = (
    1 << 18, 1 << 20, 1 << 22, 1 << 20, 1 << 26, 1 << 10, 1 << 16)
# sections that hold GPU code: HIP's fat binaries; tables of OpenMP offloading; NVIDIA's fat binaries
HIP_SECTIONS = (b'.hip_fatbin',)
OFFLOAD_SECTIONS = (b'omp_offloading_entries', b'llvm_offload_entries', b'.llvm.offloading')
COMMENT_SECTIONS = (b'.comment',)
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
    # the symbols and versions that it asks for
    imports: symbols.Imports = symbols.Imports()
    # what compilers have noted in a program or library
    comment: Tuple[str, ...] = ()


def read_elf(path: str, processors: Mapping[int, str]) -> Optional[Elf]:
    """Facts of a file, as `read_file`; None for texts too."""
    found = read_file(path, processors)
    return found if isinstance(found, Elf) else None


def read_file(path: str, processors: Mapping[int, str]) -> Optional[Union[Elf, Text]]:
    """
    Facts of a file; scripts and what says how others link (text.py) are texts. None where it is none of these, nor an
    ELF file, a static library or a bundle of GPU code, which costs one read of a few bytes.

    :param processors: EF_AMDGPU_MACH -> gfx name
    :raises OSError: it can't be opened or read, or is no regular file (a FIFO would be waited for)
    :raises NotReadable: it begins like an ELF file and is none
    """
    handle = open_regular(path)
    try:
        magic = os.read(handle, 8)
        if magic != archive.MAGIC and magic[:4] not in (MAGIC, fatbin.BUNDLE[:4], fatbin.COMPRESSED):
            return read_text(path, handle) if magic[:2] == b'#!' or kind_by_name(path) else None
        with mmap.mmap(handle, 0, access=mmap.ACCESS_READ) as data:
            if magic != archive.MAGIC and magic[:4] != MAGIC:
                return _bundle(path, data)
            try:
                return (_archive if magic == archive.MAGIC else _elf)(path, data, processors)
            except (struct.error, ValueError, IndexError, OverflowError, MemoryError) as err:
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


class _Head(NamedTuple):
    """The header of a file of 64 bit, little endian, behind its first 16 bytes."""
    kind: int
    machine: int
    version: int
    entry: int
    segments: int
    sections: int
    flags: int
    size: int
    segment_size: int
    segment_count: int
    section_size: int
    section_count: int
    names: int


def _head(data: Union[mmap.mmap, bytes]) -> _Head:
    return _Head(*struct.unpack_from('<HHIQQQIHHHHHH', data, 16))


def machine_name(number: int) -> str:
    """The name of a machine as elf.h has it (EM_X86_64)."""
    return f'EM_{_MACHINES.get(number, number)}'


def _elf(path: str, data: mmap.mmap, processors: Mapping[int, str]) -> Elf:
    if data[4] not in (1, 2) or data[5] not in (1, 2):
        raise ValueError('neither of 32 nor of 64 bit')
    if data[4:6] != b'\2\1':  # not 64 bit, little endian: of another machine
        (number,) = struct.unpack_from('<H' if data[5] == 1 else '>H', data, 18)
        return Elf(path, machine_name(number), OBJECT)
    head = _head(data)
    machine = machine_name(head.machine)
    segments = _table(data, head.segments, head.segment_size, head.segment_count, _SEGMENT)
    if head.machine == fatbin.EM_AMDGPU:
        target = fatbin.code_object_target(head.flags, _notes(data, segments), processors)
        return Elf(path, machine, GPU, gpu=(target,) if target else (),
                   unknown_gpu='' if target else f'code for an unknown GPU (flags {head.flags:#x})')
    sections = _sections(data, head)
    gpu, unknown = _gpu(data, sections, processors)
    cuda = any(name in CUDA_SECTIONS for name, _, _ in sections)
    if head.kind == _RELOCATABLE or machine != 'EM_X86_64':
        return Elf(path, machine, OBJECT, gpu=gpu, cuda=cuda, unknown_gpu=unknown)
    texts, flags, tags = _dynamic(data, segments)
    soname = texts[_SONAME][0] if texts[_SONAME] else ''
    interpreted = any(segment[0] == _INTERP for segment in segments)
    program = head.kind == _EXECUTABLE or bool(flags & _DF_1_PIE) or (interpreted and not soname)
    return Elf(path, machine, PROGRAM if program else LIBRARY, soname, tuple(texts[_NEEDED]),
               _folders(texts[_RPATH]), _folders(texts[_RUNPATH]), gpu, cuda, unknown,
               imports=_imports(data, segments, tags), comment=_comment(data, sections))


def _comment(data: mmap.mmap, sections: List[Tuple[bytes, int, int]]) -> Tuple[str, ...]:
    """The strings of .comment, each once."""
    found: Dict[str, None] = {}
    for name, offset, size in sections:
        if name in COMMENT_SECTIONS:
            text = data[offset:offset + min(size, _MOST_COMMENT)].decode('utf-8', 'replace')
            found.update(dict.fromkeys(part for part in text.split('\0') if part))
    return tuple(found)


def _imports(data: mmap.mmap, segments: List[tuple], tags: Dict[int, int]) -> symbols.Imports:
    """What it asks for; nothing where its tables can't be read: everything else counts all the same."""
    try:
        return symbols.imports(data, segments, tags)
    except (ValueError, struct.error):
        return symbols.Imports()


def _notes(data: mmap.mmap, segments: List[tuple]) -> bytes:
    found = b''
    for kind, _, offset, _, _, size, _, _ in segments:
        if kind == _NOTE:
            found += data[offset:offset + min(size, _MOST_NOTES - len(found))]
    return found


def _archive(path: str, data: mmap.mmap, processors: Mapping[int, str]) -> Elf:
    """What the object files of a static library hold for GPUs; most hold nothing, which one search tells."""
    targets: Set[str] = set()
    unknown, cuda = '', False
    names = [name for name in (*HIP_SECTIONS, *OFFLOAD_SECTIONS, *CUDA_SECTIONS, fatbin.BUNDLE) if data.find(name) >= 0]
    for start, end in archive.members(data):
        if data[start:start + 6] != MAGIC + b'\2\1' or not any(data.find(name, start, end) >= 0 for name in names):
            continue
        member = data[start:end]
        sections = _sections(member, _head(member))
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


def _sections(data: Union[mmap.mmap, bytes], head: _Head) -> List[Tuple[bytes, int, int]]:
    """Name, offset and size of the sections that rules look at; none where a file was stripped of its sections."""
    count, names_of = head.section_count, head.names
    if head.sections and (not count or names_of == _IN_FIRST):
        (first,) = _table(data, head.sections, head.section_size, 1, _SECTION)
        count, names_of = count or first[5], first[6] if names_of == _IN_FIRST else names_of
    if count > _MOST_SECTIONS:
        raise ValueError(f'it claims {count} sections')
    table = _table(data, head.sections, head.section_size, count, _SECTION)
    if names_of >= len(table):
        return []
    start, size = table[names_of][4:6]
    if size > _MOST_NAMES:
        raise ValueError(f'it claims {size} bytes of names of sections')
    names = data[start:start + size]
    found: List[Tuple[bytes, int, int]] = []
    for wanted in (*HIP_SECTIONS, *OFFLOAD_SECTIONS, *CUDA_SECTIONS, *COMMENT_SECTIONS):
        if wanted in names:
            found.extend((wanted, row[4], row[5]) for row in table
                         if names[row[0]:row[0] + len(wanted) + 1] == wanted + b'\0')
    # relocatable device code (-fgpu-rdc): a section for each target, which is a part of its name
    if fatbin.BUNDLE in names:
        found.extend((names[row[0]:row[0] + fatbin.LONGEST_NAME].partition(b'\0')[0], row[4], row[5]) for row in table
                     if names[row[0]:row[0] + len(fatbin.BUNDLE)] == fatbin.BUNDLE)
    if len(found) > _MOST_CODE:
        raise ValueError(f'it claims {len(found)} sections of GPU code')
    return found


def _gpu(data: Union[mmap.mmap, bytes], sections: List[Tuple[bytes, int, int]],
         processors: Mapping[int, str]) -> Tuple[Tuple[str, ...], str]:
    """Targets of the GPU code in a host file, and why they can't be told where that is so."""
    found: Set[str] = set()
    unknown = ''
    if any(name in OFFLOAD_SECTIONS for name, _, _ in sections):
        found.update(fatbin.embedded_targets(data, processors))
    for name, offset, size in sections:
        try:
            if name in HIP_SECTIONS:
                found.update(fatbin.bundle_targets(data, offset, offset + size))
            elif name.startswith(fatbin.BUNDLE):
                found.update(fatbin.entry_target(name))
        except fatbin.BundleError as err:
            unknown = str(err)
    return tuple(sorted(found)), unknown


def _dynamic(data: mmap.mmap, segments: List[tuple]) -> Tuple[Dict[int, List[str]], int, Dict[int, int]]:
    """The strings of the dynamic segment by their tags, its flags (DT_FLAGS_1), and where the symbols are."""
    tags: Dict[int, int] = {}
    texts: Dict[int, List[str]] = {tag: [] for tag in (_NEEDED, _SONAME, _RPATH, _RUNPATH)}
    place = next((segment for segment in segments if segment[0] == _DYNAMIC), None)
    if place is None:
        return texts, 0, tags
    offset, size = place[2], place[5] - place[5] % 16
    if offset + size > len(data) or size > _MOST_DYNAMIC:
        raise ValueError('the dynamic segment lies outside of the file, or is too large')
    flags, where = 0, []
    for tag, value in struct.iter_unpack('<QQ', data[offset:offset + size]):
        if tag == 0:
            break
        if tag in texts:
            where.append((tag, value))
        elif tag in symbols.TAGS:
            tags.setdefault(tag, value)
        elif tag == _FLAGS_1:
            flags |= value
    strings = tags.get(_STRTAB, 0)
    if not where:
        return texts, flags, tags
    load = next((segment for segment in segments
                 if segment[0] == _LOAD and segment[3] <= strings < segment[3] + segment[5]), None)
    if not strings or load is None:
        raise ValueError('the table of strings lies in no segment')
    left = _MOST_STRINGS
    for tag, value in where:
        text = _string(data, strings - load[3] + load[2] + value)
        left -= len(text)
        if left < 0:
            raise ValueError('its strings are too long')
        texts[tag].append(text)
    return texts, flags, tags


def _string(data: mmap.mmap, start: int) -> str:
    end = data.find(b'\0', start, start + (1 << 20)) if 0 < start < len(data) else -1
    if end < 0:
        raise ValueError('a string lies outside of the file')
    return data[start:end].decode('utf-8', 'surrogateescape')
