# SPDX-License-Identifier: GPL-2.0-only
"""HDF5, serial and parallel, and PAPI: Debian's libraries under Cray's names."""

import shutil

from .elf import place, place_program, publish
from .steps import Staging, copy_tree, write

PC = """prefix=%(prefix)s
libdir=${prefix}/lib
includedir=${prefix}/include

Name: %(name)s
Description: HDF5 (stand-in)
Version: %(version)s
Libs: -L${libdir} %(libs)s
Cflags: -I${includedir}
"""

# h5cc and its kin call the Cray wrapper, as HPE's do; -show serves CMake's FindHDF5
H5CC = """#!/bin/sh
prefix='%(prefix)s'
flags="-I$prefix/include" libs="-L$prefix/lib %(libs)s"
case ${1:-} in
  -show) echo "%(compiler)s $flags $libs"; exit ;;
  -showconfig) exec cat "$prefix/lib/libhdf5.settings" ;;
  -help) echo "usage: ${0##*/} [-show|-showconfig] arguments of %(compiler)s"; exit ;;
esac
for word; do case $word in -c|-S|-E|-M|-MM) exec %(compiler)s $flags "$@" ;; esac; done
exec %(compiler)s $flags "$@" $libs
"""

# Debian's part of the name -> Cray's: the flavour stands first in Debian's names and last in Cray's
PARTS = (
    ('', ''),
    ('_hl', '_hl'),
    ('_fortran', '_fortran'),
    ('hl_fortran', 'hl_fortran'),
    ('_cpp', '_cpp'),
    ('_hl_cpp', '_hl_cpp'),
)


def names(layout, flavour, release):
    """Return Debian's SONAME -> Cray's SONAME for one flavour (serial or mpich) of HDF5."""
    module, middle = ('cray-hdf5-parallel', '_parallel') if flavour == 'mpich' else ('cray-hdf5', '')
    found = {}
    for debian, cray in PARTS:
        pattern = 'libhdf5_%s%s.so.[0-9]*' % (flavour, debian)
        for path in sorted(layout.debian_lib.glob(pattern)):
            if path.name.count('.') == 2:  # the SONAME, not the full version
                found[path.name] = release.soname(module, 'libhdf5%s%s' % (cray, middle), path.name.rsplit('.', 1)[1])
    return found


def install_hdf5(builder, release, module):
    """Install cray-hdf5 or cray-hdf5-parallel of one release.

    builder: the run. release: of the Cray PE. module: which of the two.
    """
    layout = builder.layout
    parallel = module.endswith('parallel')
    flavour = 'mpich' if parallel else 'serial'
    prefix = layout.product(release, module)
    renames = names(layout, flavour, release)
    renames['libmpich.so.12'] = release.soname('cray-mpich', 'libmpi')
    libs = '-lhdf5_hl -lhdf5'
    fortran = '-lhdf5hl_fortran -lhdf5_fortran ' + libs
    with Staging(prefix) as tree:
        for debian, cray in renames.items():
            if not debian.startswith('libhdf5'):
                continue
            stem = cray.split('.so')[0]
            plain = stem[: -len('_' + release.library(module))]
            links = [stem + '.so', plain + '.so']
            if parallel:
                links.append(plain.replace('_parallel', '') + '.so')
            place(
                builder,
                layout.debian_lib / debian,
                tree / 'lib',
                cray,
                renames,
                runpath=[layout.standin / 'lib'],
                links=links,
            )
        copy_tree(layout.debian / 'usr/include/hdf5' / flavour, tree / 'include')
        shutil.copy(layout.debian_lib / ('libhdf5_%s.settings' % flavour), tree / 'lib/libhdf5.settings')
        version = settings_version(tree / 'lib/libhdf5.settings')
        serial_names = names(layout, 'serial', release)
        for path in sorted((layout.debian / 'usr/bin').glob('h5*')):
            # the tools exist for the serial library only; with the parallel one they need that beside it
            if path.is_file() and '.mpich' not in path.name:
                place_program(builder, path, tree / 'bin', serial_names)
        scripts = (
            {'h5pcc': ('cc', libs), 'h5pfc': ('ftn', fortran)}
            if parallel
            else {
                'h5cc': ('cc', libs),
                'h5fc': ('ftn', fortran),
                'h5c++': ('CC', '-lhdf5_hl_cpp -lhdf5_cpp ' + libs),
            }
        )
        for name, (compiler, words) in scripts.items():
            write(tree / 'bin' / name, H5CC % {'prefix': prefix, 'compiler': compiler, 'libs': words}, 0o755)
        for name, words in (
            ('hdf5', '-lhdf5'),
            ('hdf5_hl', libs),
            ('hdf5_fortran', '-lhdf5_fortran -lhdf5'),
            ('hdf5hl_fortran', fortran),
        ):
            for product in {name, name + ('_parallel' if parallel else '')}:
                write(
                    tree / 'lib/pkgconfig' / (product + '.pc'),
                    PC % {'prefix': prefix, 'name': product, 'version': version, 'libs': words},
                )
    publish(layout, prefix / 'lib')


def settings_version(path):
    """Return the HDF5 version that libhdf5.settings names."""
    for line in path.read_text(errors='replace').splitlines():
        if 'HDF5 Version:' in line:
            return line.split(':', 1)[1].strip().split('-')[0].split('+')[0]
    return '0'


def install_papi(builder, version):
    """Install PAPI under a version of the Cray PE's module papi."""
    layout = builder.layout
    prefix = layout.pe / 'papi' / version
    with Staging(prefix) as tree:
        library = sorted(layout.debian_lib.glob('libpapi.so.*'))[0]
        real = place(
            builder, library, tree / 'lib64', runpath=[layout.standin / 'lib'], links=['libpapi.so']
        ).name
        place(builder, sorted(layout.debian_lib.glob('libpfm.so.*'))[0], tree / 'lib64', links=['libpfm.so'])
        (tree / 'include').mkdir()
        for name in ('papi.h', 'papiStdEventDefs.h', 'f77papi.h', 'f90papi.h', 'fpapi.h'):
            shutil.copy(layout.debian / 'usr/include' / name, tree / 'include' / name)
        for path in sorted((layout.debian / 'usr/bin').glob('papi_*')):
            place_program(builder, path, tree / 'bin', {})
        write(
            tree / 'lib64/pkgconfig/papi.pc',
            (PC % {'prefix': prefix, 'name': 'papi', 'version': real.split('.so.')[1], 'libs': '-lpapi'})
            .replace('/lib\n', '/lib64\n')
            .replace('HDF5', 'PAPI'),
        )
    publish(layout, prefix / 'lib64')
