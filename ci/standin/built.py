# SPDX-License-Identifier: GPL-2.0-only
"""Installs FFTW, PnetCDF and netCDF under Cray's names; sources.py compiled what Debian lacks."""

import shutil

from .elf import drop_needed, place, place_program, publish
from .hdf5 import names as hdf5_names
from .sources import product_folder
from .steps import Staging, copy_tree, write

FFTW_PC = """prefix=%(prefix)s
libdir=${prefix}/lib
includedir=${prefix}/include

Name: %(name)s
Description: fast Fourier transforms
Version: %(version)s
Libs: -L${libdir} -l%(name)s -lm
Cflags: -I${includedir}
"""


def install_fftw(builder, release, folders):
    """Install FFTW of one release for every CPU folder (x86_milan ...); all have the same libraries."""
    layout = builder.layout
    built = product_folder(layout, 'fftw-mpi')
    renames = {
        'lib%s.so.3' % name: release.soname('cray-fftw', 'lib' + name)
        for stem in ('fftw3', 'fftw3f')
        for name in (stem, stem + '_omp', stem + '_threads', stem + '_mpi')
    }
    reference = None
    for folder in folders:
        prefix = layout.fftw(release, folder)
        with Staging(prefix) as tree:
            if reference:
                shutil.copytree(reference / 'lib', tree / 'lib', symlinks=True)
            else:
                for suffix in ('', 'f'):
                    for part in ('', '_omp', '_threads'):
                        name = 'libfftw3%s%s' % (suffix, part)
                        place(
                            builder,
                            layout.debian_lib / (name + '.so.3'),
                            tree / 'lib',
                            renames[name + '.so.3'],
                            renames,
                            links=[name + '.so'],
                        )
                    # one for all compilers: whose MPI it calls is decided by the program that both are in
                    name = 'libfftw3%s_mpi' % suffix
                    library = place(
                        builder, built / 'lib' / (name + '.so.3'), tree / 'lib', renames[name + '.so.3'], renames,
                        links=[name + '.so']
                    )
                    drop_needed(builder, library, r'libmpi')
                reference = prefix
            (tree / 'include').mkdir()
            for name in ('fftw3.h', 'fftw3.f', 'fftw3.f03', 'fftw3l.f03', 'fftw3q.f03'):
                shutil.copy(layout.debian / 'usr/include' / name, tree / 'include' / name)
            copy_tree(built / 'include', tree / 'include')
            for name in ('fftw-wisdom', 'fftwf-wisdom', 'fftw-wisdom-to-conf'):
                place_program(builder, layout.debian / 'usr/bin' / name, tree / 'bin', renames)
            version = release.version('cray-fftw').rsplit('.', 1)[0]
            for name in (
                'fftw3',
                'fftw3f',
                'fftw3_mpi',
                'fftw3f_mpi',
                'fftw3_omp',
                'fftw3f_omp',
                'fftw3_threads',
                'fftw3f_threads',
            ):
                write(
                    tree / 'lib/pkgconfig' / (name + '.pc'),
                    FFTW_PC % {'prefix': prefix, 'name': name, 'version': version},
                )
    publish(layout, reference / 'lib')


def renamed(layout, release):
    """Return the names of MPI's and HDF5's libraries that the products were built with -> those of a release."""
    built = layout.release(layout.default_release)
    names = {
        built.soname('cray-mpich', stem): release.soname('cray-mpich', stem)
        for stem in ('libmpi', 'libmpifort')
    }
    for flavour in ('serial', 'mpich'):
        ours = hdf5_names(layout, flavour, release)
        names.update({old: ours[debian] for debian, old in hdf5_names(layout, flavour, built).items()})
    return names


def install_built(builder, release, module, built, stems):
    """Install a built product under Cray's names.

    release, module: e.g. 25.03 and cray-netcdf. built: name of the product folder.
    stems: library names without lib.
    """
    layout = builder.layout
    source = product_folder(layout, built)
    prefix = layout.product(release, module)
    parallel = module.endswith('parallel')
    middle = '_parallel' if parallel else ''
    renames = renamed(layout, release)
    found = {}
    for stem in stems:
        for path in sorted((source / 'lib').glob('lib%s.so.*' % stem)):
            if path.name.count('.') == 2:
                found[path.name] = release.soname(module, 'lib' + stem + middle, path.name.rsplit('.', 1)[1])
    renames.update(found)
    with Staging(prefix) as tree:
        for old, new in found.items():
            stem = old.split('.so')[0]
            links = [new.split('.so')[0] + '.so', stem + '.so'] + (
                [stem + '_parallel.so'] if parallel else []
            )
            place(
                builder,
                source / 'lib' / old,
                tree / 'lib',
                new,
                renames,
                runpath=[layout.standin / 'lib'],
                links=links,
            )
        copy_tree(source / 'include', tree / 'include')
        for path in sorted((source / 'bin').iterdir()):
            place_program(builder, path, tree / 'bin', renames)
        if (source / 'lib/pkgconfig').is_dir():
            copy_tree(source / 'lib/pkgconfig', tree / 'lib/pkgconfig')
        for extra in ('lib/libnetcdf.settings',):
            if (source / extra).exists():
                shutil.copy(source / extra, tree / extra)
        retarget(tree, str(source), str(prefix))
    publish(layout, prefix / 'lib')


def retarget(tree, old, new):
    """Replace a prefix in every text file below bin/ and lib/ of a tree."""
    for folder in ('bin', 'lib'):
        for path in sorted((tree / folder).rglob('*')):
            if path.is_symlink() or not path.is_file():
                continue
            data = path.read_bytes()
            if data[:4] != b'\x7fELF' and old.encode() in data:
                path.write_bytes(data.replace(old.encode(), new.encode()))
