# SPDX-License-Identifier: GPL-2.0-only
"""
A squashfs image made of an earlier one and of what is new. What is kept is copied in its blocks, as it is packed; only
the tables that say where everything is are written again. To pack all of it takes as long as the first time.

Format: https://docs.kernel.org/filesystems/squashfs.html and Linux, fs/squashfs/squashfs_fs.h. Read is what `pack` has
mksquashfs make: zstd, all owned by root, no extended attributes. zstd is libzstd's, which mksquashfs needs as well
(https://facebook.github.io/zstd/doc/api_manual_latest.html).
"""
import ctypes
import itertools
import os
import struct
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import AbstractSet, Any, BinaryIO, Callable, Dict, Iterator, List, NamedTuple, Set, Tuple, Union

from ..errors import LumiHooksError

_HEAD = struct.Struct('<HHHHII')  # kind, mode, owner, group, time, number
_FILE, _LONG_FILE = struct.Struct('<IIII'), struct.Struct('<QQQIIII')
_FOLDER, _LONG_FOLDER = struct.Struct('<IIHHI'), struct.Struct('<IIIIHHI')
_RUN, _ENTRY, _PART = struct.Struct('<III'), struct.Struct('<HhHH'), struct.Struct('<QII')
# kinds of inodes, short and long
_FOLDERS, _FILES, _LINKS = (1, 8), (2, 9), (3, 10)
_BLOCK, _RAW, _LONGEST_RUN, _PAGE = 8192, 0x8000, 256, 4096
_ZSTD, _OPTIONS, _EXPORTABLE = 6, 0x400, 0x80
_NONE, _NOWHERE = (1 << 32) - 1, (1 << 64) - 1
_LEVEL = 3
# less of an image in use than this, and it is packed as a whole
_LIVE = 0.7


class NotJoined(LumiHooksError):
    """The image has to be packed as a whole: it can't be read here, or much of it would be of no use any more."""


class _Super(NamedTuple):
    """The first bytes of an image."""
    magic: bytes
    inodes: int
    time: int
    block_size: int
    parts: int
    compressor: int
    block_log: int
    flags: int
    owners: int
    major: int
    minor: int
    root: int
    used: int
    owner_table: int
    attribute_table: int
    inode_table: int
    folder_table: int
    part_table: int
    export_table: int


_SUPER = struct.Struct('<4s4I6H8Q')


class _Leaf(NamedTuple):
    """
    A file: where its blocks are, their sizes, its own size and holes, the block that its last part shares with others,
    and the place in that. Of a link: its target in place of the blocks. `number`: names of one file share it.
    """
    kinds: Tuple[int, int]
    mode: int
    time: int
    number: int
    blocks: bytes
    start: int = 0
    size: int = 0
    holes: int = 0
    part: int = _NONE
    offset: int = 0


@dataclass
class _Folder:
    mode: int
    time: int
    entries: Dict[bytes, '_Node'] = field(default_factory=dict)
    kinds: Tuple[int, int] = _FOLDERS


_Node = Union[_Leaf, _Folder]
# a block of the table of inodes, and the place in it
_Place = Tuple[int, int]


def join(base: str, kept: AbstractSet[bytes], more: str, out: BinaryIO) -> None:
    """
    Write an image with what is kept of one, and all that is in another one, into an empty file.

    :param kept: paths of files and links in `base`, from its root; folders are there for what is in them
    :raises NotJoined: it can't be made, or less than 70 % of it would be of use
    :raises OSError: an image can't be read, or the new one can't be written
    """
    try:
        with open(base, 'rb') as first, open(more, 'rb') as second:
            old, new = _Image(first), _Image(second)
            if old.head.block_size != new.head.block_size:
                raise NotJoined('they have blocks of different sizes')
            shift = old.head.inode_table - new.data
            top = new.tree(shift, len(old.parts))
            _add(top, old.tree(0, 0), kept, b'')
            parts = old.parts + [(start + shift, size) for start, size in new.parts]
            _check_waste(top, parts, old.head.inode_table + new.head.inode_table)
            _copy(old, 0, out)
            _copy(new, new.data, out)
            _write(top, parts, old.head, out)
    except (struct.error, ValueError, LookupError, RecursionError, OverflowError, MemoryError) as err:
        raise NotJoined('what is read is no image') from err


class _Image:
    """An image that is read. `data`: where what is packed begins; `parts`: blocks that files share, and their sizes."""

    def __init__(self, stream: BinaryIO):
        self.stream = stream
        self.head = _Super(*_SUPER.unpack(stream.read(_SUPER.size)))
        if (self.head.magic, self.head.compressor, self.head.major, self.head.owners) != (b'hsqs', _ZSTD, 4, 1) \
                or self.head.used > os.fstat(stream.fileno()).st_size:
            raise NotJoined('it was packed in another way')
        self.block = lru_cache(maxsize=None)(self._block)
        # options of the compressor are before what is packed
        self.data = self.block(_SUPER.size)[1] if self.head.flags & _OPTIONS else _SUPER.size
        self.parts = list(self._parts())

    def tree(self, shift: int, parts: int) -> _Folder:
        """
        What is in it.

        :param shift: bytes by which what is packed is moved
        :param parts: number of shared blocks before its own
        """
        seen: Set[_Place] = set()

        def folder(place: _Place) -> _Folder:
            if place in seen:
                raise NotJoined('a folder is in itself')
            seen.add(place)
            mode, time, *where = self._folder(place)
            return _Folder(mode, time, {name: folder(inner) if is_folder else self._leaf(inner, shift, parts)
                                        for name, inner, is_folder in self._listing(*where)})
        return folder((self.head.root >> 16, self.head.root & 0xffff))

    def _folder(self, place: _Place) -> Tuple[int, int, int, int, int]:
        """Mode and time of a folder, and where its listing is: block, place in it, bytes."""
        read = self._reader(self.head.inode_table, place)
        kind, mode, _, _, time, _ = _HEAD.unpack(read(_HEAD.size))
        if kind == _FOLDERS[0]:
            start, _, size, offset, _ = _FOLDER.unpack(read(_FOLDER.size))
        elif kind == _FOLDERS[1]:
            _, size, start, _, _, offset, _ = _LONG_FOLDER.unpack(read(_LONG_FOLDER.size))
        else:
            raise NotJoined('a folder is none')
        return mode, time, start, offset, size - 3

    def _leaf(self, place: _Place, shift: int, parts: int) -> _Leaf:
        read = self._reader(self.head.inode_table, place)
        kind, mode, _, _, time, number = _HEAD.unpack(read(_HEAD.size))
        if kind in _LINKS:
            return _Leaf(_LINKS, mode, time, number, read(struct.unpack('<II', read(8))[1]))
        holes = 0
        if kind == _FILES[0]:
            start, part, offset, size = _FILE.unpack(read(_FILE.size))
        elif kind == _FILES[1]:
            start, size, holes, _, part, offset, _ = _LONG_FILE.unpack(read(_LONG_FILE.size))
        else:
            raise NotJoined('there is something in it that is no file, folder or link')
        whole = -(-size // self.head.block_size) if part == _NONE else size // self.head.block_size
        return _Leaf(_FILES, mode, time, number, read(4 * whole), start + shift, size, holes,
                     part if part == _NONE else part + parts, offset)

    def _listing(self, start: int, offset: int, size: int) -> Iterator[Tuple[bytes, _Place, bool]]:
        read = self._reader(self.head.folder_table, (start, offset))
        while size > 0:
            count, block, _ = _RUN.unpack(read(_RUN.size))
            size -= _RUN.size
            for _ in range(count + 1):
                inner, _, kind, last = _ENTRY.unpack(read(_ENTRY.size))
                size -= _ENTRY.size + last + 1
                yield read(last + 1), (block, inner), kind == _FOLDERS[0]

    def _parts(self) -> Iterator[Tuple[int, int]]:
        if self.head.parts:
            read = self._reader(struct.unpack('<Q', self._bytes(self.head.part_table, 8))[0], (0, 0))
            for _ in range(self.head.parts):
                yield _PART.unpack(read(_PART.size))[:2]

    def _reader(self, table: int, place: _Place) -> Callable[[int], bytes]:
        """A function that reads on from a place in a table."""
        block, following = self.block(table + place[0])
        offset = place[1]

        def read(size: int) -> bytes:
            nonlocal block, following, offset
            found = block[offset:offset + size]
            offset += size
            while offset > len(block):
                offset -= len(block)
                block, following = self.block(following)
                found += block[:offset]
            return found
        return read

    def _block(self, place: int) -> Tuple[bytes, int]:
        """A block of a table, and where the next one is."""
        size, = struct.unpack('<H', self._bytes(place, 2))
        found = self._bytes(place + 2, size & ~_RAW)
        if not found:
            raise NotJoined('a table of it is damaged')
        return found if size & _RAW else _zstd('ZSTD_decompress', found), place + 2 + len(found)

    def _bytes(self, place: int, size: int) -> bytes:
        if place < self.head.used:
            self.stream.seek(place)
            found = self.stream.read(size)
            if len(found) == size:
                return found
        raise NotJoined('it was cut off')


def _add(top: _Folder, other: _Folder, kept: AbstractSet[bytes], above: bytes) -> None:
    """Add what is kept of a folder to another one; what is there already stays."""
    for name, node in other.entries.items():
        if isinstance(node, _Leaf):
            if above + name in kept:  # the other image has numbers of its own
                top.entries.setdefault(name, node._replace(number=-node.number))
            continue
        inner = top.entries.get(name, _Folder(node.mode, node.time))
        if isinstance(inner, _Folder):
            _add(inner, node, kept, above + name + b'/')
            if inner.entries:
                top.entries[name] = inner


def _all_in(top: _Folder) -> Iterator[_Node]:
    for node in top.entries.values():
        yield node
        if isinstance(node, _Folder):
            yield from _all_in(node)


def _check_waste(top: _Folder, parts: List[Tuple[int, int]], size: int) -> None:
    """:raises NotJoined: much of what was packed is of no use any more"""
    files = [node for node in _all_in(top) if isinstance(node, _Leaf) and node.kinds is _FILES]
    # the highest byte says that a block is not compressed
    used = {item.start: sum(one & 0xffffff for one, in struct.iter_unpack('<I', item.blocks)) for item in files}
    shared = sum(parts[number][1] & 0xffffff for number in {item.part for item in files} - {_NONE})
    if sum(used.values()) + shared < _LIVE * size:
        raise NotJoined('much of what was packed is of no use any more')


def _copy(image: _Image, begin: int, out: BinaryIO) -> None:
    """Copy what is packed."""
    image.stream.seek(begin)
    left = image.head.inode_table - begin
    while left > 0:
        found = image.stream.read(min(left, 1 << 20))
        if not found:
            raise NotJoined('it was cut off')
        out.write(found)
        left -= len(found)


class _Table:
    """A table in the making: in blocks, compressed where that makes them smaller."""

    def __init__(self) -> None:
        self._done, self._open, self._starts = bytearray(), bytearray(), [0]

    def add(self, entry: bytes) -> _Place:
        """Append an entry."""
        place = len(self._done), len(self._open)
        self._open += entry
        while len(self._open) >= _BLOCK:
            self._close()
        return place

    def _close(self) -> None:
        block, self._open = bytes(self._open[:_BLOCK]), self._open[_BLOCK:]
        packed = _zstd('ZSTD_compress', block, _LEVEL)
        self._done += struct.pack('<H', len(packed)) + packed if 0 < len(packed) < len(block) else \
            struct.pack('<H', _RAW | len(block)) + block
        self._starts.append(len(self._done))

    def write(self, out: BinaryIO, index: bool = False) -> int:
        """
        Write the table; where it begins.

        :param index: write where its blocks are behind it; where that begins is returned
        """
        if self._open:
            self._close()
        begin = out.tell()
        out.write(self._done)
        if index:
            begin, places = out.tell(), [begin + start for start in self._starts[:-1]]
            out.write(struct.pack(f'<{len(places)}Q', *places))
        return begin


def _write(top: _Folder, parts: List[Tuple[int, int]], like: _Super, out: BinaryIO) -> None:
    """Write the tables behind what is packed, and the first bytes of the image."""
    names = Counter(node.number for node in _all_in(top) if isinstance(node, _Leaf))
    count = 1 + len(names) + sum(isinstance(node, _Folder) for node in _all_in(top))
    inodes, folders, shared, owners = _Table(), _Table(), _Table(), _Table()
    numbers = itertools.count(1)
    written: Dict[int, Tuple[_Place, int]] = {}

    def put(node: _Node, parent: int) -> Tuple[_Place, int]:
        """Write an inode, behind those of what is in it; its place and number."""
        if isinstance(node, _Folder):
            number = next(numbers)
            entries = [(name, inner.kinds[0], *put(inner, number)) for name, inner in sorted(node.entries.items())]
            listing = _listing(entries)
            return inodes.add(_folder_inode(node, number, parent, folders.add(listing), len(listing) + 3)), number
        if node.number not in written:
            number = next(numbers)
            written[node.number] = inodes.add(_leaf_inode(node, number, names[node.number])), number
        return written[node.number]

    (block, offset), _ = put(top, count + 1)
    for start, size in parts:
        shared.add(_PART.pack(start, size, 0))
    owners.add(bytes(4))
    head = like._replace(inodes=count, parts=len(parts), flags=like.flags & ~_EXPORTABLE, root=block << 16 | offset,
                         export_table=_NOWHERE, attribute_table=_NOWHERE, inode_table=inodes.write(out),
                         folder_table=folders.write(out), part_table=shared.write(out, index=True),
                         owner_table=owners.write(out, index=True))
    used = out.tell()
    out.write(bytes(-used % _PAGE))
    out.seek(0)
    out.write(_SUPER.pack(*head._replace(used=used)))


def _listing(entries: List[Tuple[bytes, int, _Place, int]]) -> bytes:
    """The listing of a folder: runs of entries (name, kind, place, number) that are near to each other."""
    runs: List[List[Tuple[bytes, int, _Place, int]]] = []
    for entry in entries:
        if not runs or len(runs[-1]) == _LONGEST_RUN or entry[2][0] != runs[-1][0][2][0] \
                or abs(entry[3] - runs[-1][0][3]) >= 1 << 15:
            runs.append([])
        runs[-1].append(entry)
    found = bytearray()
    for run in runs:
        _, _, (block, _), first = run[0]
        found += _RUN.pack(len(run) - 1, block, first)
        for name, kind, (_, offset), number in run:
            found += _ENTRY.pack(offset, number - first, kind, len(name) - 1) + name
    return bytes(found)


def _folder_inode(node: _Folder, number: int, parent: int, listing: _Place, size: int) -> bytes:
    links = 2 + sum(isinstance(inner, _Folder) for inner in node.entries.values())
    long = size >= 1 << 16
    return _HEAD.pack(_FOLDERS[long], node.mode, 0, 0, node.time, number) + (
        _LONG_FOLDER.pack(links, size, listing[0], parent, 0, listing[1], _NONE) if long else
        _FOLDER.pack(listing[0], links, size, listing[1], parent))


def _leaf_inode(node: _Leaf, number: int, names: int) -> bytes:
    long = node.kinds is _FILES and (names > 1 or node.holes > 0 or max(node.start, node.size) >= 1 << 32)
    head = _HEAD.pack(node.kinds[long], node.mode, 0, 0, node.time, number)
    if node.kinds is _LINKS:
        return head + struct.pack('<II', names, len(node.blocks)) + node.blocks
    return head + (_LONG_FILE.pack(node.start, node.size, node.holes, names, node.part, node.offset, _NONE) if long else
                   _FILE.pack(node.start, node.part, node.offset, node.size)) + node.blocks


def _zstd(name: str, data: bytes, *level: int) -> bytes:
    """A block, compressed or decompressed; nothing where it would not be smaller."""
    library = _library()
    room = ctypes.create_string_buffer(_BLOCK)
    size = getattr(library, name)(room, _BLOCK, data, len(data), *level)
    if library.ZSTD_isError(size):
        return b''
    return room.raw[:size]


@lru_cache(maxsize=None)
def _library() -> Any:
    try:
        library = ctypes.CDLL('libzstd.so.1')
    except OSError as err:
        raise NotJoined('there is no libzstd.so.1') from err
    size, text = ctypes.c_size_t, ctypes.c_char_p
    for name, more in (('ZSTD_decompress', []), ('ZSTD_compress', [ctypes.c_int])):
        function = getattr(library, name)
        function.restype, function.argtypes = size, [text, size, text, size, *more]
    library.ZSTD_isError.restype, library.ZSTD_isError.argtypes = ctypes.c_uint, [size]
    return library
