# SPDX-License-Identifier: GPL-2.0-only
"""GPU variants in whole plans, and of what their rules leave alone."""
import pytest
from ruling import says
from writing import put_recipe

from lumi_hooks import gpu
from lumi_hooks.adapt import adapt
from lumi_hooks.closure import Closure
from lumi_hooks.index import Index
from lumi_hooks.plan import make_plan
from lumi_hooks.recipe import parse_recipe, read_recipe
from lumi_hooks.record.explanation import record_site
from lumi_hooks.render import render
from lumi_hooks.site import make_site

CUDA = "versionsuffix = '-CUDA-%(cudaver)s'\ndependencies = [('CUDA', '12.8.0', '', SYSTEM)]\n"


# --- whole plans

@pytest.fixture
def world(tmp_path, thing):
    """Upstream's recipes of a small world: Top for CUDA, on Lib for CUDA and Plain."""
    thing('Top')
    thing('Lib')
    cuda = "versionsuffix = '-CUDA-12.8.0'\n"
    paths = [put_recipe(tmp_path, 'Lib', suffix='-CUDA-12.8.0', more="dependencies = [('CUDA', '12.8.0')]\n"),
             put_recipe(tmp_path, 'Lib'), put_recipe(tmp_path, 'Plain'), put_recipe(tmp_path, 'Lib', '2.0')]
    needs = "dependencies = [('CUDA', '12.8.0'), ('Plain', '1.0'), ('Lib', '1.0', '-CUDA-12.8.0')]\n"
    top = put_recipe(tmp_path, 'Top', suffix='-CUDA-12.8.0', more=needs)
    assert cuda in read_recipe(top).text and paths
    return make_site(partition='G', index=Index((), (), [str(tmp_path)]), prefix=str(tmp_path / 'prefix'), env={}), top


def test_the_whole_closure_follows_the_toolchain(world):
    site, top = world
    plan = make_plan([top], site)
    found = {node.name: node.module for node in plan.nodes}
    assert found['Top'] == 'Top/1.0-cpeAMD-25.03-rocm' and found['Plain'] == 'Plain/1.0-cpeAMD-25.03'
    # of two versions upstream has one for GPUs alone; the other's recipe becomes the GPU variant too
    assert found['Lib'].startswith('Lib/') and found['Lib'].endswith('-cpeAMD-25.03-rocm')
    assert not plan.refused and 'cpeGNU' not in str([node.module for node in plan.nodes])


def test_the_closure_derives_the_same_recipes(world):
    site, top = world
    adaptation = adapt(read_recipe(top), site)
    derived = {item.name: item for item in Closure(site).follow(adaptation)}
    assert derived['Plain'].module == 'Plain/1.0-cpeAMD-25.03'
    assert derived['Lib'].versionsuffix == '-rocm' and derived['Lib'].toolchain[0] == 'cpeAMD'


def test_adapting_is_idempotent(recipe, thing, g):
    thing()
    once = adapt(recipe(CUDA), g)
    again = adapt(parse_recipe(render(once, parse_recipe)), gpu.site_for_recipe(recipe(CUDA), g))
    assert again.status == 'unchanged' and again.module == once.module


def test_what_does_not_use_rocm_does_not_see_it(recipe, g, site):
    assert {'rocm', 'craype-accel-amd-gfx90a'} <= set(adapt(recipe(), g).kept_out)
    assert not {'rocm', 'craype-accel-amd-gfx90a', 'craype-accel-host'} & set(adapt(recipe(), site).kept_out)
    found = adapt(recipe("dependencies = [('HIP', '6.4.1')]\n"), g)
    assert not {'rocm', 'craype-accel-amd-gfx90a'} & set(found.kept_out)
    # what hands arrays on GPUs to MPI gets GTL by the wrapper, though it holds nothing for a GPU itself
    assert not {'rocm', 'craype-accel-amd-gfx90a'} & set(adapt(recipe(name='mpi4py'), g).kept_out)


@pytest.mark.parametrize('here', ['G', 'C'])
def test_what_is_recorded_is_derived_again_for_the_same_toolchain_and_variant(recipe, here):
    """The session's own toolchain is not the one of a GPU variant, nor the variant that of its CPU recipe."""
    record = {'name': 'LAMMPS', 'version': '29Aug2024', 'versionsuffix': '-rocm',
              'toolchain': {'name': 'cpeAMD', 'version': '25.03'},
              'site': {'release': '25.03', 'partition': 'G', 'toolchain': 'cpeGNU', 'mode': 'user', 'prefix': ''}}
    found = record_site(record, make_site(partition=here, env={}))
    source = recipe(name='LAMMPS', version='29Aug2024')
    assert adapt(source, found).module == 'LAMMPS/29Aug2024-cpeAMD-25.03-rocm'


def test_rule_gpu_dependencies_leaves_out_what_the_variant_goes_without(recipe, g, thing):
    thing(omit={'Lib': 'it is for pictures'})
    change, = [item for item in says('gpu-dependencies', recipe(f"{CUDA}dependencies += [('Lib', '1.0')]\n"), g)
               if item.before and item.before.name == 'Lib']
    assert change.after is None and change.reason == 'it is for pictures'
    assert says('gpu-dependencies', recipe("dependencies = [('Lib', '1.0')]\n"), g) == [], 'the CPU variant has it'
