# SPDX-License-Identifier: GPL-2.0-only
"""
GPU code inside a file: the targets (gfx90a, gfx90a:xnack+ …) that it was compiled for.

Layout of bundles, plain and compressed: https://clang.llvm.org/docs/ClangOffloadBundler.html; flags of AMD GPU ELF
files: https://llvm.org/docs/AMDGPUUsage.html#elf-code-object.
"""
import re
import struct
import zlib
from typing import List, Mapping, Optional, Set, Tuple

BUNDLE = b'__CLANG_OFFLOAD_BUNDLE__'
COMPRESSED = b'CCOB'
# class 64 bit, little endian, version 1, ABI of AMD's HSA (64): the beginning of a GPU code object
CODE_OBJECT = b'\x7fELF\x02\x01\x01\x40'
EM_AMDGPU = 224
# a target ID stands at the end of an entry's name: hipv4-amdgcn-amd-amdhsa--gfx90a:sramecc+:xnack-
TARGET = re.compile(r'(gfx[0-9][0-9a-f]*(?:-[0-9a-z-]*generic)?(?::[a-z]+[+-])*)$')
NOTE_TARGET = re.compile(rb'amdgcn-amd-amdhsa--(gfx[0-9][0-9a-f]*(?:-[0-9a-z-]*generic)?(?::[a-z]+[+-])*)')
# no bundle has more entries or longer names: what has is no bundle
MOST_ENTRIES, LONGEST_NAME = 1024, 512
# of a compressed bundle only the list of entries at its beginning is needed
HEAD = 1 << 18
# bundles are aligned to pages of 4 KiB
NEAR = 1 << 14


class BundleError(ValueError):
    """Bytes that begin like a bundle and are none, or one that can't be unpacked here."""


def bundle_targets(data, start: int, stop: int) -> Set[str]:
    """
    Targets of all bundles between two offsets of a file (a section .hip_fatbin holds one a source file).

    :param data: the file's contents: bytes or a memory map
    :raises BundleError: it is not a bundle, is cut off, or is compressed in a way that can't be read here
    """
    found: Set[str] = set()
    stop = min(stop, len(data))
    position = _next(data, start, stop)
    while position >= 0:
        if data[position:position + len(COMPRESSED)] == COMPRESSED:
            head, end = _unpack(data, position, stop)
            found.update(_entries(head, 0)[0])
        else:
            targets, size = _entries(data, position)
            found.update(targets)
            end = position + size
        position = _next(data, max(end, position + 1), stop)
    return found


def _next(data, position: int, stop: int) -> int:
    """
    Where the next bundle begins, -1 where there is none. They follow each other with little between them, so a small
    part is looked at first: a section may have 1 GB, on a file system where every page costs.
    """
    for end in (min(position + NEAR, stop), stop):
        places = [place for place in (data.find(BUNDLE, position, end), data.find(COMPRESSED, position, end))
                  if place >= 0]
        if places:
            return min(places)
    return -1


def _entries(data, start: int) -> Tuple[List[str], int]:
    """GPU targets in the list at the beginning of a plain bundle, and the size of the bundle in bytes."""
    try:
        position = start + len(BUNDLE)
        if data[start:position] != BUNDLE:
            raise BundleError('a compressed bundle does not hold a bundle')
        (count,) = struct.unpack_from('<Q', data, position)
        if count > MOST_ENTRIES:
            raise BundleError(f'a bundle claims {count} entries')
        position += 8
        targets, end = [], position - start
        for _ in range(count):
            offset, size, length = struct.unpack_from('<QQQ', data, position)
            if length > LONGEST_NAME:
                raise BundleError(f'a bundle claims a name of {length} bytes')
            position += 24
            name = bytes(data[position:position + length])
            position += length
            if size:
                targets.extend(entry_target(name))
            end = max(end, offset + size, position - start)
    except struct.error as err:
        raise BundleError('a bundle is cut off') from err
    return targets, end


def entry_target(name: bytes) -> List[str]:
    """The GPU that an entry of a bundle is for, by its name (hipv4-amdgcn-amd-amdhsa--gfx90a); none of the host's."""
    text = name.decode('ascii', 'replace')
    match = TARGET.search(text)
    return [match.group(1)] if match and not text.startswith('host') else []


def _unpack(data, start: int, stop: int) -> Tuple[bytes, int]:
    """The beginning of a compressed bundle, unpacked, and where the next one may begin."""
    try:
        version, method = struct.unpack_from('<HH', data, start + 4)
        if version == 1:  # size unpacked, hash; no size of its own
            total, begin = 0, start + 8 + 4 + 8
        elif version == 2:  # size, size unpacked, hash
            (total,) = struct.unpack_from('<I', data, start + 8)
            begin = start + 8 + 4 + 4 + 8
        elif version == 3:
            (total,) = struct.unpack_from('<Q', data, start + 8)
            begin = start + 8 + 8 + 8 + 8
        else:
            raise BundleError(f'a compressed bundle has the unknown version {version}')
    except struct.error as err:
        raise BundleError('a compressed bundle is cut off') from err
    end = min(start + total, stop) if total > begin - start else stop
    packed = bytes(data[begin:min(end, begin + HEAD)])
    if method == 0:
        try:
            head = zlib.decompressobj().decompress(packed, HEAD)
        except zlib.error as err:
            raise BundleError(f'a compressed bundle can\'t be unpacked ({err})') from err
    elif method == 1:
        head = _zstd(packed)
    else:
        raise BundleError(f'a compressed bundle has the unknown method {method}')
    return head, end if total > begin - start else begin


def _zstd(packed: bytes) -> bytes:
    try:
        import zstandard
    except ImportError as err:
        raise BundleError('a bundle is compressed with zstd, and this Python lacks the package zstandard') from err
    try:
        # no more than is needed: a few bytes may unpack to gigabytes
        return zstandard.ZstdDecompressor().stream_reader(packed).read(HEAD)
    except zstandard.ZstdError as err:
        raise BundleError(f'a compressed bundle can\'t be unpacked ({err})') from err


def code_object_target(flags: int, notes: bytes, processors: Mapping[int, str]) -> Optional[str]:
    """
    Target of one GPU code object: from its notes, which hold the whole target ID, else from its header's flags.

    :param flags: e_flags of its header
    :param notes: the bytes of its note segment
    :param processors: EF_AMDGPU_MACH -> gfx name
    """
    match = NOTE_TARGET.search(notes)
    if match:
        return match.group(1).decode('ascii')
    name = processors.get(flags & 0xff)
    if name is None:
        return None
    # two bits each, since code object version 4: 0 unsupported, 1 any, 2 off, 3 on; in the order of target IDs
    for feature, shift in (('sramecc', 10), ('xnack', 8)):
        state = (flags >> shift) & 3
        name += {2: f':{feature}-', 3: f':{feature}+'}.get(state, '')
    return name


def embedded_targets(data, processors: Mapping[int, str]) -> Set[str]:
    """Targets of the code objects that lie anywhere in a host program, as OpenMP offloading puts them."""
    found: Set[str] = set()
    position = data.find(CODE_OBJECT)
    while position >= 0:
        header = bytes(data[position:position + 64])
        if len(header) == 64 and struct.unpack_from('<H', header, 18)[0] == EM_AMDGPU:
            target = code_object_target(struct.unpack_from('<I', header, 48)[0], b'', processors)
            if target:
                found.add(target)
        position = data.find(CODE_OBJECT, position + len(CODE_OBJECT))
    return found
