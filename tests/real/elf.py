# SPDX-License-Identifier: GPL-2.0-only
"""What the tests ask of ELF files; not the project's own reader, so that it can be measured against this one."""
import re
import struct
import subprocess


def needed(path):
    """Names of the libraries that an ELF file needs, in order, by readelf."""
    out = subprocess.run(['readelf', '-d', path], text=True, capture_output=True, check=True).stdout
    return re.findall(r'\(NEEDED\).*\[(.+)\]', out)


def gpu_targets(path):
    """
    GPUs that an ELF file holds device code for: the entries of the offload bundle in .hip_fatbin, sorted.

    The bundle: magic, number of entries, then (offset, size, length of the name, name) of each, as
    https://clang.llvm.org/docs/ClangOffloadBundler.html has it. A code object is an ELF file of its own.
    """
    data = section(path, '.hip_fatbin')
    magic, found, at = b'__CLANG_OFFLOAD_BUNDLE__', set(), 0
    while (at := data.find(magic, at)) >= 0:
        position = at + len(magic)
        count, = struct.unpack_from('<Q', data, position)
        position += 8
        for _ in range(count):
            offset, size, length = struct.unpack_from('<QQQ', data, position)
            name = data[position + 24:position + 24 + length].decode()
            position += 24 + length
            if not name.startswith('host'):
                code = data[at + offset:at + offset + size]
                assert code[:4] == b'\x7fELF' and struct.unpack_from('<H', code, 18)[0] == 224, f'{name}: not for a GPU'
                found.add(name.rsplit('--', 1)[1])
        at += len(magic)
    return sorted(found)


def section(path, name):
    """Contents of a section of an ELF file; nothing, if it has none of that name."""
    out = subprocess.run(['readelf', '-S', '-W', path], text=True, capture_output=True, check=True).stdout
    match = re.search(rf' {re.escape(name)} +\S+ +\S+ +(\S+) +(\S+)', out)
    if not match:
        return b''
    offset, size = (int(value, 16) for value in match.groups())
    with open(path, 'rb') as file:
        file.seek(offset)
        return file.read(size)
