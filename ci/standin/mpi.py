# SPDX-License-Identifier: GPL-2.0-only
"""libfabric and Cray MPICH: the MPICH of PyPI's wheel (ch4 over OFI) under Cray's library names."""

import zipfile

from .elf import place, publish
from .gtl import GTL_CHECK
from .interface import functions, narrow
from .layout import facts
from .steps import Staging, copy_tree, link, write

LIBFABRIC_PC = """prefix=%(prefix)s
exec_prefix=${prefix}
libdir=${prefix}/lib64
includedir=${prefix}/include

Name: libfabric
Description: OFI-WG libfabric
Version: %(version)s
Libs: -L${libdir} -lfabric
Cflags: -I${includedir}
"""

MPICH_PC = """prefix=%(prefix)s
libdir=${prefix}/lib
includedir=${prefix}/include

Name: mpich
Description: Cray MPICH (stand-in: MPICH %(real)s)
Version: %(version)s
Libs: -L${libdir} -lmpi_%(name)s
Cflags: -I${includedir}
"""

# Cray MPICH ships these beside the Cray wrappers: they call the bare compiler. -show and its kin serve CMake.
MPICC = """#!/bin/sh
prefix='%(prefix)s'
flags="-I$prefix/include" libs="-L$prefix/lib %(libs)s"
case ${1:-} in
  -show|--show|-show-command) echo "%(compiler)s $flags $libs"; exit ;;
  -compile_info|-compile-info|--showme:compile) echo "%(compiler)s $flags"; exit ;;
  -link_info|-link-info|--showme:link) echo "%(compiler)s $libs"; exit ;;
  -v|-V|--version|-dumpversion|-dumpmachine|-print-*) exec %(compiler)s "$@" ;;
esac
for word; do case $word in -c|-S|-E|-M|-MM) exec %(compiler)s $flags "$@" ;; esac; done
exec %(compiler)s $flags "$@" -Wl,-rpath-link,'%(libfabric)s/lib64' $libs
"""


# The Fortran library is that of an older MPICH, which calls functions of the C library that have other names since.
COMPATIBILITY = {
    '8': """#include <mpi.h>
int MPII_Comm_get_attr(MPI_Comm, int, void *, int *, int);
int MPII_Comm_get_attr_fort(MPI_Comm comm, int key, void *value, int *flag, int type)
{
    return MPII_Comm_get_attr(comm, key, value, flag, type);
}
""",
    '9': """#include <mpi.h>
int MPI_Remove_error_class(int), MPI_Remove_error_code(int), MPI_Remove_error_string(int);
int PMPIX_Delete_error_class(int x) { return MPI_Remove_error_class(x); }
int PMPIX_Delete_error_code(int x) { return MPI_Remove_error_code(x); }
int PMPIX_Delete_error_string(int x) { return MPI_Remove_error_string(x); }
int MPIX_Delete_error_class(int x) { return MPI_Remove_error_class(x); }
int MPIX_Delete_error_code(int x) { return MPI_Remove_error_code(x); }
int MPIX_Delete_error_string(int x) { return MPI_Remove_error_string(x); }
""",
}

# what MPI_Get_library_version says, as on LUMI; the second line has the date of the build there
VERSION = """MPI VERSION    : CRAY MPICH version %s (ANL base %s)
MPI BUILD INFO : stand-in of lumi-hooks, MPICH %s is behind it
"""


def wheel_tree(builder):
    """Return the folder `data` of the unpacked mpich wheel; unpack it when that was not done."""
    layout = builder.layout
    version = facts()['wheels']['mpich']
    target = layout.store / 'mpich-wheel'
    data = target / ('mpich-%s.data/data' % version)
    if not data.exists():
        wheel = sorted((layout.store / 'wheels').glob('mpich-%s-*.whl' % version))[-1]
        with Staging(target) as tree, zipfile.ZipFile(wheel) as archive:
            archive.extractall(tree)
    return data


def install_libfabric(builder):
    """Put the wheel's libfabric where LUMI has it, with a pkg-config file; the headers are Debian's."""
    layout = builder.layout
    data = wheel_tree(builder)
    with Staging(layout.libfabric) as tree:
        place(
            builder,
            data / 'lib/mpich/libfabric.so.1',
            tree / 'lib64',
            links=['libfabric.so'],
            runpath=[layout.libfabric / 'lib64'],
        )
        # the provider plugins of the wheel (verbs, psm2, efa) need hardware libraries of their own: left out
        (tree / 'include').mkdir()
        headers = layout.debian / 'usr/include/rdma'
        if headers.is_dir():
            copy_tree(headers, tree / 'include/rdma')
        write(
            tree / 'lib64/pkgconfig/libfabric.pc',
            LIBFABRIC_PC % {'prefix': layout.libfabric, 'version': layout.libfabric_version},
        )
    link(layout.libfabric_version, layout.libfabric.parent / 'default')


def install_mpich(builder, release):
    """Install the MPI library of one release for its compilers.

    builder: the run. release: of the Cray PE, under a PrgEnv.
    """
    layout = builder.layout
    data = wheel_tree(builder)
    prefix = layout.mpich(release)
    version = release.version('cray-mpich')
    name = release.library('cray-mpich')
    major = version.split('.')[0]
    about = facts()['mpich'][major]
    debian = layout.packages(about['suite'])
    version_text = VERSION % (version, about['base'], facts()['wheels']['mpich'])
    support = layout.standin / 'ucx/lib'  # the wheel's libmpi is linked to UCX as well; it is not used
    if not support.exists():
        with Staging(support) as folder:
            for path in sorted((data / 'lib/mpich').glob('libuc*')):
                place(builder, path, folder, runpath=[support])
    runpath = [layout.libfabric / 'lib64', support, layout.standin / 'lib']
    compat = 'libstandin_mpich%s.so' % major
    write(layout.store / 'build' / (compat + '.c'), COMPATIBILITY[major])
    builder.run(
        ['/usr/bin/gcc', '-O1', '-shared', '-fPIC', '-I', debian / 'usr/include/x86_64-linux-gnu/mpich']
        + ['-Wl,-soname,' + compat, '-o', layout.standin / 'lib' / compat, layout.store / 'build' / (compat + '.c')],
        'compiling ' + compat,
    )
    with Staging(prefix) as tree:
        copy_headers(debian / 'usr/include/x86_64-linux-gnu/mpich', tree / 'include')
        for folder, c_name, fortran in (
            ('lib', release.soname('cray-mpich', 'libmpi'), release.soname('cray-mpich', 'libmpifort')),
            ('lib-abi-mpich', 'libmpi.so.12', 'libmpifort.so.12'),
        ):
            plain = folder == 'lib'
            place(
                builder,
                data / 'lib/libmpi.so.12',
                tree / folder,
                c_name,
                runpath=runpath,
                links=['libmpi_%s.so' % name, 'libmpi.so', 'libmpich.so']
                if plain
                else ['libmpi.so', 'libmpich.so.12'],
            )
            builder.run(
                [layout.patchelf, '--add-needed', GTL_CHECK, tree / folder / c_name],
                'patching ' + c_name,
                log='patchelf',
            )
            place(
                builder,
                debian / 'usr/lib/x86_64-linux-gnu/libmpichfort.so.12',
                tree / folder,
                fortran,
                {'libmpich.so.12': c_name},
                runpath=[layout.standin / 'lib'],
                links=['libmpifort_%s.so' % name, 'libmpifort.so', 'libmpichf90.so']
                if plain
                else ['libmpifort.so', 'libmpichfort.so.12'],
            )
            builder.run(
                [layout.patchelf, '--add-needed', compat, tree / folder / fortran],
                'patching ' + fortran,
                log='patchelf',
            )
            narrow(tree / folder / c_name, functions(about['functions']), about['mpi'], version_text)
        fields = {
            'prefix': prefix,
            'version': version,
            'real': facts()['wheels']['mpich'],
            'name': name,
        }
        for product in ('mpich', 'cray-mpich', 'mpichf90'):
            text = MPICH_PC % fields
            if product == 'mpichf90':
                text = text.replace('Libs: ', 'Libs: -lmpifort_%s ' % name).replace(
                    'Name: mpich', 'Name: mpichf90'
                )
            write(tree / 'lib/pkgconfig' / (product + '.pc'), text)
        c, cxx, fortran = bare_compilers(layout, release)
        for command, compiler, libs in (
            ('mpicc', c, ''),
            ('mpicxx', cxx, ''),
            ('mpic++', cxx, ''),
            ('mpifort', fortran, '-lmpifort_'),
            ('mpif90', fortran, '-lmpifort_'),
            ('mpif77', fortran, '-lmpifort_'),
        ):
            libs = ((libs + name + ' ') if libs else '') + '-lmpi_' + name
            write(
                tree / 'bin' / command,
                MPICC % {'prefix': prefix, 'compiler': compiler, 'libs': libs, 'libfabric': layout.libfabric},
                0o755,
            )
        write(tree / 'bin/mpichversion', '#!/bin/sh\ncat <<END\n%sEND\n' % version_text, 0o755)
    publish(layout, prefix / 'lib')


def bare_compilers(layout, release):
    """Return the C, C++ and Fortran compilers that mpicc and its kin call, without the Cray wrappers."""
    version = release.compiler[1]
    if release.pe_env == 'CRAY':
        return [layout.cce(version) / 'bin' / name for name in ('craycc', 'crayCC', 'crayftn')]
    if release.pe_env == 'AOCC':
        return [layout.aocc(version) / 'bin' / name for name in ('clang', 'clang++', 'flang')]
    if release.pe_env == 'AMD':
        return [layout.rocm(version) / 'bin' / name for name in ('amdclang', 'amdclang++', 'amdflang')]
    return ['gcc', 'g++', 'gfortran']


def copy_headers(source, target):
    """Copy MPICH's headers and Fortran modules without the C++ bindings, which Cray MPICH does not have."""
    copy_tree(source, target)
    header = target / 'mpi.h'
    text = header.read_text(errors='surrogateescape')
    text = text.replace('#include "mpicxx.h"', '/* no C++ bindings: as in Cray MPICH */')
    header.write_text(text, errors='surrogateescape')
    (target / 'mpicxx.h').unlink(missing_ok=True)
