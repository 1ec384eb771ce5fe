# SPDX-License-Identifier: GPL-2.0-only
"""The rule about what CMake's modules do not name behind the wrappers (R12, R15)."""
import pytest
from ruling import says

from lumi_hooks.adapt import adapt
from lumi_hooks.recipe import read_recipe

HDF5 = '-DHDF5_C_LIBRARIES=-lm -DHDF5_LIBRARIES=-lm -DHDF5_INCLUDE_DIRS=$EBROOTHDF5/include ' \
    '-DHDF5_VERSION=$EBVERSIONHDF5'
NEEDS_HDF5 = "easyblock = 'CMakeMake'\ndependencies = [('HDF5', '1.14.6')]\n"


def options(recipe, site, text, **facts):
    found = adapt(recipe(text, **facts), site)
    return found.parameters.get('configopts'), [change for change in found.changes if change.rule == 'cmake-finders']


def test_rule_cmake_finders_names_hdf5_R15(recipe, site):
    found, changes = options(recipe, site, NEEDS_HDF5 + "configopts = '-DX=1 '\n", toolchain=('foss', '2025a'))
    assert found == f'-DX=1 {HDF5}' and len(changes) == 1 and 'GDAL' in changes[0].reason


def test_what_a_recipe_says_of_hdf5_itself_stays(recipe, site):
    mine = '-DHDF5_INCLUDE_DIRS:PATH=/x -DHDF5_VERSION=1'
    found, _ = options(recipe, site, f'{NEEDS_HDF5}configopts = [{mine!r}, "-DY=2"]\n', toolchain=('foss', '2025a'))
    assert found == [f'{mine} -DHDF5_C_LIBRARIES=-lm -DHDF5_LIBRARIES=-lm', f'-DY=2 {HDF5}']


@pytest.mark.parametrize('text', [
    "easyblock = 'ConfigureMake'\ndependencies = [('HDF5', '1.14.6')]\n",
    "easyblock = 'CMakeMake'\ndependencies = [('zlib', '1.3.1')]\n",
    "easyblock = 'CMakeMake'\nconfigopts = '-DWITH_SCALAPACK=OFF -DUSE_LAPACK=ON'\n",
])
def test_others_are_told_nothing(recipe, site, text):
    assert options(recipe, site, text, toolchain=('foss', '2025a'))[1] == []


@pytest.mark.parametrize('option', ['-DQE_ENABLE_SCALAPACK=ON', '-DENABLE_SCALAPACK_MPI=on', '-DSCALAPACK:BOOL="TRUE"'])
def test_rule_cmake_finders_names_scalapack_R12(recipe, site, option):
    change, = says('cmake-finders', recipe(f"easyblock = 'CMakeMake'\nconfigopts = '{option}'\n"), site)
    assert change.after == f'{option} -DSCALAPACK_LIBRARIES=-lm' and change.link


def test_R12_scalapack_that_is_named_stays(recipe, site):
    text = "easyblock = 'CMakeMake'\nconfigopts = '-DWITH_SCALAPACK=ON -DSCALAPACK_LIBRARIES=\"$LIBSCALAPACK\"'\n"
    assert says('cmake-finders', recipe(text), site) == []


@pytest.mark.parametrize('name, wanted', [
    ('g/GDAL/GDAL-3.11.1-foss-2025a.eb', '-DHDF5_C_LIBRARIES=-lm'),
    ('c/CGNS/CGNS-4.5.0-gompi-2025b.eb', '-DHDF5_VERSION=$EBVERSIONHDF5'),
    # their own easyblocks are CMake's
    ('e/ESPResSo/ESPResSo-5.0.1-foss-2025a.eb', '-DHDF5_VERSION=$EBVERSIONHDF5'),
    ('a/Armadillo/Armadillo-12.8.0-foss-2023b.eb', '-DHDF5_LIBRARIES=-lm'),
    ('k/koopmans-qe-utils/koopmans-qe-utils-0.1.0-foss-2024a.eb', '-DSCALAPACK_LIBRARIES=-lm'),
    ('l/libmbd/libmbd-0.12.6-foss-2023a.eb', '-DSCALAPACK_LIBRARIES=-lm'),
])
def test_upstreams_recipes(upstream_site, name, wanted):
    found = adapt(read_recipe(f'{upstream_site.index.upstream[0]}/{name}'), upstream_site)
    assert wanted in str(found.parameters['configopts']).split()


@pytest.mark.parametrize('odd', [{'a': 1}, [7, {'a': 1}], 7])
def test_options_that_easybuild_does_not_take_stay(recipe, site, odd):
    assert options(recipe, site, f'{NEEDS_HDF5}configopts = {odd}\n', toolchain=('foss', '2025a')) == (odd, [])
