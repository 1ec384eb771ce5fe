# SPDX-License-Identifier: GPL-2.0-only
"""What Cray's libraries are called, by version and compiler: the data, and that `verify` knows every name of it."""
import pytest
from elves import Place

from lumi_hooks.data import load_json
from lumi_hooks.errors import DataError
from lumi_hooks.releases import library_suffix, load_release, load_toolchains, release_names
from lumi_hooks.verify import policy
from lumi_hooks.verify.rules import libraries
from lumi_hooks.versions import version_key

PRODUCTS = load_json('releases/libraries.json')['products']


@pytest.fixture
def place(tmp_path):
    """A small system, and an installation that is verified."""
    return Place(tmp_path)


def names(module):
    """All names that the libraries of a module have in the data: (library without suffix, name)."""
    for entry in PRODUCTS[module]['versions']:
        for suffix in entry['suffix'].values() or ['']:
            for library in PRODUCTS[module]['libraries']:
                yield library, f"{library}{'_' if suffix else ''}{suffix}.so.{entry['number'] or 19}"


@pytest.mark.parametrize('module, release, toolchain, suffix', [
    ('cray-mpich', '25.03', 'cpeGNU', 'gnu_123'), ('cray-mpich', '25.09', 'cpeGNU', 'gnu_123'),
    ('cray-mpich', '26.03', 'cpeGNU', 'gnu'), ('cray-mpich', '26.03', 'cpeCray', 'cray'),
    ('cray-hdf5-parallel', '25.03', 'cpeGNU', 'gnu_123'), ('cray-hdf5-parallel', '25.09', 'cpeGNU', 'gnu'),
    ('cray-libsci', '26.03', 'cpeGNU', 'gnu_123'), ('cray-libsci', '25.03', 'cpeAMD', 'amd'),
    ('cray-fftw', '25.03', 'cpeGNU', '')])
def test_names_follow_the_version_of_the_product(module, release, toolchain, suffix):
    """The folder of the compiler is gnu/12.3 for all of them: it does not decide."""
    assert library_suffix(module, release, toolchain) == suffix


def test_a_module_without_names():
    with pytest.raises(DataError, match='cray-pmi'):
        library_suffix('cray-pmi', '25.03', 'cpeGNU')


@pytest.mark.parametrize('module', PRODUCTS)
def test_each_release_has_names(module):
    versions = [version_key(entry['from']) for entry in PRODUCTS[module]['versions']]
    assert versions == sorted(versions) and len(set(versions)) == len(versions)
    for entry in PRODUCTS[module]['versions']:
        assert set(entry['assumed']) <= set(entry['suffix'])
        assert set(entry['suffix']) in (set(), set(load_toolchains()['toolchains']))
    for release in release_names():
        if module in load_release(release).modules:
            library_suffix(module, release, 'cpeGNU')


@pytest.mark.parametrize('module, kind', [('cray-mpich', 'mpi'), ('cray-libsci', 'libsci')])
def test_verify_knows_the_libraries_of(module, kind):
    for _, name in names(module):
        assert policy.kind_of(name) == kind, name


def test_verify_knows_that_an_mpi_is_crays():
    """Wherever it is: a name that is nowhere to be found is one of Cray's, or of somebody else's."""
    for library, name in names('cray-mpich'):
        assert libraries._CRAY.match(name), name
        assert bool(libraries._CORE.match(name)) is (library == 'libmpi'), name


@pytest.mark.parametrize('module, family', [
    ('cray-hdf5', 'HDF5'), ('cray-hdf5-parallel', 'HDF5'), ('cray-netcdf', 'netCDF'),
    ('cray-netcdf-hdf5parallel', 'netCDF'), ('cray-parallel-netcdf', 'PnetCDF')])
def test_verify_knows_the_library_that_must_be_there_once(module, family):
    for library, name in names(module):
        assert policy.family(name) == (family if library == PRODUCTS[module]['libraries'][0] else None), name


@pytest.mark.parametrize('one, other', [
    ('libmpi_gnu_123.so.12', 'libmpi_gnu.so.12'), ('libmpi_gnu.so.12', 'libmpi_cray.so.12')])
def test_O18_two_releases_of_cray_mpich(place, one, other):
    """What 25.09 built and what 26.03 did do not meet in one process."""
    place.program(needs=[place.lib('libthing.so', needs=[place.mpi(one)]), place.mpi(other)])
    finding, = place.verify().findings
    assert finding.rule == 'mpi-mixed' and one in finding.found and other in finding.found
    assert 'one release of the Cray PE' in finding.mend


def test_O18_two_releases_of_hdf5(place):
    """As on Perlmutter in August 2026: a library of 25.03 and one of 25.09, with one MPI."""
    old, new = 'libhdf5_parallel_gnu_123.so.200', 'libhdf5_parallel_gnu.so.310'
    mpi = place.mpi()
    place.program(needs=[place.lib('libthing.so', needs=[place.cray(old, needs=[mpi])]), place.cray(new, needs=[mpi])])
    finding, = place.verify().findings
    assert finding.rule == 'library-twice' and old in finding.found and new in finding.found
