# SPDX-License-Identifier: GPL-2.0-only
"""The interface of Cray MPICH: one library is behind all versions; it shows what the MPICH of each version shows."""

import json
import re
import struct

from .layout import RELEASES, Problem

# functions of MPI: the standard's, MPICH's own, and those of tools; no constants (MPI_F08_STATUS_IGNORE)
API = re.compile(r'(P?MPIX?_|QMPI_)\w*[a-z]\w*')
# visibility STV_HIDDEN: the loader finds such a symbol for its own library only
HIDDEN = 2


class Elf:
    """What has to be known of a 64-bit shared library to change its table of dynamic symbols in place."""

    def __init__(self, path):
        """path: the library. Raises Problem if it has no table of dynamic symbols."""
        self.path = path
        self.data = bytearray(path.read_bytes())
        programs, sections = struct.unpack_from('<QQ', self.data, 32)
        count = struct.unpack_from('<H', self.data, 56)[0]
        self.segments = [
            struct.unpack_from('<IIQQQQQQ', self.data, programs + 56 * number) for number in range(count)
        ]
        count = struct.unpack_from('<H', self.data, 60)[0]
        headers = [struct.unpack_from('<IIQQQQIIQQ', self.data, sections + 64 * number) for number in range(count)]
        tables = [header for header in headers if header[1] == 11]  # SHT_DYNSYM
        if not tables:
            raise Problem('%s has no table of dynamic symbols' % path)
        self.table, self.size, names = tables[0][4], tables[0][5], headers[tables[0][6]]
        self.names = bytes(self.data[names[4] : names[4] + names[5]])

    def defined(self):
        """Return name -> place of its entry, for the symbols that the library defines and shows."""
        found = {}
        for place in range(self.table, self.table + self.size, 24):
            name, info, other, section = struct.unpack_from('<IBBH', self.data, place)
            if section and info >> 4 in (1, 2) and other & 3 != HIDDEN:
                found[self.names[name : self.names.index(b'\0', name)].decode()] = place
        return found

    def hide(self, place):
        """Hide the symbol whose entry is at a place; the library's own calls still reach it.

        Its address stays. The linker does not look at the visibility, so it is told that the symbol is a weak one of
        somebody else's.
        """
        self.data[place + 4] = self.data[place + 4] & 15 | 2 << 4
        self.data[place + 5] = self.data[place + 5] & ~3 | HIDDEN
        self.data[place + 6 : place + 8] = b'\0\0'

    def put(self, name, code):
        """Put machine code in the place of a function. Raises Problem if it does not fit."""
        address, size = struct.unpack_from('<QQ', self.data, self.defined()[name] + 8)
        if len(code) > size:
            raise Problem('%s: the code of %s has %d bytes, not %d' % (self.path, name, size, len(code)))
        for kind, _, offset, start, _, length, _, _ in self.segments:
            if kind == 1 and start <= address < start + length:
                self.data[offset + address - start : offset + address - start + len(code)] = code


def functions(mpich):
    """Return the functions of MPI that a version of MPICH has, as lumi_hooks/releases/mpisymbols.json has recorded."""
    found = set()
    for entry in json.loads((RELEASES / 'mpisymbols.json').read_text())['versions']:
        found = (found | set(entry['names'])) - set(entry['gone'])
        if entry['mpich'] == mpich:
            return found
    raise Problem('lumi_hooks/releases/mpisymbols.json has no MPICH %s' % mpich)


def narrow(library, wanted, version, text):
    """Let an MPI library show what an older one shows, and call itself by its names.

    library: the library, changed in place. wanted: the functions of the MPICH to be, without those of the profiling
    interface (PMPI_…), which go with them; all others are hidden. version: two numbers for MPI_Get_version. text: for
    MPI_Get_library_version.
    """
    elf = Elf(library)
    for name, place in elf.defined().items():
        if API.fullmatch(name) and name.lstrip('P') not in wanted:
            elf.hide(place)
    elf.put('MPI_Get_version', get_version(*version))
    elf.put('MPI_Get_library_version', get_library_version(text.encode()))
    library.write_bytes(elf.data)


def get_version(version, subversion):
    """Return the code of int MPI_Get_version(int *, int *): two numbers are stored, 0 is returned."""
    return b'\xc7\x07' + struct.pack('<i', version) + b'\xc7\x06' + struct.pack('<i', subversion) + b'\x31\xc0\xc3'


def get_library_version(text):
    """Return the code of int MPI_Get_library_version(char *, int *): the text behind it is copied, 0 is returned."""
    copy = b'\xb9' + struct.pack('<i', len(text) + 1) + b'\xf3\xa4\x31\xc0\xc3'  # ecx = length; rep movsb; return 0
    store = b'\xc7\x06' + struct.pack('<i', len(text))  # *resultlen = length, which rsi points at
    return store + b'\x48\x8d\x35' + struct.pack('<i', len(copy)) + copy + text + b'\0'  # rsi = the text
