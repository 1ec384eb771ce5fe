# SPDX-License-Identifier: GPL-2.0-only
"""What CMake's modules find behind the wrappers, by a real CMake and a real project (R12, R15)."""
import hashlib
import re
import shutil
import tarfile
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).with_name('programs') / 'finders'
RECIPE = """
easyblock = 'CMakeMake'
name = 'finders'
version = '1.0'
homepage = 'https://example.org'
description = 'What CMake finds.'
toolchain = {{'name': 'foss', 'version': '2025a'}}
toolchainopts = {{'usempi': True, 'opt': True}}
sources = ['finders-1.0.tar']
checksums = ['{checksum}']
builddependencies = [('CMake', '3.31.3')]
dependencies = [('HDF5', '1.14.6'), ('netCDF', '4.9.3')]
configopts = '-DWITH_SCALAPACK=ON '
sanity_check_paths = {{'files': ['bin/hdf5_user', 'bin/scalapack_user'], 'dirs': []}}
moduleclass = 'lib'
"""


@pytest.fixture
def project(tmp_path, upstream):
    """The project, with the FindSCALAPACK.cmake that QuantumESPRESSO and koopmans-qe-utils have."""
    folder = tmp_path / 'finders-1.0'
    shutil.copytree(PROGRAMS, folder)
    (folder / 'cmake').mkdir()
    patch = Path(upstream) / 'k/koopmans-qe-utils/koopmans-qe-utils-0.1.0-fix-cmake-scalapack.patch'
    added = patch.read_text().partition('+++ b/cmake/FindSCALAPACK.cmake')[2].partition('\ndiff --git')[0]
    lines = [line[1:] for line in added.splitlines() if line.startswith('+')]
    assert len(lines) > 500
    (folder / 'cmake/FindSCALAPACK.cmake').write_text('\n'.join(lines) + '\n')
    return folder


def test_a_project_that_needs_what_cmake_finds_is_installed(fresh, project, tmp_path):
    archive = tmp_path / 'finders-1.0.tar'
    with tarfile.open(archive, 'w') as tar:
        tar.add(project, 'finders-1.0')
    recipe = tmp_path / 'finders-1.0-foss-2025a.eb'
    recipe.write_text(RECIPE.format(checksum=hashlib.sha256(archive.read_bytes()).hexdigest()))
    fresh.eb(f'{recipe} -r', EASYBUILD_SOURCEPATH=tmp_path)
    folder = fresh.software('finders', '1.0-cpeGNU-25.03')
    for program, library in (('hdf5_user', 'libhdf5_parallel_gnu'), ('scalapack_user', r'libsci_gnu_\w*mpi')):
        needed = fresh.run(f'readelf -d {folder}/bin/{program}', check=True).stdout
        assert re.search(library, needed), needed


@pytest.mark.parametrize('release', ['25.03', pytest.param('25.09', marks=pytest.mark.long)])
@pytest.mark.parametrize('told, says', [
    ('-DWITH_SCALAPACK=ON', 'A required library with SCALAPACK API not found'),
    ('', r'unsuitable version ""|HDF5_C_LIBRARIES is empty'),
    ('-DHDF5_VERSION=1.14', 'HDF5_C_LIBRARIES is empty'),
])
def test_without_being_told_it_stops(fresh, project, tmp_path, standin, release, told, says):
    """So that what the rule cmake-finders says is needed still: by the CMake of each release's buildtools."""
    tools = standin / f'appl/lumi/SW/LUMI-{release}/common/EB/buildtools/{release}/bin/cmake'
    if not tools.exists():
        pytest.skip(f'the stand-in has no buildtools of release {release}')
    done = fresh.run(f'module load cpeGNU/25.03 cray-hdf5-parallel cray-netcdf-hdf5parallel && CC=cc FC=ftn CFLAGS=-O2 '
                     f'{tools} -S {project} -B {tmp_path}/build {told}')
    assert done.returncode != 0 and re.search(says, done.stdout), done.stdout
