# SPDX-License-Identifier: GPL-2.0-only
"""Symbols, versions and what meets in a process: real ELF files, and the system's own beside ldd -r and readelf."""
import os
import re
import subprocess
import types
from pathlib import Path

import pytest
from elves import Place

from lumi_hooks.packages import package
from lumi_hooks.verify import policy, symbols
from lumi_hooks.verify.check import Question, make_loader
from lumi_hooks.verify.elf import read_elf
from lumi_hooks.verify.loader import system_cache
from lumi_hooks.verify.locations import find_locations
from lumi_hooks.verify.rules import InstallationFacts
from lumi_hooks.verify.rules.symbols import _undefined
from lumi_hooks.verify.scan import Scan

SYSTEM = Path('/usr/lib/x86_64-linux-gnu')


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture
def gcc(tmp_path):
    """Compile C: gcc(path, text, *flags), without the C library and whatever the linker would object to."""
    def run(path, text, *flags, program=False):
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        source = tmp_path / 'source.c'
        source.write_text(text + ('\nvoid _start(void) {}\n' if program else ''))
        kind = ['-pie', '-fPIE'] if program else ['-shared', '-fPIC', f'-Wl,-soname,{path.name}']
        subprocess.run(['gcc', '-nostdlib', '-o', path, source, *kind, '-Wl,--no-as-needed,--allow-shlib-undefined',
                        '-Wl,--unresolved-symbols=ignore-all', *map(str, flags)], check=True, capture_output=True)
        return path
    return run


def versioned(gcc, tmp_path, path, *versions):
    """A library with a function in each of some versions."""
    script = tmp_path / 'versions.map'
    script.write_text(''.join(f'{version} {{ global: f{number}; }};\n' for number, version in enumerate(versions)))
    text = ''.join(f'int f{number}(void) {{ return 0; }}\n' for number in range(len(versions)))
    return gcc(path, text, f'-Wl,--version-script={script}')


# versions

def test_a_version_that_the_library_found_does_not_have(place, gcc, tmp_path):
    """As a program of GCC 14 that finds the libstdc++ of GCC 12."""
    new = versioned(gcc, tmp_path, tmp_path / 'new/libstdc++.so.6', 'GLIBCXX_3.4', 'GLIBCXX_3.4.32')
    old = versioned(gcc, tmp_path, place.software / 'gcc/1.0/lib/libstdc++.so.6', 'GLIBCXX_3.4')
    program = gcc(place.root / 'bin/thing', 'int f1(void); int call(void) { return f1(); }', new, program=True)
    (finding,) = [one for one in place.verify().findings if one.rule == 'symbol-version']
    assert (finding.file, finding.severity) == (str(program), 'error')
    assert finding.found == f'needs GLIBCXX_3.4.32 of libstdc++.so.6, and {old} does not have it'
    old.write_bytes(new.read_bytes())
    assert place.findings() == []


def test_a_library_without_versions_is_taken_as_it_is(place, gcc, tmp_path):
    new = versioned(gcc, tmp_path, tmp_path / 'new/libx.so.1', 'X_1')
    gcc(place.software / 'x/1.0/lib/libx.so.1', 'int f0(void) { return 0; }')
    gcc(place.root / 'bin/thing', 'int f0(void); int call(void) { return f0(); }', new, program=True)
    assert place.findings() == []


def test_a_weak_version_may_be_missing(place, gcc, tmp_path):
    """As binutils make them where all references are weak."""
    new = versioned(gcc, tmp_path, tmp_path / 'new/libx.so.1', 'X_1', 'X_2')
    versioned(gcc, tmp_path, place.software / 'x/1.0/lib/libx.so.1', 'X_1')
    path = gcc(place.root / 'bin/thing', 'int f0(void); int f1(void) __attribute__((weak));'
               'int call(void) { return f0() + (f1 ? f1() : 0); }', new, program=True)
    said = subprocess.run(['readelf', '-VW', path], capture_output=True, text=True, check=True).stdout
    weak = re.search(r'Name: X_2 +Flags: WEAK', said) is not None
    assert ('symbol-version' not in {one.rule for one in place.verify().findings}) == weak


# symbols

def test_a_symbol_of_a_program_that_no_library_defines(place, gcc, tmp_path):
    """The library that is found at run time is another one than it was linked with."""
    lib = gcc(place.software / 'x/1.0/lib/libx.so.1', 'int was(void) { return 0; }')
    gcc(place.root / 'bin/thing', 'int was(void); int call(void) { return was(); }', lib, program=True)
    assert place.findings() == []
    gcc(lib, 'int now(void) { return 0; }')
    assert place.findings() == [('thing', 'undefined', 'error')]
    assert 'no library that it loads defines was' in place.verify().findings[0].found


def test_a_symbol_of_an_own_library_that_a_program_loads(place, gcc):
    lib = gcc(place.root / 'lib/libthing.so.1', 'int lost(void); int call(void) { return lost(); }')
    other = gcc(place.software / 'x/1.0/lib/libx.so.1', 'int x;')
    path = '-Wl,-rpath,$ORIGIN/../lib'
    gcc(place.root / 'bin/thing', 'int call(void); int run(void) { return call(); }', lib, other, path, program=True)
    assert place.findings() == [('thing', 'undefined', 'error')]
    assert 'lost in ../lib/libthing.so.1' in place.verify().findings[0].found
    # the program brings it
    gcc(place.root / 'bin/thing', 'int lost(void) { return 0; } int call(void); int run(void) { return call(); }', lib,
        other, path, '-rdynamic', program=True)
    assert place.findings() == []


@pytest.mark.parametrize('text', [
    'extern int lost __attribute__((weak)); int *call(void) { return &lost; }',
    'static int one(void) { return 1; } static void *pick(void) { return one; }'
    'int chosen(void) __attribute__((ifunc("pick"))); int call(void) { return chosen(); }',
    '__thread int mine __attribute__((tls_model("initial-exec"))); int call(void) { return mine; }',
    '__thread int mine; int call(void) { return mine; }'])
def test_weak_symbols_ifuncs_and_thread_local_ones_are_no_findings(place, gcc, text):
    other = gcc(place.software / 'x/1.0/lib/libx.so.1', 'int x;')
    gcc(place.root / 'lib/libthing.so.1', text, other)
    assert place.findings() == []


def test_a_library_that_lacks_one_itself_is_a_warning(place, gcc):
    other = gcc(place.software / 'x/1.0/lib/libx.so.1', 'int x;')
    gcc(place.root / 'lib/libthing.so.1', 'int lost(void); int call(void) { return lost(); }', other)
    assert place.findings() == [('libthing.so.1', 'undefined-library', 'warning')]
    # another library of the installation has it, as OpenFOAM's do
    gcc(place.root / 'lib/libmore.so.1', 'int lost(void) { return 0; }', other)
    assert place.findings() == []


@pytest.mark.parametrize('file, symbol', [('lib/libthing.so.1', 'PyList_New'), ('lib/libthing.so.1', 'Rf_error'),
                                          ('lib/plugins/libthing.so', 'lost'), ('lib/thing.cpython-311.so', 'lost')])
def test_plugins_get_symbols_from_the_program_that_loads_them(place, gcc, file, symbol):
    other = gcc(place.software / 'x/1.0/lib/libx.so.1', 'int x;')
    gcc(place.root / file, f'int {symbol}(void); int call(void) {{ return {symbol}(); }}', other)
    assert place.findings() == []


def test_where_a_library_is_missing_nothing_is_said_of_symbols(place, gcc):
    other = gcc(place.software / 'x/1.0/lib/libx.so.1', 'int was(void) { return 0; }')
    gcc(place.root / 'bin/thing', 'int was(void); int call(void) { return was(); }', other, program=True)
    other.unlink()
    assert place.findings() == [('thing', 'missing', 'error')]


@pytest.mark.parametrize('hash_style', ['gnu', 'sysv', 'both'])
def test_symbols_as_readelf_has_them(gcc, tmp_path, hash_style):
    text = 'int lost(void); extern int *gone; int here(void) { return lost() + *gone; } int too;'
    lib = gcc(tmp_path / 'libx.so', text, f'-Wl,--hash-style={hash_style}')
    assert set(read_elf(str(lib), {}).imports.undefined.split(b'\0')) == {b'lost', b'gone'}
    assert symbols.exports(str(lib)).symbols == {b'here', b'too'}


def _files(number):
    libraries = [path for path in sorted(SYSTEM.glob('*.so.*')) if not path.is_symlink()]
    programs = [path for path in sorted(Path('/usr/bin').iterdir()) if not path.is_symlink() and path.is_file()]
    some = [path for paths in (libraries, programs) for path in paths[::max(1, len(paths) // number)]]
    return [path for path in some if path.read_bytes()[:4] == b'\x7fELF']


def test_the_systems_files_beside_readelf_and_ldd():
    """What they need and lack, as `readelf -V` and `ldd -r` say it, which run nothing but the loader."""
    question = Question(find_locations('/usr', {}, '/'), (), '25.03')
    loader = make_loader(question, Scan('/usr'), system_cache())
    installation = InstallationFacts(question.locations, Scan('/usr'), loader, ())
    compared = 0
    for path in _files(40):
        elf = read_elf(str(path), policy.processors())
        if not elf or not elf.needed:
            continue
        said = subprocess.run(['readelf', '-VW', path], capture_output=True, text=True, check=True).stdout
        needs = said.partition("section '.gnu.version_r'")[2].partition('\nVersion')[0]
        wanted = {}
        for line in needs.splitlines():
            file, name = re.search(r'File: (\S+)', line), re.search(r'Name: (\S+) +Flags: (\S+)', line)
            if file:
                wanted[file.group(1)] = []
                last = file.group(1)
            elif name and 'WEAK' not in name.group(2):
                wanted[last].append(name.group(1))
        assert {name: list(versions) for name, versions in elf.imports.versions} == wanted, path
        table = subprocess.run(['readelf', '-W', '--dyn-syms', path], capture_output=True, text=True, check=True).stdout
        rows = [line.split() for line in table.splitlines() if re.match(r' *\d+: ', line) and len(line.split()) > 7]
        asked = {row[7].split('@')[0] for row in rows if row[6] == 'UND' and row[4] == 'GLOBAL'}
        offered = {row[7].split('@')[0] for row in rows
                   if row[6] != 'UND' and row[4] != 'LOCAL' and row[5] == 'DEFAULT'}
        assert {name.decode() for name in elf.imports.undefined.split(b'\0') if name} == asked, path
        assert offered <= {name.decode() for name in symbols.exports(str(path)).symbols}, path
        done = subprocess.run(['ldd', '-r', path], capture_output=True, text=True, check=False)
        lost = re.findall(r'undefined symbol: ([^\s,]+).*\((\S+)\)', done.stdout + done.stderr)
        theirs = {name for name, where in lost if os.path.realpath(where) == str(path)}
        ours = {name.decode() for part, names in _undefined(installation, elf) if part is elf for name in names}
        assert ours == theirs, path
        compared += 1
    assert compared > 30


# what meets in a process

@pytest.mark.parametrize('one, other', [
    ('libhdf5_parallel_gnu.so.310', 'libhdf5_gnu.so.310'), ('libhdf5_parallel_gnu_123.so.200', 'libhdf5.so.310'),
    ('libhdf5_gnu_123.so.200', 'libhdf5_cray.so.200'), ('libnetcdf_parallel_gnu.so.19', 'libnetcdf_gnu.so.19')])
def test_two_builds_of_one_library(place, one, other):
    place.program(needs=[place.lib('libthing.so.1', needs=[place.cray(one)]), place.cray(other)])
    (finding,) = [finding for finding in place.verify().findings if finding.rule == 'library-twice']
    assert finding.severity == 'error' and other in finding.found
    assert f'{one}, by way of {place.root}/lib/libthing.so.1' in finding.found


def test_the_parts_of_one_hdf5_are_one(place):
    hdf5 = place.cray('libhdf5_parallel_gnu_123.so.200')
    place.program(needs=[place.cray('libhdf5_hl_parallel_gnu_123.so.200', needs=[hdf5]),
                         place.cray('libhdf5_fortran_parallel_gnu_123.so.200', needs=[hdf5]), hdf5,
                         place.cray('libnetcdf_parallel_gnu_123.so.19', needs=[hdf5])])
    assert place.findings() == []


def test_crays_libraries_for_two_compilers(place):
    place.program(needs=[place.lib('libthing.so', needs=[place.cray('libsci_cray.so.6')]), place.mpi()])
    assert place.findings() == [('thing', 'compilers-mixed', 'error')]
    (finding,) = place.verify().findings
    assert finding.found.endswith(': libmpi_gnu_123.so.12, libsci_cray.so.6')


def test_libsci_with_threads_and_without(place):
    """PETSc with OpenMP that loads a MUMPS without."""
    mumps = place.lib('libdmumps.so', needs=[place.cray('libsci_gnu_123_mpi.so.6'), place.cray('libsci_gnu_123.so.6')])
    place.program(needs=[mumps, place.cray('libsci_gnu_123_mpi_mp.so.6')])
    assert place.findings() == [('thing', 'libsci-mixed', 'warning')]
    place.program(needs=[mumps])
    assert place.findings() == []


# what a package has to be linked with

def test_B1_quantum_espresso_without_scalapack(place):
    fftw = place.cray('libfftw3.so.mpi31.3')
    place.program('pw.x', needs=[place.mpi(), place.cray('libsci_gnu_123_mp.so.6'), fftw])
    place.program('other', needs=[place.mpi()])
    assert place.findings(software='QuantumESPRESSO') == [('pw.x', 'links-missing', 'error')]
    assert place.findings() == []
    place.program('pw.x', needs=[place.mpi(), place.cray('libsci_gnu_123_mpi_mp.so.6'), fftw])
    assert place.findings(software='QuantumESPRESSO') == []


def test_what_a_package_must_not_load(place):
    """CDO is used on login nodes, where a program with MPI ends."""
    netcdf = place.cray('libnetcdf_gnu_123.so.19')
    place.program('cdo', needs=[netcdf, place.lib('libother.so', needs=[place.mpi()])])
    assert place.findings(software='CDO') == [('cdo', 'links-unwanted', 'error')]
    (finding,) = place.verify(software='CDO').findings
    assert 'loads libmpi_gnu_123.so.12: it is used on login nodes' in finding.found
    place.program('cdo', needs=[netcdf])
    assert place.findings(software='CDO') == [] and place.findings(software='Other') == []


@pytest.mark.parametrize('suffix, rules', [('-metis', {'links-missing'}), ('-metis-seq', set())])
def test_a_variant_without_mpi_needs_none(gcc, tmp_path, monkeypatch, suffix, rules):
    """MUMPS with its own stubs (-seq) is right without MPI and ScaLAPACK."""
    from lumi_hooks.verify.rules.links import links_missing
    facts = types.SimpleNamespace(
        software='MUMPS', binaries=lambda: [types.SimpleNamespace(path=f'{root}/lib/libdmumps.so')],
        loader=types.SimpleNamespace(closure=lambda _: ()),
        locations=types.SimpleNamespace(root=(root := f'{tmp_path}/MUMPS/5.7.3-cpeGNU-25.03{suffix}')))
    assert {'links-missing' for _ in links_missing(facts)} == rules


@pytest.mark.parametrize('software, file, kept', [
    ('CP2K', 'bin/cp2k.psmp', 'libmpi_gnu_123.so.12'), ('GROMACS', 'bin/gmx_mpi', None), ('HPL', 'bin/xhpl', None),
    ('OSU-Micro-Benchmarks', 'libexec/osu-micro-benchmarks/mpi/pt2pt/osu_bw', None)])
def test_B1_others_that_go_on_without_what_they_are_used_for(place, gcc, software, file, kept):
    assert package(software)['verify']['links']
    needs = [place.mpi(kept)] if kept else []
    gcc(place.root / file, '', *needs, program=True)
    assert {rule for _, rule, _ in place.findings(software=software)} == {'links-missing'}
