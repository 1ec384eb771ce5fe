# SPDX-License-Identifier: GPL-2.0-only
"""LibSci: OpenBLAS and ScaLAPACK under LibSci's names."""

from .elf import place, publish
from .steps import Staging, write

PC = """prefix=%(prefix)s
libdir=${prefix}/lib
includedir=${prefix}/include

Name: %(name)s
Description: BLAS, LAPACK%(mpi)s (stand-in for Cray LibSci)
Version: %(version)s
Libs: -L${libdir} -l%(name)s
Cflags: -I${includedir}
"""


def install_libsci(builder, release):
    """Install LibSci of one release for its compilers: serial, _mp (OpenMP), _mpi and _mpi_mp.

    builder: the run. release: of the Cray PE.
    """
    layout = builder.layout
    prefix = layout.libsci(release)
    base = 'libsci_' + release.library('cray-libsci')
    # LLVM's OpenMP answers to the names of GCC's: a program must not hold both
    openmp = {'libgomp.so.1': release.about.get('openmp', 'libgomp.so.1')}
    version = release.version('cray-libsci')
    with Staging(prefix) as tree:
        lib = tree / 'lib'
        for suffix, flavour in (('', 'serial'), ('_mp', 'openmp')):
            blas = '%s%s.so.6' % (base, suffix)
            place(
                builder,
                layout.debian_lib / ('openblas-%s/libopenblas.so.0' % flavour),
                lib,
                blas,
                openmp,
                links=['%s%s.so' % (base, suffix), '%s%s.so.6.0' % (base, suffix)],
            )
            renames = {
                'liblapack.so.3': blas,
                'libblas.so.3': blas,
                'libmpich.so.12': release.soname('cray-mpich', 'libmpi'),
            }
            place(
                builder,
                layout.debian_lib / 'libscalapack-mpich.so.2.2',
                lib,
                '%s_mpi%s.so.6' % (base, suffix),
                renames,
                links=['%s_mpi%s.so' % (base, suffix)],
            )
            # HPE's libsci holds LAPACKE too; Debian's OpenBLAS does not, so it is a library of its own here
            lapacke = '%s_lapacke%s.so.6' % (base, suffix)
            tmg = '%s_tmg%s.so.6' % (base, suffix)
            place(builder, layout.debian_lib / 'libtmglib.so.3', lib, tmg, renames)
            place(
                builder,
                layout.debian_lib / 'liblapacke.so.3',
                lib,
                lapacke,
                dict(renames, **{'libtmglib.so.3': tmg}),
                links=['%s_lapacke%s.so' % (base, suffix)],
            )
        for folder in ('openblas-serial', ''):
            source = layout.debian / 'usr/include/x86_64-linux-gnu' / folder
            for name in ('cblas.h', 'openblas_config.h', 'f77blas.h'):
                if folder and (source / name).exists():
                    (tree / 'include').mkdir(exist_ok=True)
                    write(tree / 'include' / name, (source / name).read_text())
        for path in sorted((layout.debian / 'usr/include').glob('lapack*.h')):
            write(tree / 'include' / path.name, path.read_text())
        for suffix in ('', '_mp', '_mpi', '_mpi_mp'):
            name = base[3:] + suffix
            write(
                lib / 'pkgconfig' / (name + '.pc'),
                PC
                % {
                    'prefix': prefix,
                    'name': name,
                    'version': version,
                    'mpi': ', ScaLAPACK' if 'mpi' in suffix else '',
                },
            )
            alias = 'libsci' + suffix  # HPE has both names
            write(lib / 'pkgconfig' / (alias + '.pc'), (lib / 'pkgconfig' / (name + '.pc')).read_text())
    publish(layout, prefix / 'lib')
