# SPDX-License-Identifier: GPL-2.0-only
"""LUMI's own recipes on the robot path, as stubs made from facts: what they need is known, and they go first."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
from writing import put_recipe

from lumi_hooks.adapt import adapt
from lumi_hooks.cli import main
from lumi_hooks.data import ROOT
from lumi_hooks.dependency import SYSTEM, Dependency, root_variable
from lumi_hooks.index import Index
from lumi_hooks.plan import BUILD, make_plan
from lumi_hooks.plan.pins import Pins
from lumi_hooks.plan.together import loaded_with, same_library
from lumi_hooks.recipe import read_recipe
from lumi_hooks.releases import library_variants, load_machine
from lumi_hooks.selection import lumis_or_version
from lumi_hooks.site import make_site
from lumi_hooks.survey import PLANNED, Surveyor, recipes_below, recipes_for

SCRIPT = Path(ROOT).parent / 'ci' / 'lumi-recipes'


def stubs_into(folder, *options):
    """Run ci/lumi-recipes."""
    return subprocess.run([sys.executable, SCRIPT, '--into', str(folder), *options], capture_output=True, text=True,
                          check=False)


@pytest.fixture(scope='module')
def stubs(tmp_path_factory):
    folder = tmp_path_factory.mktemp('lumi')
    assert stubs_into(folder).returncode == 0
    return str(folder)


@pytest.fixture(scope='module')
def stack(stubs, upstream):
    """A site whose robot path holds LUMI's recipes."""
    return make_site('25.03', 'C', 'cpeGNU', index=Index((), [stubs], upstream), env={})


def test_stubs_are_recipes_called_like_their_files(stubs):
    paths = recipes_below([stubs])
    assert len(paths) == 795
    odd = set()
    for path in paths:
        recipe = read_recipe(path)
        middle = '' if recipe.toolchain[0] == 'system' else '-'.join(('', *recipe.toolchain))
        if os.path.basename(path) != f'{recipe.name}-{recipe.version}{middle}{recipe.versionsuffix}.eb':
            odd.add(recipe.name)
    # templates in names, and files that LUMI calls otherwise
    assert odd == {'ANTLR', 'AMD-AOCL', 'git-lfs', 'unicore-uftp', 'buildtools-python', 'X11'}


def test_stubs_of_some_software(tmp_path):
    done = stubs_into(tmp_path / 'new', '--only', 'GSL')
    assert done.returncode == 0 and len(recipes_below([str(tmp_path)])) == 8
    done = stubs_into(tmp_path, '--only', 'Nonsense')
    assert done.returncode == 2 and 'no recipe of Nonsense' in done.stderr
    (tmp_path / 'file').write_text('')
    done = stubs_into(tmp_path / 'file')
    assert done.returncode == 1 and 'cannot be written' in done.stderr and 'Traceback' not in done.stderr


def test_every_module_that_lumi_loads_without_a_version_is_known(stubs, stack):
    pins = Pins(stack)
    loaded = {item for path in recipes_below([stubs]) for parameter in ('dependencies', 'builddependencies')
              for item in read_recipe(path).dependencies(parameter) if item.external}
    assert {item.name for item in loaded} >= {'craype-network-none', 'craype-accel-host', 'cray-dyninst'}
    assert {item.name for item in loaded if not item.version and pins.problem(item)} == set()
    for name in ('gcc-native-mixed', 'amd-mixed', 'PrgEnv-gnu-amd', *load_machine()['target_modules']):
        assert pins.problem(Dependency.external_module(name)) is None, name
    assert 'no module of that name' in pins.problem(Dependency.external_module('craype-nonsense'))


@pytest.mark.parametrize('toolchain, partition, number', [('cpeGNU', 'C', 267), ('cpeAMD', 'G', 131)])
def test_all_of_lumis_own_recipes_are_planned(stubs, upstream, toolchain, partition, number):
    site = make_site('25.03', partition, toolchain, index=Index((), [stubs], upstream), env={})
    surveyor = Surveyor(site)
    found = [surveyor.look(path) for path in recipes_for([stubs], site)]
    assert len(found) == number
    assert [(item.recipe, item.reason) for item in found if item.status != PLANNED] == []


@pytest.mark.parametrize('name', [
    'GDAL-3.11.1-foss-2025a.eb', 'matplotlib-3.10.3-gfbf-2025a.eb', 'R-4.5.1-gfbf-2025a.eb',
    'Qt6-6.9.3-GCCcore-14.3.0.eb', 'ABySS-2.3.10-foss-2024a.eb', 'AUGUSTUS-3.5.0-20240612-foss-2023a.eb'])
def test_what_is_derived_is_never_preferred(name, upstream_file, stubs, stack):
    plan = make_plan([upstream_file(name)], stack)
    assert not plan.refused, [node.reason for node in plan.nodes if node.module in plan.targets]
    own = {os.path.basename(path) for path in recipes_below([stubs])}
    built = plan.of(BUILD)
    assert any(node.source.startswith(stubs) for node in built)
    assert [node.module for node in built if node.recipe in own and not node.source.startswith(stubs)] == []
    # closed, in an order to build it, and nothing that is derived loads two modules of one name
    seen, together = set(), loaded_with(plan.nodes)
    for node in plan.nodes:
        assert set(node.dependencies) <= seen, node.module
        seen.add(node.module)
        names = [module.split('/')[0] for module in together[node.module] if not module.startswith('Java/')]
        assert len(names) == len(set(names)), (node.module, sorted(together[node.module]))


@pytest.mark.parametrize('name, asked, version, suffix', [
    ('GSL', '2.7', '2.8', '-OpenMP'), ('SuperLU_DIST', '8.1.2', '9.2.0', '-OpenMP-CPU'),
    ('ESMF', '8.6.0', '8.8.1', '-MPI-PIO'), ('ELPA', '2024.05.001', '2025.06.001', '-CPU'),
    ('GDAL', '3.10.0', '3.12.0', '-cray-python-3.11.7'), ('GObject-Introspection', '1.80.1', '1.84.0',
                                                           '-cray-python3.11')])
def test_what_lumi_has_under_a_suffix_stands_for_upstreams(stack, name, asked, version, suffix):
    found = lumis_or_version(Dependency(name, asked), stack)
    assert (found.version, found.suffix, found.toolchain) == (version, suffix, None)
    # one that is asked for by a suffix is another thing
    assert lumis_or_version(Dependency(name, asked, '-other'), stack).suffix is None


def test_what_others_are_made_for_is_not_replaced(stack):
    """SLEPc and petsc4py are for one minor version of PETSc."""
    assert lumis_or_version(Dependency('PETSc', '3.23.5'), stack).suffix is None


@pytest.mark.parametrize('name, asked, version, suffix', [
    ('MUMPS', '-metis', '5.6.1', '-OpenMP'), ('SuiteSparse', '-METIS-5.1.0', '5.13.0', '-OpenMP'),
    ('MUMPS', '-metis-seq', '5.6.1', None)])
def test_what_upstream_has_under_a_suffix_is_lumis_under_another(stack, name, asked, version, suffix):
    found = lumis_or_version(Dependency(name, '5.6.1', asked), stack)
    assert (found.version, found.suffix) == (version, suffix)


@pytest.mark.parametrize('name, bundle', [('nlohmann_json', 'nlohmann-json'), ('tbb', 'oneTBB')])
def test_what_lumi_calls_otherwise_stands_in(stack, tmp_path, name, bundle):
    for version, found in (('2022.1.0', bundle), ('2020.3', name if name == 'tbb' else bundle)):
        more = f"dependencies = [({name!r}, {version!r})]\nbuildopts = '${{{root_variable(name)}}}'\n"
        path = put_recipe(tmp_path, 'Top', toolchain=('GCC', '14.2.0'), more=more)
        adaptation = adapt(read_recipe(path), stack)
        assert [item.name for item in adaptation.dependencies()] == [found]
        assert root_variable(found) in adaptation.parameters['buildopts']


# --- one module of a name: what LUMI has of one dependency loads another

def two_of_lumis(tmp_path, *needs):
    """A site with two variants of a library of LUMI's, and a package of LUMI's that loads one of them."""
    home = ('cpeGNU', '25.03')
    for suffix in ('-one', '-two'):
        put_recipe(tmp_path, 'Lib', toolchain=home, suffix=suffix)
    put_recipe(tmp_path, 'Lib', '2.0', toolchain=home)
    put_recipe(tmp_path, 'Below', toolchain=home, more="dependencies = [('Lib', '1.0', '-two')]\n")
    put_recipe(tmp_path, 'User', toolchain=home, more="dependencies = [('Below', '1.0')]\n")
    site = make_site('25.03', 'C', 'cpeGNU', index=Index((), [str(tmp_path)], ()), env={})
    path = put_recipe(tmp_path / 'mine', 'Top', toolchain=('GCC', '14.2.0'), more=f'dependencies = {list(needs)!r}\n')
    return adapt(read_recipe(path), site).dependencies()


def test_a_dependency_is_what_lumis_other_one_loads(tmp_path):
    found = two_of_lumis(tmp_path, ('Lib', '2.0'), ('User', '1.0'))
    assert [(item.name, item.version, item.versionsuffix) for item in found] == [
        ('Lib', '1.0', '-two'), ('User', '1.0', '')]
    found = two_of_lumis(tmp_path, ('Lib', '2.0'))
    assert [(item.version, item.versionsuffix) for item in found] == [('2.0', '')]


@pytest.mark.parametrize('name, follows, other', [
    ('OpenFOAM-12-foss-2023a.eb', 'SCOTCH', '6.1.3'), ('LAMMPS-2Aug2023_update2-foss-2023a-kokkos.eb', 'GSL', '2.8')])
def test_a_plan_holds_one_of_what_lumi_has_twice(upstream_file, stack, name, follows, other):
    """LUMI's Zoltan loads SCOTCH 6.1.3, its PLUMED a GSL with OpenMP."""
    plan = make_plan([upstream_file(name)], stack)
    assert not plan.refused, [node.reason for node in plan.nodes if node.module in plan.targets]
    found, = (node for node in plan.nodes if node.name == follows)
    assert found.module.startswith(f'{follows}/{other}-') and found.source.startswith(stack.index.recipes[0])


def test_one_library_with_and_without_threads(stack, upstream_file):
    """LUMI's BCFtools loads a GSL without threads: the other one, loaded last, serves both."""
    assert same_library('GSL/2.8-cpeGNU-25.03-OpenMP') == same_library('GSL/2.8-cpeGNU-25.03-sequential')
    assert same_library('SuperLU/7.0.1-cpeGNU-25.03-OpenMP') == 'SuperLU/7.0.1-cpeGNU-25.03'
    for other in ('h5py/3.11.0-cpeGNU-25.03-parallel', 'MUMPS/5.6.1-cpeGNU-25.03-noOpenMP'):
        assert same_library(other) == other
    plan = make_plan([upstream_file('scNanoGPS-1.1-foss-2023a.eb')], stack)
    assert not plan.refused
    assert any('two modules of GSL' in warning for warning in plan.warnings)


def test_R20_lumis_h5py_without_a_suffix_is_the_serial_one(stack):
    for asked, found in (('-serial', ''), ('', '-parallel')):
        chosen = lumis_or_version(Dependency('h5py', '3.14.0', asked), stack)
        assert (chosen.version, chosen.suffix) == ('3.11.0', found)


def test_variants_are_recipes(stubs):
    for name, entry in library_variants('25.03').items():
        paths = recipes_below([os.path.join(stubs, name[0].lower(), name)])
        assert any(entry['suffix'] in os.path.basename(path) for path in paths), name


def test_what_lumi_has_without_a_toolchain(stubs, stack, upstream):
    for name, asked, version in (('Eigen', '3.4.0', '3.4.0'), ('parallel', '20240722', '20260122')):
        found = lumis_or_version(Dependency(name, asked), stack)
        assert (found.version, found.toolchain) == (version, SYSTEM), name
    # one that is older than what would be derived, or is for GPUs, does not do
    assert lumis_or_version(Dependency('Rust', '1.91.1'), stack).toolchain is None
    assert lumis_or_version(Dependency('libfabric', '1.18.0'), stack).toolchain is None
    derived = make_site('25.03', index=stack.index, env={'LUMI_HOOKS_DERIVE': 'Eigen'})
    assert lumis_or_version(Dependency('Eigen', '3.4.0'), derived).toolchain is None


def test_a_survey_beside_lumis_recipes(tmp_path, capsys, monkeypatch):
    upstream, lumis, page = tmp_path / 'upstream', tmp_path / 'lumi', tmp_path / 'page.md'
    put_recipe(upstream, 'Top', more="dependencies = [('Lib', '1.0')]\n")
    put_recipe(lumis, 'Lib', toolchain=('cpeGNU', '25.03'),
               more="builddependencies = [('craype-network-none', EXTERNAL_MODULE)]\n")
    put_recipe(lumis, 'Bad', toolchain=('cpeGNU', '25.03'), more="dependencies = [('Missing', '1.0')]\n")
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', str(upstream))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    assert main(['survey', '--release', '25.03']) == 0
    assert '0 planned' in capsys.readouterr().out
    assert main(['survey', '--release', '25.03', '--beside', str(lumis)]) == 0
    assert '1 planned' in capsys.readouterr().out
    options = ['--release', '25.03', '--toolchain', 'cpeGNU', '--beside', str(lumis)]
    subprocess.run([SCRIPT.parent / 'survey', str(page), *options], check=True, stdout=subprocess.DEVNULL)
    text = page.read_text()
    assert '--release 25.03 --toolchain cpeGNU --beside DIR' in text
    assert '| 25.03 | cpeGNU | C | 0 | 0 | 1 | 0 | 0 of 1 | 0.0% |\n' in text
    assert '| 25.03 | cpeGNU | C | 1 | 0 | 0 | 0 | 1 of 1 | 100.0% | 1 of 2 |\n' in text
    assert '| `Bad-1.0-cpeGNU-25.03.eb` |' in text and 'cpeCray' not in text
    assert main(['survey', '--beside', str(tmp_path / 'nowhere')]) != 0
