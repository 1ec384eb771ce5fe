# SPDX-License-Identifier: GPL-2.0-only
"""adapt: pure, idempotent, and the same for all of upstream's recipes."""
import os

import pytest

from lumi_hooks import schemas
from lumi_hooks.adapt import ADAPTED, REFUSED, UNCHANGED, adapt
from lumi_hooks.dependency import Dependency
from lumi_hooks.packages import package
from lumi_hooks.recipe import parse_recipe, read_recipe
from lumi_hooks.releases import load_upstream, release_names
from lumi_hooks.render import render
from lumi_hooks.site import make_site

SAMPLE = 300


@pytest.fixture(scope='module')
def sample(upstream):
    """An even sample of upstream's recipes, the same in every run."""
    found = sorted(os.path.join(folder, name) for root in upstream[:1] for folder, _, names in os.walk(root)
                   for name in names if name.endswith('.eb'))
    assert len(found) > 10 * SAMPLE
    return found[::len(found) // SAMPLE]


def test_the_data_is_read_once(sample, upstream_index, monkeypatch):
    """Each file is checked against its schema once: to do so for each recipe took three quarters of a survey."""
    site = make_site(index=upstream_index, env={})
    for path in sample[::10]:
        adapt(read_recipe(path), site)
    monkeypatch.setattr(schemas, 'load_json', lambda path: pytest.fail(f'{path} is read again'))
    for path in sample[::10]:
        adapt(read_recipe(path), site)


def test_idempotent_over_a_sample_of_upstream(sample, upstream_index):
    site = make_site(index=upstream_index, env={})
    counts = {ADAPTED: 0, UNCHANGED: 0, REFUSED: 0}
    for number, path in enumerate(sample):
        recipe = read_recipe(path)
        once = adapt(recipe, site)
        counts[once.status] += 1
        assert once.reason, path
        assert number % 10 or adapt(recipe, site) == once, path
        if once.status == REFUSED:
            assert once.refusals and '\n' not in once.reason
            continue
        if once.status == UNCHANGED:
            assert once.changes == () and recipe.toolchain[0] == 'system', path
            continue
        text = render(once, parse_recipe)
        again = parse_recipe(text, f'/overlay/{once.filename}')
        twice = adapt(again, site)
        assert (twice.status, twice.module, twice.kept_out) == (UNCHANGED, once.module, once.kept_out), path
        assert twice.filename == once.filename == os.path.basename(again.path)
        for parameter in ('dependencies', 'builddependencies'):
            assert twice.dependencies(parameter) == once.dependencies(parameter), path
        assert number % 10 or render(once, parse_recipe) == text, path
        assert all(change.reason and change.rule for change in once.changes)
        dropped = {'binutils', 'OpenMPI', 'GCC'}.difference(package(once.name).get('needs', {}))
        assert not {item.name for item in once.dependencies()} & dropped, path
    # enough of each for the above to mean something
    assert counts[ADAPTED] > 100 and counts[REFUSED] > 10 and counts[UNCHANGED] > 5, counts


@pytest.mark.parametrize('release', release_names())
def test_every_release(upstream_file, upstream_index, release):
    site = make_site(release, index=upstream_index, env={})
    adaptation = adapt(read_recipe(upstream_file('mpi4py-4.1.0-gompi-2025a.eb')), site)
    assert adaptation.module == f'mpi4py/4.1.0-cpeGNU-{release}'
    assert Dependency.external_module(site.release.module('cray-python')) in adaptation.dependencies()


def test_input_stays_as_it_is(recipe, upstream_site):
    found = recipe("dependencies = [('HDF5', '1.14.5')]\ntoolchainopts = {'usempi': True}\n")
    before = repr(found.parameters)
    adapt(found, upstream_site)
    assert repr(found.parameters) == before


def test_names_after_adapting(recipe, site):
    found = adapt(recipe("versionsuffix = '-x'\n"), site)
    assert found.name == 'Thing' and found.version == '1.0' and found.versionsuffix == '-x'
    assert found.toolchain == ('cpeGNU', site.release.cpe)
    assert found.full_version == f'1.0-cpeGNU-{site.release.cpe}-x'
    assert found.module == f'Thing/1.0-cpeGNU-{site.release.cpe}-x'
    assert found.filename == f'Thing-1.0-cpeGNU-{site.release.cpe}-x.eb'
    assert 'partition C' in found.reason


def test_system_passes(recipe, site):
    found = adapt(recipe('toolchain = SYSTEM\n'), site)
    assert found.status == UNCHANGED and 'SYSTEM' in found.reason
    assert found.module == 'Thing/1.0' and found.filename == 'Thing-1.0.eb' and found.changes == ()


def test_native_passes(recipe, site):
    text = "dependencies = [('zlib', '0.1'), ('CMake', '3')]\n"
    found = adapt(recipe(text, toolchain=('cpeGNU', site.release.cpe)), site)
    assert found.status == UNCHANGED and found.dependencies() == (Dependency('zlib', '0.1'), Dependency('CMake', '3'))


@pytest.mark.parametrize('toolchain, says', [
    (('cpeGNU', '24.03'), 'load LUMI/24.03'), (('cpeAMD', '25.03'), 'partition C does not have')])
def test_native_for_another_place_is_refused(recipe, toolchain, says):
    found = adapt(recipe(toolchain=toolchain), make_site('25.03', env={}))
    assert found.status == REFUSED and says in found.reason and found.refusals


@pytest.mark.parametrize('disabled', ['toolchain', 'toolchain impossible'])
def test_disabling_the_toolchain_rule_is_no_crash(recipe, disabled):
    site = make_site(env={'LUMI_HOOKS_DISABLE': disabled})
    assert adapt(recipe(toolchain=('intel', '2023a')), site).status in (ADAPTED, REFUSED)
    assert adapt(recipe(toolchain=('foss', '2025a')), site).toolchain == ('foss', '2025a')


# --- what is kept out of a build

@pytest.mark.parametrize('toolchain, more, partition, without', [
    (('GCCcore', '14.2.0'), '', 'C', {'cray-mpich', 'xpmem', 'cray-libsci'}),
    (('gompi', '2025a'), '', 'C', {'cray-libsci'}),
    (('gfbf', '2025a'), '', 'C', {'cray-mpich', 'xpmem'}),
    (('foss', '2025a'), '', 'C', set()),
    (('foss', '2025a'), '', 'G', {'rocm', 'craype-accel-amd-gfx90a'}),
    (('foss', '2025a'), "dependencies = [('rocm/6.3.4', EXTERNAL_MODULE)]\n", 'G', set()),
    (('GCC', '14.2.0'), "dependencies = [('OpenBLAS', '0.3.29')]\n", 'C', {'cray-mpich', 'xpmem'}),
    (('GCC', '14.2.0'), "dependencies = [('PnetCDF', '1.14.0')]\n", 'C', {'cray-libsci'}),
    (('GCC', '14.2.0'), "toolchainopts = {'usempi': True}\ndependencies = [('HDF5', '1.14.6')]\n", 'C',
     {'cray-libsci'}),
])
def test_kept_out(recipe, toolchain, more, partition, without):
    site = make_site(partition=partition, env={})
    assert set(adapt(recipe(more, toolchain=toolchain), site).kept_out) == without


def test_kept_out_is_what_toolchains_load(recipe):
    """Only modules that a cpe* toolchain brings along can be kept out."""
    from lumi_hooks.releases import load_machine, load_toolchains
    data = load_toolchains()
    loaded = {*data['always'], *data['unversioned'], 'rocm'}
    loaded |= {target for facts in load_machine()['partitions'].values() for target in facts['targets']}
    for partition in ('C', 'G'):
        site = make_site(partition=partition, env={})
        for toolchain in load_upstream()['toolchains']:
            assert set(adapt(recipe(toolchain=(toolchain, '2025a')), site).kept_out) <= loaded


# --- recipes that need no toolchain

@pytest.mark.parametrize('more, name, code', [
    ("easyblock = 'Toolchain'\n", 'foss', 'upstream-toolchain'), ('', 'CUDA', 'cuda'),
    ("dependencies = [('CUDA', '12.1.1')]\n", 'Thing', 'cuda'), ("dependencies = [('Java', '11')]\n", 'Thing', None)])
def test_system_recipes(recipe, site, more, name, code):
    adaptation = adapt(recipe(more, name=name, toolchain=('system', 'system')), site)
    assert adaptation.status == (REFUSED if code else UNCHANGED)
    assert [refusal.code for refusal in adaptation.refusals] == ([code] if code else [])
