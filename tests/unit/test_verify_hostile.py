# SPDX-License-Identifier: GPL-2.0-only
"""ELF files that claim anything: each gets a clear word, takes no memory for what it claims, and ends at once."""
import os
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
from elves import bundle, compiled, library

from lumi_hooks.verify.check import Question, verify
from lumi_hooks.verify.elf import NotReadable, machine_name, read_elf
from lumi_hooks.verify.locations import Locations
from lumi_hooks.verify.policy import processors

SEGMENT, SECTION = '<IIQQQQQQ', '<IIQQQQIIQQ'
LARGE = 1 << 28


def head(kind=3, machine=62, phoff=0, phnum=0, shoff=0, shnum=0, names=0, flags=0):
    """The header of an ELF file of 64 bit."""
    return b'\x7fELF\2\1\1'.ljust(16, b'\0') + struct.pack(
        '<HHIQQQIHHHHHH', kind, machine, 1, 0, phoff, shoff, flags, 64, 56, phnum, 64, shnum, names)


def large(path, start):
    """A file of 256 MB that takes no room, with these bytes at its beginning."""
    path.write_bytes(start)
    os.truncate(path, LARGE)
    return path


def dynamic(entries):
    """A library whose dynamic segment and strings are these; the strings are the file itself."""
    table = b''.join(struct.pack('<QQ', *entry) for entry in entries)
    segments = struct.pack(SEGMENT, 1, 4, 0, 0, 0, LARGE, LARGE, 4) + struct.pack(
        SEGMENT, 2, 4, 176, 176, 0, len(table), len(table), 8)
    return head(phoff=64, phnum=2) + segments + table


def claims(name):
    """The beginning of a file that claims too much."""
    if name == 'sections':  # their number is in the first section
        return head(shoff=64) + struct.pack(SECTION, 0, 0, 0, 0, 0, LARGE // 64 - 1, 0, 0, 0, 0)
    if name == 'names of sections':
        return head(shoff=64, shnum=1) + struct.pack(SECTION, 1, 3, 0, 0, 0, LARGE, 0, 0, 0, 0)
    if name == 'notes':
        return head(machine=224, phoff=64, phnum=65535) + 65535 * struct.pack(SEGMENT, 4, 4, 0, 0, 0, LARGE, LARGE, 4)
    if name == 'code':
        names = b'\0.hip_fatbin\0'
        return head(shoff=64, shnum=60000) + struct.pack(
            SECTION, 0, 3, 0, 0, 64 + 60000 * 64, len(names), 0, 0, 0, 0) + 59999 * struct.pack(
                SECTION, 1, 1, 0, 0, 0, LARGE, 0, 0, 0, 0) + names
    if name == 'dynamic segment':
        return head(phoff=64, phnum=1) + struct.pack(SEGMENT, 2, 4, 0, 0, 0, LARGE, LARGE, 8)
    # many names, each of which is one and the same long string behind the table of strings
    many = dynamic([(5, 1)] + 60000 * [(1, 1 << 20)] + [(0, 0)])
    assert name == 'strings' and len(many) < 1 << 20
    return many.ljust((1 << 20) + 1, b'\0') + b'x' * ((1 << 20) - 10)


@pytest.mark.security
@pytest.mark.parametrize('name', ['sections', 'names of sections', 'notes', 'code', 'dynamic segment', 'strings'])
def test_what_a_file_claims_takes_no_memory(tmp_path, name):
    path = large(tmp_path / 'libx.so', claims(name))
    tracemalloc.start()
    start = time.monotonic()
    try:
        try:
            facts = read_elf(str(path), processors())
        except NotReadable as err:
            assert 'not a sound ELF file' in str(err)
        else:
            assert name == 'notes' and facts.unknown_gpu
        assert tracemalloc.get_traced_memory()[1] < 48 << 20
        assert time.monotonic() - start < 20
    finally:
        tracemalloc.stop()


@pytest.mark.security
def test_a_file_cut_off_anywhere_is_a_finding_and_no_traceback(tmp_path):
    need = library(tmp_path / 'need', 'libneed.so')
    whole = compiled(tmp_path / 'x', soname='x', needs=[need], runpath='/a', fatbin=bundle('gfx90a')).read_bytes()
    folder = tmp_path / 'cut'
    folder.mkdir()
    for size in [*range(4, 400, 7), *range(400, len(whole), 997)]:
        (folder / f'{size:06}').write_bytes(whole[:size])
    report = verify(Question(Locations(str(folder), '/', builds=()), (), '25.03', jobs=1), cache={})
    told = {Path(one.file).name: one.found for one in report.findings if one.rule == 'unreadable'}
    assert len(told) > 50 and all('not a sound ELF file' in text for text in told.values())
    assert {f'{size:06}' for size in range(4, 400, 7)} <= set(told)


@pytest.mark.security
def test_a_few_bytes_of_zstd_do_not_unpack_to_gigabytes(tmp_path):
    zstandard = pytest.importorskip('zstandard')
    body = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    path = tmp_path / 'x.hsaco'
    path.write_bytes(b'CCOB' + struct.pack('<HH', 2, 1) + struct.pack('<IIQ', len(body) + 24, 1 << 28, 7) + body)
    tracemalloc.start()
    try:
        assert 'does not hold a bundle' in read_elf(str(path), processors()).unknown_gpu
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize('data, machine', [
    (b'\x7fELF\1\1\1'.ljust(16, b'\0') + struct.pack('<HH', 3, 3), 'EM_386'),
    (b'\x7fELF\2\2\1'.ljust(16, b'\0') + struct.pack('>HH', 3, 22), 'EM_S390'),
    (b'\x7fELF\1\1\1'.ljust(16, b'\0') + struct.pack('<HH', 3, 4711), 'EM_4711')])
def test_files_of_other_machines(tmp_path, data, machine):
    (tmp_path / 'x').write_bytes(data)
    assert read_elf(str(tmp_path / 'x'), processors()).machine == machine


def test_more_sections_than_the_header_can_count(tmp_path):
    """As of object files with a section a function: the first section holds their number."""
    names = b'\0.hip_fatbin\0'
    fat = bundle('gfx90a')
    at = 64 + 70002 * 64
    table = struct.pack(SECTION, 0, 0, 0, 0, 0, 70002, 70000, 0, 0, 0) + 69999 * bytes(64) + struct.pack(
        SECTION, 0, 3, 0, 0, at, len(names), 0, 0, 0, 0) + struct.pack(
            SECTION, 1, 1, 0, 0, at + len(names), len(fat), 0, 0, 0, 0)
    (tmp_path / 'x.o').write_bytes(head(1, shoff=64, names=0xffff) + table + names + fat)
    assert read_elf(str(tmp_path / 'x.o'), processors()).gpu == ('gfx90a',)


def test_machines_are_named_as_elf_h_names_them():
    header = Path('/usr/include/elf.h').read_text()
    for number in (0, 3, 21, 62, 183, 190, 224, 243):
        assert f'#define {machine_name(number)}' in header
