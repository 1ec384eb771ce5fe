# SPDX-License-Identifier: GPL-2.0-only
"""The external-modules metadata that LUMI's generator writes, weaknesses included: users meet them."""

# Section, names, prefix. `cray-FFTW` matches no module (it is cray-fftw), `GCC` and `pmi` are not Cray module
# names, there is no entry for cray-mpich, cray-parallel-netcdf or rocm, and no version anywhere: as on LUMI.
ENTRIES = (
    ('aocc', 'AOCC', 'CRAY_AOCC_PREFIX'),
    ('cray-FFTW', 'FFTW', 'FFTW_DIR/..'),
    ('cray-hdf5', 'HDF5', 'CRAY_HDF5_PREFIX'),
    ('cray-hdf5-parallel', 'HDF5', 'CRAY_HDF5_PARALLEL_PREFIX'),
    ('cray-libsci', 'LibSci', 'CRAY_LIBSCI_PREFIX_DIR'),
    ('cray-netcdf', 'netCDF, netCDF-Fortran', 'CRAY_NETCDF_PREFIX'),
    ('cray-netcdf-hdf5parallel', 'netCDF, netCDF-Fortran',
     'CRAY_NETCDF_HDF5PARALLEL_PREFIX'),
    ('cray-python', 'Python', 'CRAY_PYTHON_PREFIX'),
    ('cray-R', 'R', 'CRAY_R_PREFIX'),
    ('GCC', 'GCC', 'GCC_PATH'),
    ('papi', 'PAPI', 'CRAY_PAPI_PREFIX'),
    ('pmi', 'PMI', 'CRAY_PMI_PREFIX'),
)


def metadata():
    """Return the text of external_modules_metadata-CPE-<release>.cfg."""
    sections = []
    for section, names, prefix in ENTRIES:
        sections.append('[%s]\nname = %s\nprefix = %s\n' % (section, names, prefix))
    sections.append('[slurm/.default]\nname = Slurm\nversion = default\nprefix = /usr\n')
    return '\n'.join(sections)
