# SPDX-License-Identifier: GPL-2.0-only
"""Makes real ELF files with gcc for the tests of `verify`, and bundles of GPU code byte by byte."""
import struct
import subprocess
import zlib
from pathlib import Path

from lumi_hooks.verify.check import Question, verify
from lumi_hooks.verify.locations import find_locations

MACHINE_CODE = b'\x7fELF' + bytes(60)


def compiled(path, *flags, needs=(), soname=None, runpath=None, rpath=None, program=False, fatbin=None,
             section='.hip_fatbin', defines=(), calls=(), text='',
             more=()):
    """
    Compile a library (or program) that names the libraries `needs` (paths of files made by this too).

    `fatbin` is what lies in the section of GPU code, `defines` are functions that it has, `calls` those that others
    have to have, `text` is in it as it is. Nothing of the C library is in it, so that nothing but what a test asks for
    is loaded.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_name(path.name + '.c')
    code = 'int _start(void) { return 0; }\n' if program else 'int nothing;\n'
    code += ''.join(f'int {name}(void) {{ return 0; }}\n' for name in defines)
    code += ''.join(f'int {name}(void); int call_{name}(void) {{ return {name}(); }}\n' for name in calls)
    if text:
        code += f'__attribute__((used)) static const char text[] = "{text}";\n'
    if fatbin is not None:
        data = path.with_name(path.name + '.bin')
        data.write_bytes(fatbin)
        code += f'__asm__(".section {section},\\"a\\"\\n.incbin \\"{data}\\"\\n");\n'
    source.write_text(code)
    command = ['gcc', '-O0', '-nostdlib', '-o', str(path), str(source), '-Wl,--no-as-needed,--allow-shlib-undefined',
               '-Wl,--unresolved-symbols=ignore-all']
    command.extend(['-pie'] if program else ['-shared', '-fPIC'])
    command.extend(str(need) for need in needs)
    if soname:
        command.append(f'-Wl,-soname,{soname}')
    if runpath:
        command.append(f'-Wl,--enable-new-dtags,-rpath,{runpath}')
    if rpath:
        command.append(f'-Wl,--disable-new-dtags,-rpath,{rpath}')
    subprocess.run([*command, *flags, *more], check=True, capture_output=True, text=True)
    source.unlink()
    if fatbin is not None:
        data.unlink()
    return path


def library(folder, name, **more):
    """A library with its file name as SONAME."""
    return compiled(Path(folder) / name, soname=name, **more)


def bundle(*targets, align=4096):
    """A bundle as clang-offload-bundler writes it: the host's empty entry, and one for each target."""
    names = [b'host-x86_64-unknown-linux--', *(f'hipv4-amdgcn-amd-amdhsa--{target}'.encode() for target in targets)]
    head = b'__CLANG_OFFLOAD_BUNDLE__' + struct.pack('<Q', len(names))
    table, offset, body = b'', align, b''
    for name in names:
        size = 0 if name.startswith(b'host') else len(MACHINE_CODE)
        table += struct.pack('<QQQ', offset + len(body), size, len(name)) + name
        body += MACHINE_CODE[:size]
    return (head + table).ljust(align, b'\0') + body


def packed(data, version=2, method='zlib'):
    """A bundle, compressed as clang does."""
    if method == 'zlib':
        body, number = zlib.compress(data), 0
    else:
        import zstandard
        body, number = zstandard.ZstdCompressor().compress(data), 1
    start = b'CCOB' + struct.pack('<HH', version, number)
    if version == 1:
        return start + struct.pack('<IQ', len(data), 7) + body
    form = '<IIQ' if version == 2 else '<QQQ'
    size = len(start) + struct.calcsize(form) + len(body)
    return start + struct.pack(form, size, len(data), 7) + body


def code_object(flags, notes=b''):
    """The ELF file of a GPU code object: a header, and a note segment."""
    ident = b'\x7fELF\x02\x01\x01\x40\x02' + bytes(7)
    size = 64 + 56
    header = ident + struct.pack('<HHIQQQIHHHHHH', 3, 224, 1, 0, 64, 0, flags, 64, 56, 1, 64, 0, 0)
    return header + struct.pack('<IIQQQQQQ', 4, 4, size, 0, 0, len(notes), len(notes), 4) + notes


class Place:
    """A small system in a folder: opt/cray and opt/rocm, software, and an installation that is verified."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.system = self.folder / 'system'
        self.pe = self.system / 'opt/cray/pe/lib64'
        self.rocm = self.system / 'opt/rocm-6.3.4/lib'
        self.software = self.folder / 'software'
        self.root = self.software / 'Thing/1.0-cpeGNU-25.03'
        self.build = self.folder / 'build'
        for path in (self.pe, self.rocm, self.root / 'lib', self.root / 'bin', self.build):
            path.mkdir(parents=True)

    def cray(self, name, **more):
        """A library that the Cray PE brings."""
        return library(self.pe, name, **more)

    def mpi(self, name='libmpi_gnu_123.so.12', **more):
        """Cray MPICH, on the system's libfabric."""
        folder = self.system / 'opt/cray/libfabric/1.22.0/lib64'
        return self.cray(name, needs=[library(folder, 'libfabric.so.1')], rpath=folder, **more)

    def hip(self):
        """The run time of HIP."""
        return library(self.rocm, 'libamdhip64.so.6')

    def other(self, name, package='Other', **more):
        """A library of another package of the user."""
        return library(self.software / package / '1.0/lib', name, **more)

    def lib(self, name, **more):
        """A library of the installation."""
        return library(self.root / 'lib', name, **more)

    def program(self, name='thing', **more):
        """A program of the installation."""
        return compiled(self.root / 'bin' / name, program=True, **more)

    def verify(self, library_path=(), root=None, cache=None, **more):
        """The report on the installation."""
        root = str(root or self.root)
        locations = find_locations(root, {}, str(self.system), [str(self.software)], [str(self.build)])
        path = [*library_path, *sorted(str(folder) for folder in self.software.glob('*/*/lib')), str(self.rocm)]
        return verify(Question(locations, tuple(map(str, path)), '25.03', jobs=1, **more), cache=cache or {})

    def findings(self, **more):
        """File names and rules that were found."""
        return [(Path(one.file).name, one.rule, one.severity) for one in self.verify(**more).findings]
