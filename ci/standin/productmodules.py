# SPDX-License-Identifier: GPL-2.0-only
"""Module files of the libraries (MPI, LibSci, FFTW, HDF5, netCDF, PnetCDF), at their places in the tree."""

from .layout import facts
from .moduletext import ModuleText

NETWORK = 'ofi/1.0'


def add_products(tree, layout, release, default, ready):
    """Add the library modules of one release, under one PrgEnv, to a ModuleTree.

    default: whether this release gives the system's default versions. ready: names of the
    products that are installed.
    """
    branch = '%s/%s' % (release.about['tree'], release.compat['abi'])
    trees = '%s/lmod/modulefiles' % layout.pe
    version = release.version('cray-mpich')
    mpi_tree = 'mpi/%s/%s/cray-mpich/%s.0' % (branch, NETWORK, version.split('.')[0])
    comnet = 'comnet/%s/%s' % (branch, NETWORK)
    for module in mpich(layout, release, '%s/%s' % (trees, mpi_tree)):
        tree.add(comnet, module, default)
    if 'libsci' in ready:
        tree.add('compiler/' + branch, libsci(layout, release), default)
    if 'fftw' in ready and release.pe_env == 'GNU':  # one for all compilers
        for target, about in facts()['cpu_targets'].items():
            tree.add('cpu/%s/1.0' % target, fftw(layout, release, about['product_folder']), default)
    if 'hdf5' in ready:
        serial = '%s/cray-hdf5/%s' % ('hdf5/' + branch, minor(release.version('cray-hdf5')))
        parallel = '%s/%s/cray-mpich/%s.0/cray-hdf5-parallel/%s' % (
            'hdf5-parallel/' + branch,
            NETWORK,
            version.split('.')[0],
            minor(release.version('cray-hdf5-parallel')),
        )
        tree.add(
            'compiler/' + branch, hdf5(layout, release, 'cray-hdf5', '%s/%s' % (trees, serial)), default
        )
        tree.add(mpi_tree, hdf5(layout, release, 'cray-hdf5-parallel', '%s/%s' % (trees, parallel)), default)
        if 'netcdf' in ready:
            tree.add(serial, netcdf(layout, release, 'cray-netcdf'), default)
        if 'netcdf-hdf5parallel' in ready:
            tree.add(parallel, netcdf(layout, release, 'cray-netcdf-hdf5parallel'), default)
    if 'parallel-netcdf' in ready:
        tree.add(mpi_tree, pnetcdf(layout, release), default)


def minor(version):
    """Return major.minor of a version."""
    return '.'.join(version.split('.')[:2])


def mpich(layout, release, tree):
    """Yield the modules cray-mpich and cray-mpich-abi of one release."""
    version = release.version('cray-mpich')
    prefix = layout.mpich(release)
    root = '%s/mpich/%s' % (layout.pe, version)
    for name, library in (('cray-mpich', 'lib'), ('cray-mpich-abi', 'lib-abi-mpich')):
        module = ModuleText(
            name,
            version,
            'Message passing library',
            'MPICH %s over libfabric is behind it; it shows the interface of MPI %d.%d.'
            % (facts()['wheels']['mpich'], *facts()['mpich'][version.split('.')[0]]['mpi']),
        )
        module.family('mpi')
        module.setenvs(version, 'CRAY_MPICH_VERSION', 'CRAY_MPICH_VER')
        module.setenvs(prefix, 'MPICH_DIR', 'CRAY_MPICH_DIR', 'CRAY_MPICH_PREFIX')
        module.setenv(
            CRAY_MPICH_BASEDIR=root + '/ofi',
            CRAY_MPICH_ROOTDIR=root,
            PE_MPICH_FIXED_PRGENV=release.about['libsci'],
            CRAY_LMOD_MPI='cray-mpich/%s.0' % version[0],
        )
        module.setenv(**{'PE_MPICH_GENCOMPILERS_' + release.about['tree'].upper(): release.compat['mpich']})
        for target in facts()['gtl_targets']:
            module.setenv(**{'PE_MPICH_GTL_DIR_' + target: '-L%s' % layout.gtl(release)})
            module.setenv(**{'PE_MPICH_GTL_LIBS_' + target: '-lmpi_gtl_hsa'})
        module.prepend('CRAY_LD_LIBRARY_PATH', str(layout.gtl(release)))
        # the wheel's MPICH would take UCX by itself; Cray MPICH on LUMI is OFI only
        module.setenv(MPIR_CVAR_CH4_NETMOD='ofi')
        module.prepend('PATH', '%s/bin' % prefix)
        module.prepend('CRAY_LD_LIBRARY_PATH', '%s/%s' % (prefix, library))
        if library != 'lib':
            module.prepend('LD_LIBRARY_PATH', '%s/%s' % (prefix, library))
        module.prepend('MODULEPATH', tree)
        module.prepend('PE_FORTRAN_PKGCONFIG_LIBS', 'mpichf90')
        yield module.product('CRAY_MPICH', ['mpich'], prefix)


def libsci(layout, release):
    """Return the module cray-libsci; from 23.12 on it sets CRAY_PE_LIBSCI_* besides CRAY_LIBSCI_*."""
    version = release.version('cray-libsci')
    prefix = layout.libsci(release)
    root = layout.pe / 'libsci' / version
    module = ModuleText(
        'cray-libsci', version, 'BLAS, LAPACK, ScaLAPACK', 'OpenBLAS and ScaLAPACK are behind it.'
    )
    names = ['CRAY_LIBSCI']
    if release.name >= facts()['libsci_pe_variables_from']:
        names.append('CRAY_PE_LIBSCI')
    for name in names:
        module.setenvs(version, name + '_VERSION')
        module.setenvs(root, name + '_DIR', name + '_BASE_DIR')
        module.setenvs(prefix, name + '_PREFIX', name + '_PREFIX_DIR')
    module.conflict('cray-libsci').prepend('CRAY_LD_LIBRARY_PATH', '%s/lib' % prefix)
    module.setenv(PE_LIBSCI_MODULE_NAME='cray-libsci/' + version)
    return module.product('CRAY_LIBSCI', ['libsci_mpi', 'libsci'], prefix)


def fftw(layout, release, folder):
    """Return the module cray-fftw for one CPU folder, e.g. x86_milan."""
    version = release.version('cray-fftw')
    prefix = layout.fftw(release, folder)
    module = ModuleText('cray-fftw', version, 'Fast Fourier transforms')
    module.setenvs(prefix, 'FFTW_ROOT', 'CRAY_FFTW_PREFIX', 'CRAY_FFTW_DIR')
    module.setenv(CRAY_FFTW_VERSION=version, FFTW_DIR='%s/lib' % prefix, FFTW_INC='%s/include' % prefix)
    module.prepend('PATH', '%s/bin' % prefix).prepend('CRAY_LD_LIBRARY_PATH', '%s/lib' % prefix)
    return module.conflict('cray-fftw').product(
        'CRAY_FFTW', ['fftw3f_mpi', 'fftw3_mpi', 'fftw3f', 'fftw3'], prefix
    )


def _library(layout, release, name, what):
    version = release.version(name)
    prefix = layout.product(release, name)
    upper = name.upper().replace('-', '_')
    module = ModuleText(name, version, what)
    module.setenvs(version, upper + '_VERSION')
    module.setenvs(prefix, upper + '_PREFIX')
    module.setenvs(layout.pe / name[len('cray-') :] / version, upper + '_DIR')
    module.prepend('PATH', '%s/bin' % prefix).prepend('CRAY_LD_LIBRARY_PATH', '%s/lib' % prefix)
    return module, prefix, upper


def hdf5(layout, release, name, tree):
    """Return the module cray-hdf5 or cray-hdf5-parallel; it opens the tree with the netCDF built on it."""
    module, prefix, upper = _library(
        layout, release, name, 'HDF5' + (', parallel' if 'parallel' in name else '')
    )
    module.conflict('cray-hdf5-parallel' if name == 'cray-hdf5' else 'cray-hdf5', name)
    module.setenvs(prefix, 'HDF5_DIR', 'HDF5_ROOT').prepend('MODULEPATH', tree)
    return module.product(
        upper, ['hdf5_parallel', 'hdf5_hl_parallel'] if 'parallel' in name else ['hdf5', 'hdf5_hl'], prefix
    )


def netcdf(layout, release, name):
    """Return the module cray-netcdf or cray-netcdf-hdf5parallel."""
    module, prefix, upper = _library(layout, release, name, 'netCDF for C and Fortran')
    module.conflict('cray-netcdf-hdf5parallel' if name == 'cray-netcdf' else 'cray-netcdf', name)
    module.setenvs(prefix, 'NETCDF_DIR')
    return module.product(upper, ['netcdf', 'netcdf-fortran'], prefix)


def pnetcdf(layout, release):
    """Return the module cray-parallel-netcdf."""
    module, prefix, upper = _library(
        layout, release, 'cray-parallel-netcdf', 'PnetCDF: classic netCDF files in parallel'
    )
    module.conflict('cray-parallel-netcdf').setenvs(prefix, 'PNETCDF_DIR')
    return module.product(upper, ['pnetcdf'], prefix)
