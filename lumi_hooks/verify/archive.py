# SPDX-License-Identifier: GPL-2.0-only
"""
Static libraries: the object files in an archive of `ar`, in the layout of System V and GNU (ar(5)).

They are no part of any process yet; what is looked at is the GPU code that a program will get from them.
"""
from typing import Iterator, Tuple

MAGIC = b'!<arch>\n'
# a header: name, date, owner, group, mode, size in bytes (48 to 58), two closing bytes
_HEADER, _SIZE, _END = 60, slice(48, 58), b'`\n'


def members(data) -> Iterator[Tuple[int, int]]:
    """
    Where the contents of an archive's members begin and end, one after the other, its own tables too.

    :param data: the file's contents: bytes or a memory map
    :raises ValueError: it is cut off, or no archive
    """
    position = len(MAGIC)
    while position < len(data):
        header = data[position:position + _HEADER]
        if len(header) < _HEADER or header[-2:] != _END:
            raise ValueError('a member of the archive has no header')
        size = int(header[_SIZE])
        position += _HEADER
        if size < 0 or position + size > len(data):
            raise ValueError('a member lies outside of the archive')
        yield position, position + size
        position += size + size % 2
