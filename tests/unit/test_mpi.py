# SPDX-License-Identifier: GPL-2.0-only
"""Does an installation use MPI? By real ELF files, and by what its record says."""
import json
import os

import pytest
from elves import Place
from test_record import a_record

from lumi_hooks.index import Index
from lumi_hooks.job import make_job
from lumi_hooks.mpi import uses_mpi
from lumi_hooks.site import make_site

MODULE = 'Thing/1.0-cpeGNU-25.03'
RECIPE = "name = 'Thing'\ntoolchainopts = {'usempi': True}\nraise SystemExit('it was run')\n"


@pytest.fixture
def place(tmp_path):
    """An installation of MODULE, with its module file."""
    found = Place(tmp_path)
    path = tmp_path / 'modules' / f'{MODULE}.lua'
    path.parent.mkdir(parents=True)
    path.write_text(f'local root = "{found.root}"\n')
    found.site = make_site(env={})
    found.site = type(found.site)(**{**vars(found.site), 'index': Index([str(tmp_path / 'modules')])})
    return found


def put(place, recipe='', **facts):
    """A record, and the recipe that it was installed from."""
    folder = place.root / 'easybuild/lumi'
    folder.mkdir(parents=True)
    (folder / 'record.json').write_text(json.dumps(a_record(**facts)))
    (place.root / 'easybuild/Thing-1.0-cpeGNU-25.03.eb').write_text(recipe)


def summary(*libraries):
    return {'summary': {'mpi': list(libraries)}}


@pytest.mark.parametrize('recorded', [True, False])
def test_a_program_that_is_linked_with_mpi(place, recorded):
    place.program(needs=[place.mpi()])
    if recorded:
        put(place, linkage=summary('/x/libmpi_gnu_123.so.12'))
    assert uses_mpi(MODULE, place.site) == (True, 'bin/thing is linked with MPI')
    assert make_job(MODULE, place.site).tasks == 128


def test_J3_a_program_that_is_not(place):
    place.program(needs=[place.cray('libsci_gnu.so.6')])
    assert uses_mpi(MODULE, place.site) == (False, 'none of its programs and libraries is linked with MPI')
    assert make_job(MODULE, place.site).tasks == 1


def test_a_serial_tool_on_a_parallel_library_is_none(place):
    """It loads MPI through HDF5, and calls nothing of it: 128 copies would write one file."""
    hdf5 = place.cray('libhdf5_parallel_gnu.so.200', needs=[place.mpi()])
    place.program(needs=[hdf5])
    put(place, RECIPE, linkage=summary('/x/libmpi_gnu_123.so.12'))
    assert uses_mpi(MODULE, place.site).value is False


@pytest.mark.parametrize('recipe, expected', [
    (RECIPE, True), (RECIPE.replace('True', 'False'), False), ("toolchainopts = {'usempi': local_x}\n", False),
    ('not Python', False), ('', False)])
def test_python_alone_is_what_its_recipe_says(place, recipe, expected):
    """The recipe is read as data: RECIPE would end the test."""
    (place.root / 'lib/thing.py').write_text('import mpi4py\n')
    put(place, recipe, linkage=summary())
    assert uses_mpi(MODULE, place.site).value is expected


def test_mpi_that_was_kept_out(place):
    put(place, RECIPE, kept_out=['cray-mpich'])
    assert uses_mpi(MODULE, place.site) == (False, 'MPI was kept out of its build')


@pytest.mark.parametrize('linkage', [[], [1], 'x', {'summary': 1}, {'summary': {'mpi': {}}}, None])
def test_records_that_are_odd(place, linkage):
    put(place, linkage=linkage)
    assert uses_mpi(MODULE, place.site).value is False


def test_what_is_not_installed_is_known_by_its_name_alone(site):
    assert uses_mpi('PAPI/7.1.0', site) == (False, 'PAPI counts within a process')
    assert uses_mpi('NAMD/3.0.2-cpeGNU-25.03-rocm', site).value is False
    assert uses_mpi('NAMD/3.0.2-cpeGNU-25.03', site).value is None
    assert 'not known whether it uses MPI' in make_job('NAMD/3.0.2-cpeGNU-25.03', site).script()


def test_an_installation_without_a_file_tells_nothing(place):
    for folder in ('bin', 'lib'):
        os.rmdir(place.root / folder)
    assert uses_mpi(MODULE, place.site).value is None
