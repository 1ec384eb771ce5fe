# SPDX-License-Identifier: GPL-2.0-only
"""The rule about tests and sanity checks that start MPI programs, and mpirun where nothing is started."""
import pytest
from ruling import says

from lumi_hooks.adapt import adapt
from lumi_hooks.recipe import parse_recipe, read_recipe
from lumi_hooks.render import render

MPI = "toolchainopts = {'usempi': True}\n"


@pytest.mark.parametrize('more, after', [
    (MPI + "runtest = 'check'\n", {'runtest': False}),
    (MPI + "test_cmd = 'ctest'\n", {'runtest': False, 'test_cmd': None}),
    (MPI + "runtest = False\n", {}), (MPI, {}), ("runtest = 'check'\n", {}),
    # the recipe says it, without the option
    ("runtest = 'check'\nconfigopts = '-DENABLE_MPI=ON'\n", {'runtest': False}),
    ("runtest = 'check'\nconfigopts = ['--enable-mpi', '--x']\n", {'runtest': False}),
    ("runtest = 'check'\nconfigopts = '--enable-mpi=no --with-mpicc=cc -DENABLE_MPI=OFF'\n", {}),
    ("runtest = 'check'\nsanity_check_commands = ['mpirun x']\n", {'runtest': False, 'sanity_check_commands': []}),
    ("runtest = 'test'\npretestopts = 'export OMPI_MCA_rmaps_base_oversubscribe=true && '\n", {'runtest': False}),
    ("runtest = 'pytest && mpirun -np 2 pytest'\n", {'runtest': False}),
    ("sanity_check_commands = ['mpirun -n 1 icon --version', 'icon --help', ('%(mpi_cmd_prefix)s x', 'y')]\n",
     {'sanity_check_commands': ['icon --help']}),
    ("sanity_check_commands = ['run_mpirun.sh', '/opt/mpirun x', 'x --mpiexec-y']\n", {}),
    ("exts_list = [('x', '1', {'runtest': 'mpiexec -n=1 pytest'}), 'base', ('y', '1')]\n",
     {'exts_list': [('x', '1', {'runtest': False}), 'base', ('y', '1')]})])
def test_rule_mpi_tests(recipe, site, more, after):
    found = says('mpi-tests', recipe(more), site)
    assert {change.parameter: change.after for change in found} == after
    assert all('inside a job' in change.reason and change.link for change in found)
    kept = adapt(recipe(more), site)
    assert {name: kept.parameters.get(name) for name in after} == after
    assert parse_recipe(render(kept, parse_recipe)).parameters.get('runtest') == kept.parameters.get('runtest')


def test_rule_mpi_tests_of_what_is_known_of_a_package(recipe, site):
    """GROMACS' easyblock runs them though the recipe says nothing."""
    change, = says('mpi-tests', recipe(name='GROMACS'), site)
    assert (change.parameter, change.before, change.after) == ('runtest', None, False) and 'make check' in change.reason


@pytest.mark.parametrize('name, version, skipped', [
    ('HPL', '2.3', ['test']), ('PETSc', '3.23.5', None), ('ESPResSo', '5.0.0', None), ('BerkeleyGW', '4.0', None)])
def test_easyblocks_that_test_though_no_recipe_says_so(recipe, site, name, version, skipped):
    """EB_HPL runs xhpl on four ranks whatever runtest says: its step is skipped, as in recipes of LUMI's."""
    kept = adapt(recipe(MPI, name=name, version=version), site)
    assert (kept.parameters['runtest'], kept.parameters.get('skipsteps')) == (False, skipped)
    more = adapt(recipe(MPI + "skipsteps = ['source']\n", name=name, version=version), site).parameters['skipsteps']
    assert more == ['source', *(skipped or ())]


def test_R5_tests_of_an_extension_that_is_made_for_mpi(recipe, site):
    """ESMPy starts MPI with its first object; PyTables, whose recipe says usempi too, is built with serial HDF5."""
    tested = "exts_list = [('x', '1', {'runtest': 'pytest'})]\n"
    assert adapt(recipe(tested, name='ESMPy'), site).parameters['exts_list'] == [('x', '1', {'runtest': False})]
    kept = adapt(recipe(MPI + tested, name='PyTables'), site).parameters['exts_list']
    assert kept == [('x', '1', {'runtest': 'pytest'})]


@pytest.mark.parametrize('before, after', [
    ('MPI_LAUNCH=mpirun --x', 'MPI_LAUNCH=srun --x'),
    ('RUNPARALLEL="mpirun -np $${N:=3}"', 'RUNPARALLEL="srun -n $${N:=3}"'),
    ('-DMPI_EXEC=$(which mpiexec)', '-DMPI_EXEC=$(which srun)'), ('mpiexec -n 2 x', 'srun -n 2 x')])
def test_mpirun_by_name_where_nothing_is_started(recipe, site, before, after):
    change, = says('mpi-by-name', recipe(f'configopts = {before!r}\n'), site)
    assert change.after == after


@pytest.mark.parametrize('name', [
    'IQ-TREE-3.1.2-gompi-2025a.eb', 'petsc4py-3.20.3-foss-2023a.eb', 'GADGET-2.0.7-foss-2023a.eb',
    'OpenFOAM-11-foss-2023a.eb'])
def test_upstreams_recipes(upstream_site, upstream_file, name):
    found = adapt(read_recipe(upstream_file(name)), upstream_site)
    assert found.status == 'adapted'
    assert 'mpirun' not in str(found.parameters.get('sanity_check_commands'))
    assert found.parameters.get('sanity_check_motorbike') is (False if name.startswith('OpenFOAM') else None)
