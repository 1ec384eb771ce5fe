# SPDX-License-Identifier: GPL-2.0-only
"""The rules, one by one. The tests of a rule are named after its id: test_rule_<id>_…"""
import sys

import pytest

from lumi_hooks.adapt import adapt
from lumi_hooks.change import Change, Refusal
from lumi_hooks.dependency import SYSTEM, Dependency
from lumi_hooks.releases import load_release, load_upstream, release_names
from lumi_hooks.rules import RULES
from lumi_hooks.rules import python as python_rules
from lumi_hooks.rules.base import Rule, rule
from lumi_hooks.rules.draft import Draft
from lumi_hooks.site import make_site

BY_ID = {entry.id: entry for entry in RULES}


def says(rule_id, recipe, site):
    """What one rule says of a recipe that no other rule has changed."""
    return list(BY_ID[rule_id](Draft(recipe), site))


# --- what holds for every rule

def test_ids_are_unique_and_readable():
    assert len(BY_ID) == len(RULES)
    assert all(entry.id == entry.id.lower() and ' ' not in entry.id for entry in RULES)


@pytest.mark.parametrize('rule_id', list(BY_ID))
def test_every_rule_has_a_reason_a_docstring_and_a_test(rule_id):
    entry = BY_ID[rule_id]
    assert len(entry.reason) > 20 and entry.function.__doc__
    assert entry.link is None or entry.link.startswith('https://')
    start = f'test_rule_{rule_id.replace("-", "_")}'
    tests = [name for name in vars(sys.modules[__name__]) if name.startswith(start)]
    assert tests, f'rule {rule_id} has no test: add one named {start}…'


@pytest.mark.parametrize('rule_id', list(BY_ID))
def test_every_rule_can_be_switched_off(rule_id, recipe):
    text = "dependencies = [('binutils', '2.42'), ('CMake', '3.31'), ('HDF5', '1.14.5'), ('zlib', '1.3.1')]\n"
    site = make_site(env={'LUMI_HOOKS_DISABLE': rule_id})
    assert rule_id not in {change.rule for change in adapt(recipe(text), site).changes}


@pytest.mark.parametrize('rule_id', list(BY_ID))
def test_no_rule_edits_its_draft(rule_id, recipe, upstream_site):
    found = recipe("dependencies = [('binutils', '2.42'), ('CUDA', '12'), ('HDF5', '1.14.5'), ('zlib', '1.2.13')]\n"
                   "builddependencies = [[('CMake', '3.31')], [('Python', '3.13.1')]]\n")
    draft = Draft(found)
    before = repr(draft.parameters)
    list(BY_ID[rule_id](draft, upstream_site))
    assert repr(draft.parameters) == before and draft.changes == []


def test_a_rule_yields_under_its_own_id_only(recipe, site):
    @rule('honest', 'a rule of the tests')
    def dishonest(draft, site):
        yield Change('x', None, 1, 'another', 'none')
    with pytest.raises(TypeError, match='rule honest .*dishonest.* yielded'):
        list(dishonest(Draft(recipe()), site))

    strange = Rule('strange', 'a rule of the tests', lambda draft, site: ['text'])
    with pytest.raises(TypeError, match='yields Change or Refusal'):
        list(strange(Draft(recipe()), site))


# --- toolchain

@pytest.mark.parametrize('toolchain, version', [
    ('foss', '2025a'), ('gompi', '2024a'), ('gfbf', '2023b'), ('GCC', '13.3.0'), ('GCCcore', '14.2.0'),
    ('foss', '2016a')])
def test_rule_toolchain_replaces_upstreams(recipe, site, toolchain, version):
    found, = says('toolchain', recipe(toolchain=(toolchain, version)), site)
    assert found.after == {'name': 'cpeGNU', 'version': site.release.cpe}
    assert found.before == {'name': toolchain, 'version': version}
    assert site.release.name in found.reason


@pytest.mark.parametrize('toolchain', ['intel', 'iimpi', 'NVHPC', 'fosscuda', 'gobff', 'nvompi'])
def test_rule_toolchain_refuses_others(recipe, site, toolchain):
    found, = says('toolchain', recipe(toolchain=(toolchain, '2023a')), site)
    assert isinstance(found, Refusal) and found.code == 'toolchain'
    assert toolchain in found.reason and 'foss' in found.reason


def test_rule_toolchain_follows_the_site(recipe):
    site = make_site('24.03', 'G', 'cpeAMD', env={})
    assert says('toolchain', recipe(), site)[0].after == {'name': 'cpeAMD', 'version': '24.03'}


# --- impossible

@pytest.mark.parametrize('parameter', ['dependencies', 'builddependencies'])
@pytest.mark.parametrize('name', ['CUDA', 'cuDNN', 'NCCL', 'UCX-CUDA'])
def test_rule_impossible_refuses_cuda(recipe, site, parameter, name):
    found, = says('impossible', recipe(f"{parameter} = [('{name}', '12.1.1', '', SYSTEM)]\n"), site)
    assert isinstance(found, Refusal) and found.code == 'cuda'
    assert name in found.reason and 'ROCm' in found.reason


def test_rule_impossible_tells_all_reasons_at_once(recipe, site):
    adaptation = adapt(recipe("dependencies = [('CUDA', '12'), ('cuDNN', '9')]\n", toolchain=('intel', '2023a')), site)
    assert adaptation.status == 'refused' and len(adaptation.refusals) == 3
    assert all(word in adaptation.reason for word in ('intel', 'CUDA', 'cuDNN'))


# --- python-bound

@pytest.mark.parametrize('bound, release, refused', [
    ({'min': '3.12'}, '25.03', True), ({'min': '3.12'}, '26.03', False), ({'min': '3.11.7'}, '25.03', False),
    ({'below': '3.11'}, '25.03', True), ({'below': '3.11'}, '23.09', False),
    ({'min': '3.10', 'below': '3.12'}, '25.03', False)])
def test_rule_python_bound(recipe, monkeypatch, bound, release, refused):
    monkeypatch.setattr(python_rules, 'package', lambda name: {'python': {'reason': 'tested', **bound}})
    site = make_site(release, env={})
    found = says('python-bound', recipe("dependencies = [('Python', '3.13.1')]\n"), site)
    assert bool(found) is refused
    for refusal in found:
        assert site.release.modules['cray-python'] in refusal.reason and 'tested' in refusal.reason
        assert all(f'{word} {bound[key]}' in refusal.reason
                   for key, word in (('min', 'at least'), ('below', 'below')) if key in bound)


def test_rule_python_bound_only_where_python_is_used(recipe, monkeypatch, site):
    monkeypatch.setattr(python_rules, 'package', lambda name: {'python': {'reason': 'tested', 'min': '99'}})
    assert says('python-bound', recipe("dependencies = [('zlib', '1')]\n"), site) == []
    assert len(says('python-bound', recipe("builddependencies = [('Python', '3')]\n"), site)) == 1
    assert len(says('python-bound', recipe("dependencies = [('cray-python/3.11.7', EXTERNAL_MODULE)]\n"), site)) == 1


def test_rule_python_bound_without_a_bound(recipe, site):
    assert says('python-bound', recipe("dependencies = [('Python', '3.13.1')]\n"), site) == []


# --- toolchain-provided

@pytest.mark.parametrize('name', ['binutils', 'OpenMPI', 'UCX', 'FlexiBLAS', 'ScaLAPACK', 'OpenBLAS', 'PMIx'])
@pytest.mark.parametrize('parameter', ['dependencies', 'builddependencies'])
def test_rule_toolchain_provided_drops(recipe, site, name, parameter):
    found, = says('toolchain-provided', recipe(f"{parameter} = [('{name}', '1.0')]\n"), site)
    assert (found.parameter, found.before, found.after) == (parameter, Dependency(name, '1.0'), None)
    assert found.reason


def test_rule_toolchain_provided_leaves_the_rest(recipe, site):
    adaptation = adapt(recipe("builddependencies = [('binutils', '2.42'), ('zlib', '1.3.1')]\n"), site)
    assert adaptation.dependencies('builddependencies') == (Dependency('zlib', '1.3.1'),)


# --- central-tools

@pytest.mark.parametrize('name', ['CMake', 'Autotools', 'pkgconf', 'Ninja', 'M4'])
def test_rule_central_tools_buildtools(recipe, site, name):
    found, = says('central-tools', recipe(f"builddependencies = [('{name}', '1.0')]\n"), site)
    assert found.after == Dependency('buildtools', '%(toolchain_version)s', '', SYSTEM)


@pytest.mark.parametrize('release', release_names())
def test_rule_central_tools_buildtools_python(recipe, release):
    site = make_site(release, env={})
    found, = says('central-tools', recipe("builddependencies = [('Meson', '1.6.1')]\n"), site)
    minor = '.'.join(load_release(release).modules['cray-python'].split('.')[:2])
    assert found.after == Dependency('buildtools-python', '%(toolchain_version)s', f'-cray-python{minor}', SYSTEM)


def test_rule_central_tools_once(recipe, site):
    """Several tools of one module are one dependency, also in builds that are iterated over."""
    text = "builddependencies = [('CMake', '3'), ('Autotools', '2'), ('Meson', '1'), ('pkgconf', '2')]\n"
    found = adapt(recipe(text), site).dependencies('builddependencies')
    assert [item.name for item in found] == ['buildtools', 'buildtools-python']
    text = "builddependencies = [[('CMake', '3'), ('M4', '1')], [('CMake', '3'), ('Ninja', '1')]]\n"
    value = adapt(recipe(text), site).parameters['builddependencies']
    assert [[item[0] for item in group] for group in value] == [['buildtools'], ['buildtools']]


# --- cray-provided

def provided(recipe, site, text, **facts):
    return {str(item) for item in adapt(recipe(text, **facts), site).dependencies()}


@pytest.mark.parametrize('toolchain, options, modules', [
    (('GCC', '14.2.0'), '', {'cray-hdf5'}),
    (('gfbf', '2025a'), '', {'cray-hdf5', 'cray-fftw'}),
    (('gompi', '2025a'), '', {'cray-hdf5-parallel'}),
    (('GCC', '14.2.0'), "toolchainopts = {'usempi': True}\n", {'cray-hdf5-parallel'}),
])
def test_rule_cray_provided_flavours(recipe, upstream_site, toolchain, options, modules):
    found = provided(recipe, upstream_site, options + "dependencies = [('HDF5', '1.14.6')]\n", toolchain=toolchain)
    release = upstream_site.release
    assert found == {release.module(module) for module in modules}


def test_rule_cray_provided_netcdf_comes_with_hdf5(recipe, site):
    text = "dependencies = [('netCDF', '4.9.2'), ('netCDF-Fortran', '4.6.1'), ('HDF5', '1.14.5')]\n"
    names = {item.name for item in adapt(recipe(text, toolchain=('gompi', '2025a')), site).dependencies()}
    assert names == {'cray-netcdf-hdf5parallel', 'cray-hdf5-parallel'}
    names = {item.name for item in adapt(recipe(text, toolchain=('GCC', '14.2.0')), site).dependencies()}
    assert names == {'cray-netcdf', 'cray-hdf5'}


def test_rule_cray_provided_serial_dependency_of_an_mpi_recipe(recipe, upstream_site):
    """A dependency that upstream builds without MPI stays serial, though the recipe's own toolchain has MPI."""
    text = "dependencies = [('HDF5', '1.14.5', '', ('GCC', '14.2.0'))]\n"
    found = adapt(recipe(text, toolchain=('gompi', '2025a')), upstream_site).dependencies()
    assert [item.name for item in found] == ['cray-hdf5']


@pytest.mark.parametrize('release', release_names())
def test_rule_cray_provided_python_of_every_release(recipe, release):
    site = make_site(release, env={})
    change, = says('cray-provided', recipe("dependencies = [('Python', '3.13.1')]\n"), site)
    assert change.after == Dependency.external_module(load_release(release).module('cray-python'))


def test_rule_cray_provided_refuses_what_a_release_lacks(recipe, monkeypatch, site):
    monkeypatch.delitem(site.release.modules, 'papi')
    found, = says('cray-provided', recipe("dependencies = [('PAPI', '7.1.0')]\n"), site)
    assert isinstance(found, Refusal) and 'has no module papi' in found.reason and 'PAPI 7.1.0' in found.reason


def test_rule_cray_provided_only_parallel(recipe, site):
    assert [item.name for item in adapt(recipe("dependencies = [('PnetCDF', '1.14.0')]\n", toolchain=('GCC', '14.2.0')),
                                        site).dependencies()] == ['cray-parallel-netcdf']


# --- toolchain-fft

@pytest.mark.parametrize('toolchain', list(load_upstream()['toolchains']))
def test_rule_toolchain_fft(recipe, site, toolchain):
    version = '2025a' if toolchain not in ('GCC', 'GCCcore') else '14.2.0'
    found = says('toolchain-fft', recipe(toolchain=(toolchain, version)), site)
    assert bool(found) == load_upstream()['toolchains'][toolchain]['fft']
    for change in found:
        assert change.before is None and change.after.name == 'cray-fftw' and toolchain in change.reason


def test_rule_toolchain_fft_not_twice_and_not_for_those_without(recipe, site):
    adaptation = adapt(recipe("dependencies = [('FFTW', '3.3.10'), ('FFTW.MPI', '3.3.10')]\n"), site)
    assert [item.name for item in adaptation.dependencies()] == ['cray-fftw']
    assert says('toolchain-fft', recipe(name='HPCC'), site) == []


# --- release-version

def test_release_version_bounds_nothing_when_there_is_nothing(recipe, site):
    assert says('release-version', recipe("dependencies = [('zlib', '1.2.13')]\n"), site) == []


def test_rule_release_version_snaps(recipe, upstream_site):
    change, = says('release-version', recipe("dependencies = [('zlib', '1.2.13')]\n"), upstream_site)
    assert change.before == Dependency('zlib', '1.2.13') and change.after == Dependency('zlib', '1.3.1')


def test_rule_release_version_drops_upstreams_toolchain(recipe, site):
    change, = says('release-version', recipe("dependencies = [('zlib', '1.3.1', '', ('GCCcore', '14.2.0'))]\n"), site)
    assert change.after == Dependency('zlib', '1.3.1')


@pytest.mark.parametrize('dependency', [
    "('EasyBuild', '4.0', '', SYSTEM)", "('zlib', '1.2.13', '', ('intel', '2023a'))",
    "('cray-python/3.11.7', EXTERNAL_MODULE)", "('binutils', '2.42')", "('HDF5', '1.8.0')"])
def test_rule_release_version_leaves_alone(recipe, upstream_site, dependency):
    assert says('release-version', recipe(f'dependencies = [{dependency}]\n'), upstream_site) == []


# --- the draft

def test_draft_removes_a_parameter(recipe):
    draft = Draft(recipe("patches = ['a.patch']\n"))
    draft.apply(Change('patches', ['a.patch'], None, 'x', 'tested'))
    assert 'patches' not in draft.parameters and draft.recipe.parameters['patches'] == ['a.patch']


def test_draft_with_dependencies_written_as_lists(recipe, site):
    adaptation = adapt(recipe("dependencies = [['binutils', '2.42'], ['zlib', '1.3.1']]\n"), site)
    assert adaptation.dependencies()[:1] == (Dependency('zlib', '1.3.1'),)
