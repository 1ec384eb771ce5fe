# SPDX-License-Identifier: GPL-2.0-only
"""
The symbols and symbol versions that an ELF file asks for and offers, as its dynamic segment says.

Layout: https://gabi.xinuos.com; versions: Ulrich Drepper, ELF Symbol Versioning; the GNU hash table:
https://sourceware.org/legacy-ml/binutils/2006-10/msg00377.html. The number of symbols is taken from the hash tables, as
sections may be stripped. Linkers put undefined symbols into the hashed part, too.
"""
import mmap
import os
import struct
from typing import Dict, FrozenSet, List, Mapping, NamedTuple, Tuple

from ..files import open_regular

_LOAD, _DYNAMIC = 1, 2
_HASH, _STRTAB, _SYMTAB, _STRSZ, _GNU_HASH = 4, 5, 6, 10, 0x6ffffef5
_VERDEF, _VERDEFNUM, _VERNEED, _VERNEEDNUM = 0x6ffffffc, 0x6ffffffd, 0x6ffffffe, 0x6fffffff
# the addresses of other tables: relocations, numbers of versions
_OTHERS = (7, 17, 23, 36, 0x6ffffff0)
_TABLES = (_HASH, _STRTAB, _GNU_HASH, _VERDEF, _VERNEED, *_OTHERS)
TAGS = frozenset((*_TABLES, _SYMTAB, _STRSZ, _VERDEFNUM, _VERNEEDNUM))
_SYMBOL = struct.Struct('<IBBHQQ')
_GLOBAL, _WEAK, _UNIQUE = 1, 2, 10
_VER_WEAK = 2
# no sound file has more symbols, or needs versions of more files
_MOST_SYMBOLS, _MOST_VERSIONS = 1 << 23, 1 << 16


class Imports(NamedTuple):
    """
    What a file asks for. `undefined`: names of symbols that have to be found (no weak ones), joined by NUL;
    `versions`: by library, the versions that it has to have.
    """
    undefined: bytes = b''
    versions: Tuple[Tuple[str, Tuple[str, ...]], ...] = ()


class Exports(NamedTuple):
    """What a file offers: names of symbols, and versions (none where it has no versions at all)."""
    symbols: FrozenSet[bytes] = frozenset()
    versions: FrozenSet[str] = frozenset()


class _File:
    """A file's tables, by their addresses."""

    def __init__(self, data, segments: List[tuple], tags: Mapping[int, int]):
        self.data, self.tags = data, tags
        self.loads = [(segment[3], segment[5], segment[2]) for segment in segments if segment[0] == _LOAD]
        self.strings = self.at(tags[_STRTAB])
        self.end = self.strings + tags.get(_STRSZ, len(data) - self.strings)

    def at(self, address: int) -> int:
        """Offset in the file of what is at an address."""
        for start, size, offset in self.loads:
            if start <= address < start + size:
                return address - start + offset
        raise ValueError('a table lies in no segment')

    def text(self, offset: int) -> bytes:
        """A string of the table of strings."""
        start = self.strings + offset
        end = self.data.find(b'\0', start, self.end)
        if end < 0:
            raise ValueError('a string lies outside of its table')
        return self.data[start:end]

    def name(self, offset: int) -> str:
        """The same, as a name of a file or version."""
        return self.text(offset).decode('utf-8', 'surrogateescape')

    def symbols(self, first: int, last: int):
        """The entries of the table of symbols from `first` to before `last`."""
        start = self.at(self.tags[_SYMTAB])
        if last - first > _MOST_SYMBOLS or start + last * _SYMBOL.size > len(self.data):
            raise ValueError('the table of symbols lies outside of the file')
        return _SYMBOL.iter_unpack(self.data[start + first * _SYMBOL.size:start + last * _SYMBOL.size])

    def hashed(self) -> Tuple[int, int]:
        """Number of the first symbol that others may find, and of all symbols."""
        if _GNU_HASH in self.tags:
            return self._gnu_hashed()
        if _HASH in self.tags:
            return 1, struct.unpack_from('<II', self.data, self.at(self.tags[_HASH]))[1]
        return 1, 1

    def _gnu_hashed(self) -> Tuple[int, int]:
        place = self.at(self.tags[_GNU_HASH])
        buckets, first, words, _ = struct.unpack_from('<IIII', self.data, place)
        table = place + 16 + 8 * words
        if buckets > _MOST_SYMBOLS or table + 4 * buckets > len(self.data):
            raise ValueError('the hash table lies outside of the file')
        last = max(struct.unpack_from(f'<{buckets}I', self.data, table), default=0)
        if last < first:  # nothing is hashed, and `first` says nothing: the table ends where the next one begins
            start = self.tags[_SYMTAB]
            after = min((self.tags[tag] for tag in _TABLES if self.tags.get(tag, 0) > start), default=start)
            count = (after - start) // _SYMBOL.size
            return count, count
        chains = table + 4 * buckets
        while not struct.unpack_from('<I', self.data, chains + 4 * (last - first))[0] & 1:
            last += 1
        return first, last + 1


def imports(data, segments: List[tuple], tags: Mapping[int, int]) -> Imports:
    """
    What a file asks for.

    :param segments: its program headers
    :param tags: its dynamic segment, of TAGS
    :raises ValueError, struct.error: a table lies outside of the file
    """
    if _STRTAB not in tags:
        return Imports()
    file = _File(data, segments, tags)
    undefined = b''
    if _SYMTAB in tags:
        _, end = file.hashed()
        undefined = b'\0'.join([file.text(name) for name, info, _, section, _, _ in file.symbols(1, end)
                                if section == 0 and name and info >> 4 == _GLOBAL]) if end > 1 else b''
    return Imports(undefined, _needed_versions(file) if _VERNEED in tags else ())


def _needed_versions(file: _File) -> Tuple[Tuple[str, Tuple[str, ...]], ...]:
    found: Dict[str, List[str]] = {}
    place, left = file.at(file.tags[_VERNEED]), _MOST_VERSIONS
    for _ in range(min(file.tags.get(_VERNEEDNUM, 0), _MOST_VERSIONS)):
        _, count, name, entry, step = struct.unpack_from('<HHIII', file.data, place)
        versions = found.setdefault(file.name(name), [])
        entry += place
        for _ in range(count):
            left -= 1
            if left < 0:
                raise ValueError('it needs too many versions')
            _, flags, _, text, more = struct.unpack_from('<IHHII', file.data, entry)
            if not flags & _VER_WEAK:
                versions.append(file.name(text))
            entry += more
        if not step:
            break
        place += step
    return tuple((name, tuple(versions)) for name, versions in found.items())


def exports(path: str) -> Exports:
    """
    What a file of 64 bit offers to others.

    :raises OSError: it can't be read
    :raises ValueError, struct.error, IndexError: it is no sound ELF file
    """
    handle = open_regular(path)
    try:
        with mmap.mmap(handle, 0, access=mmap.ACCESS_READ) as data:
            segments, tags = _dynamic(data)
            if _STRTAB not in tags:
                return Exports()
            file = _File(data, segments, tags)
            first, last = file.hashed() if _SYMTAB in tags else (1, 1)
            # hidden and internal ones (1, 2) are nobody else's
            names = frozenset(file.text(name) for name, info, other, section, _, _ in file.symbols(first, last)
                              if section and name and other & 3 not in (1, 2)
                              and info >> 4 in (_GLOBAL, _WEAK, _UNIQUE)) if last > first else frozenset()
            return Exports(names, _defined_versions(file) if _VERDEF in tags else frozenset())
    finally:
        os.close(handle)


def _defined_versions(file: _File) -> FrozenSet[str]:
    found = set()
    place = file.at(file.tags[_VERDEF])
    for _ in range(min(file.tags.get(_VERDEFNUM, 0), _MOST_VERSIONS)):
        _, _, _, count, _, entry, step = struct.unpack_from('<HHHHIII', file.data, place)
        if count:
            found.add(file.name(struct.unpack_from('<I', file.data, place + entry)[0]))
        if not step:
            break
        place += step
    return frozenset(found)


def _dynamic(data) -> Tuple[List[tuple], Dict[int, int]]:
    """Program headers and dynamic segment of a file of 64 bit, little endian."""
    if data[:6] != b'\x7fELF\2\1':
        raise ValueError('not of 64 bit')
    offset, size, count = (*struct.unpack_from('<Q', data, 32), *struct.unpack_from('<HH', data, 54))
    segments = [struct.unpack_from('<IIQQQQQQ', data, offset + size * number) for number in range(count)]
    place = next((segment for segment in segments if segment[0] == _DYNAMIC), None)
    tags: Dict[int, int] = {}
    if place:
        for tag, value in struct.iter_unpack('<QQ', data[place[2]:place[2] + place[5] - place[5] % 16]):
            if tag == 0:
                break
            if tag in TAGS:
                tags[tag] = value
    return segments, tags
