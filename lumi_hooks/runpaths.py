# SPDX-License-Identifier: GPL-2.0-only
"""
Takes folders out of the run path (DT_RPATH, DT_RUNPATH) of ELF files, in place, as `patchelf` and CMake do.

A string of the file's dynamic table is never moved, and its last folder, the only part of it that the linker may share
with another string, keeps its bytes: what is kept is written to the left of what goes, or begins further to the right.
The standard library suffices, so that it works inside `eb`, where no patchelf may be.
"""
import mmap
import os
import stat
import struct
from functools import partial
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from . import tree
from .files import of, open_regular

_ELF64 = b'\x7fELF\2\1'
_LOAD, _DYNAMIC = 1, 2
_NULL, _STRTAB, _RPATH, _RUNPATH = 0, 5, 15, 29
_TAG = struct.Struct('<QQ')
_SEGMENT = struct.Struct('<IIQQQQQQ')


class Taken(NamedTuple):
    """Folders that were taken out of a file's run path."""
    file: str
    folders: Tuple[str, ...]


def clean(root: str, unwanted: Callable[[str, str], bool]) -> Iterator[Taken]:
    """
    Take folders out of the run paths of all ELF files below a folder; yields what was changed. What can't be changed
    stays as it is.

    :param unwanted: called with a file and a folder of its run path
    """
    real = os.path.realpath(root)
    for entry in tree.entries(real):
        path = root + entry.path[len(real):]
        try:
            taken = _take_out(entry, partial(unwanted, path))
        except (OSError, ValueError, OverflowError, struct.error):
            continue
        if taken:
            yield Taken(path, taken)


def take_out(path: str, unwanted: Callable[[str], bool]) -> Tuple[str, ...]:
    """
    Take folders out of the run path of one file.

    :return: the folders that went; empty where it has none of them, or is no ELF file of 64 bit
    :raises OSError: it can't be read or written
    :raises ValueError, OverflowError, struct.error: it is no sound ELF file
    """
    with tree.opened(path) as entry:
        return _take_out(entry, unwanted)


def _take_out(entry: tree.Entry, unwanted: Callable[[str], bool]) -> Tuple[str, ...]:
    status = entry.status
    if not stat.S_ISREG(status.st_mode) or status.st_size < 64:
        return ()
    with os.fdopen(open_regular(of(entry.file)), 'rb') as handle:
        if handle.read(6) != _ELF64:
            return ()
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            edits, gone = _plan(data, unwanted)
    if edits:
        _write(of(entry.file), status, edits)
    return gone


def _plan(data, unwanted: Callable[[str], bool]) -> Tuple[Dict[int, bytes], Tuple[str, ...]]:
    """What is to be written where in a file, and the folders that go by it."""
    edits: Dict[int, bytes] = {}
    gone: List[str] = []
    place = _dynamic(data)
    if place is None:
        return edits, ()
    start, tags, strings = place
    values = {value for tag, value in tags if tag in (_RPATH, _RUNPATH)}
    if len(values) != 1:
        if values:
            raise ValueError('it has two different run paths')
        return edits, ()
    before, = values
    after = _shortened(data, strings, before, unwanted, edits, gone)
    if after != before:
        kept_tags = [(tag, after if tag in (_RPATH, _RUNPATH) else value) for tag, value in tags
                     if after is not None or tag not in (_RPATH, _RUNPATH)]
        # what follows a tag that goes moves up, as CMake and chrpath have it
        kept_tags.extend([(_NULL, 0)] * (len(tags) - len(kept_tags)))
        edits[start] = b''.join(_TAG.pack(tag, value or 0) for tag, value in kept_tags)
    return edits, tuple(dict.fromkeys(gone))


def _shortened(data, strings: int, value: int, unwanted: Callable[[str], bool], edits: Dict[int, bytes],
               gone: List[str]) -> Optional[int]:
    """Where a run path begins after its folders were taken out, relative to the strings; None where none is left."""
    begin = strings + value
    end = data.find(b'\0', begin)
    if end < 0:
        raise ValueError('a string lies outside of the file')
    folders = data[begin:end].decode('utf-8', 'surrogateescape').split(':')
    going = [folder for folder in folders if unwanted(folder)]
    kept = [folder for folder in folders if folder not in going]
    if not going:
        return value
    gone.extend(going)
    if not kept:
        return None
    text = ':'.join(kept).encode('utf-8', 'surrogateescape')
    if folders[-1] in kept:
        edits[end - len(text)] = text
        return value + (end - begin) - len(text)
    edits[begin] = text + b'\0'
    return value


def _dynamic(data) -> Optional[Tuple[int, List[Tuple[int, int]], int]]:
    """Offset of the dynamic table, its tags up to the closing one, offset of its strings; None where it has none."""
    offset, size, count = (*struct.unpack_from('<Q', data, 32), *struct.unpack_from('<HH', data, 54))
    segments = [_SEGMENT.unpack_from(data, offset + size * number) for number in range(count)]
    found = next((segment for segment in segments if segment[0] == _DYNAMIC), None)
    if found is None:
        return None
    tags: List[Tuple[int, int]] = []
    for position in range(found[2], found[2] + found[5] - 15, 16):
        tags.append(_TAG.unpack_from(data, position))
        if tags[-1][0] == _NULL:
            break
    address = dict(tags).get(_STRTAB)
    if address is None:
        return None
    for segment in segments:
        if segment[0] == _LOAD and segment[3] <= address < segment[3] + segment[5]:
            return found[2], tags, address - segment[3] + segment[2]
    raise ValueError('the table of strings lies in no segment')


def _write(path: str, status: os.stat_result, edits: Dict[int, bytes]) -> None:
    """Write into a file, also into one that its owner may not write, which is so again afterwards."""
    mode = stat.S_IMODE(status.st_mode)
    if not mode & stat.S_IWUSR:
        os.chmod(path, mode | stat.S_IWUSR)
    try:
        with open(path, 'r+b') as handle:
            for position, content in edits.items():
                handle.seek(position)
                handle.write(content)
    finally:
        if not mode & stat.S_IWUSR:
            os.chmod(path, mode)
