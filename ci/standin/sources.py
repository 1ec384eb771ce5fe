# SPDX-License-Identifier: GPL-2.0-only
"""Compiles what Debian has for Open MPI only, with the stand-in's own wrappers: MPI-FFTW, PnetCDF, netCDF."""

import shutil

from .steps import Staging
from .tools import autotools_environment, cpu_environment, install_autotools


def product_folder(layout, name):
    """Return where a built product is kept, before it gets Cray's names."""
    return layout.store / 'products' / name


def _configure(builder, folder, words, env, name):
    builder.run(
        [folder / 'configure'] + words, 'configuring ' + name, cwd=folder, env=env, log='build-' + name
    )


def _make(builder, folder, words, env, name):
    builder.run(
        ['make', '-j%d' % max(1, builder.jobs // 2)] + words,
        'building ' + name,
        cwd=folder,
        env=env,
        log='build-' + name,
    )


def build_fftw_mpi(builder, source, release):
    """Build libfftw3_mpi and libfftw3f_mpi on Debian's serial libraries; only the folder mpi/ is compiled.

    source: unpacked source. release: for the wrappers and the MPI.
    """
    layout = builder.layout
    target = product_folder(layout, 'fftw-mpi')
    env = cpu_environment(builder, release)
    _configure(
        builder,
        source,
        [
            '--enable-mpi',
            '--enable-shared',
            '--disable-static',
            '--disable-fortran',
            '--disable-dependency-tracking',
            '--disable-doc',
        ],
        env,
        'fftw',
    )
    # the Fortran interface of Debian's serial headers, for the MPI headers' C types
    _make(builder, source / 'mpi', ['fftw3-mpi.f03', 'fftw3l-mpi.f03'], env, 'fftw')
    files = sorted(
        path.name for path in (source / 'mpi').glob('*.c') if path.name not in ('mpi-bench.c', 'testsched.c')
    )
    with Staging(target) as tree:
        (tree / 'lib').mkdir()
        (tree / 'include').mkdir()
        for suffix, define in (('', []), ('f', ['-DFFTW_SINGLE=1'])):
            name = 'libfftw3%s_mpi.so.3' % suffix
            builder.run(
                [
                    'cc',
                    '-O2',
                    '-fPIC',
                    '-shared',
                    '-DHAVE_CONFIG_H',
                    '-I' + str(source),
                    '-I' + str(source / 'api'),
                ]
                + define
                + ['-Wl,-soname,' + name, '-o', tree / 'lib' / name]
                + [source / 'mpi' / file for file in files]
                + [layout.debian_lib / ('libfftw3%s.so.3' % suffix), '-lm'],
                'building ' + name,
                env=env,
                log='build-fftw',
            )
        for name in ('fftw3-mpi.h', 'fftw3-mpi.f03', 'fftw3l-mpi.f03'):
            shutil.copy(source / 'mpi' / name, tree / 'include' / name)
    shutil.rmtree(source, ignore_errors=True)


def build_pnetcdf(builder, source, release):
    """Build PnetCDF with the stand-in's wrappers; its source archive has no configure, so that is made."""
    env = cpu_environment(builder, release)
    if not (source / 'configure').exists():
        install_autotools(builder)
        auto = autotools_environment(builder)
        path = '%s:%s' % (auto.pop('PATH_FIRST'), env['PATH'])
        builder.run(
            ['autoreconf', '-fi'],
            'making the configure of PnetCDF',
            cwd=source,
            env=dict(env, PATH=path, **auto),
            log='build-pnetcdf',
        )
    target = product_folder(builder.layout, 'pnetcdf')
    _configure(
        builder,
        source,
        [
            '--prefix=%s' % target,
            '--enable-shared',
            '--disable-static',
            '--disable-cxx',
            '--silent',
            '--disable-dependency-tracking',
            'CFLAGS=-O1',
            'FFLAGS=-O0 -w -fallow-argument-mismatch',
            'FCFLAGS=-O0 -w -fallow-argument-mismatch',
        ],
        env,
        'pnetcdf',
    )
    shutil.rmtree(target, ignore_errors=True)
    _make(builder, source / 'src', ['-s', 'all'], env, 'pnetcdf')
    _make(builder, source, ['-s', 'install'], env, 'pnetcdf')
    shutil.rmtree(source, ignore_errors=True)


def build_netcdf(builder, sources, release, module):
    """Build netCDF-C and netCDF-Fortran on cray-hdf5 or cray-hdf5-parallel.

    sources: unpacked trees of the two. release: for the wrappers. module: the HDF5 below it.
    """
    layout = builder.layout
    parallel = module.endswith('parallel')
    name = 'netcdf-parallel' if parallel else 'netcdf-serial'
    target = product_folder(layout, name)
    shutil.rmtree(target, ignore_errors=True)
    env = cpu_environment(builder, release, [module])
    if not parallel:
        env['PE_PRODUCT_LIST'] = env['PE_PRODUCT_LIST'].replace(':CRAY_MPICH', '')
    c_source, f_source = sources
    common = [
        '--prefix=%s' % target,
        '--enable-shared',
        '--disable-static',
        '--disable-dependency-tracking',
        '--silent',
    ]
    _configure(
        builder,
        c_source,
        common
        + [
            '--disable-dap',
            '--disable-byterange',
            '--disable-nczarr',
            '--disable-libxml2',
            '--disable-examples',
            '--disable-testsets',
            '--disable-plugins',
            'CFLAGS=-O1',
        ],
        env,
        name,
    )
    _make(builder, c_source, ['-s', 'install'], env, name)
    env = dict(
        env,
        CPPFLAGS='-I%s/include' % target,
        LDFLAGS='-L%s/lib' % target,
        LD_LIBRARY_PATH='%s/lib:%s' % (target, env['LD_LIBRARY_PATH']),
        PATH='%s/bin:%s' % (target, env['PATH']),
    )
    _configure(
        builder,
        f_source,
        common
        + [
            'CFLAGS=-O1',
            'FFLAGS=-O0 -w -fallow-argument-mismatch',
            'FCFLAGS=-O0 -w -fallow-argument-mismatch',
        ],
        env,
        name,
    )
    # modules are written and read in one folder: no parallel make
    builder.run(['make', '-s', 'install'], 'building ' + name, cwd=f_source, env=env, log='build-' + name)
    for source in sources:
        shutil.rmtree(source, ignore_errors=True)
