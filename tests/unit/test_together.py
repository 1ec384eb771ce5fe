# SPDX-License-Identifier: GPL-2.0-only
"""What can't be loaded together is told before it is built: by single plans, and by fifty in one prefix."""
import functools
import glob
import itertools
import os
import random
import re

import pytest
from test_plan import EXTERNAL, TAIL, world  # noqa: F401  (a fixture)
from writing import put_module

from lumi_hooks.dependency import SYSTEM
from lumi_hooks.index import Index, choose_source
from lumi_hooks.plan import BUILD, CRAY, REFUSED, Planner, make_plan, outline
from lumi_hooks.plan.together import loaded_with
from lumi_hooks.recipe import read_recipe
from lumi_hooks.releases import load_upstream
from lumi_hooks.site import make_site

GENERATIONS = ('2022b', '2023a', '2023b', '2024a', '2025a')
PLANS, SEED = 50, 20261124


def put_loading(root, module, *loads):
    """A module file that loads others, as EasyBuild writes it."""
    path = put_module(root, *module.split('/', 1))
    with open(path, 'a', encoding='utf-8') as stream:
        stream.writelines(f'if not ( isloaded("{name}") ) then\n    load("{name}")\nend\n' for name in loads)
    return path


def test_what_is_loaded_with_a_module(world):  # noqa: F811
    world.write('Bottom')
    world.write('Tool')
    world.write('Middle', 'Bottom', build=['Tool'])
    plan = world.plan(world.write('Top', 'Middle'))
    found = loaded_with(plan.nodes)[f'Top/{TAIL}']
    assert {module.split('/')[0] for module in found} >= {'Top', 'Middle', 'Bottom', 'cpeGNU'}
    assert not any(module.startswith('Tool/') for module in found)


def test_all_installed_ones_in_one_sentence(world):  # noqa: F811
    for version in ('0.8', '0.9'):
        put_module(world.mine, 'Top', f'{version}-cpeGNU-25.03')
    put_module(world.central, 'Top', '0.7-cpeGNU-25.03-x')
    put_module(world.central, 'Top', '0.7-cpeCray-25.03')
    warning, = world.plan(world.write('Top')).warnings
    for part in ('Top/0.8-cpeGNU-25.03, ', 'Top/0.9-cpeGNU-25.03', 'Top/0.7-cpeGNU-25.03-x', 'are installed', TAIL):
        assert part in warning
    assert 'cpeCray' not in warning


def test_modules_without_a_toolchain_too(world):  # noqa: F811
    put_module(world.central, 'Java', '11.0.27')
    world.write('Java', version='17.0.15', toolchain=SYSTEM)
    plan = world.plan(world.write('Top', ('Java', '17.0.15', '', SYSTEM)))
    warning, = plan.warnings
    assert 'Java/11.0.27 is installed: Java/17.0.15 can\'t be loaded together with it' in warning


def test_what_the_prefix_loads_is_seen(world):  # noqa: F811
    """Two modules of different names: each loads another flavour of the same Cray library."""
    put_loading(world.mine, 'Other/1.0-cpeGNU-25.03', 'cray-hdf5-parallel/1.14.3.5')
    path = world.own('Top', ('cray-hdf5/1.14.3.5', EXTERNAL))
    warning, = world.plan(path).warnings
    for part in ('two Cray modules of HDF5', f'cray-hdf5 (loaded by Top/{TAIL})',
                 'cray-hdf5-parallel (loaded by Other/1.0-cpeGNU-25.03)'):
        assert part in warning
    put_loading(world.mine, 'Other/1.0-cpeGNU-25.03', 'cray-hdf5/1.14.3.5')
    assert world.plan(path).warnings == ()


def test_only_builds_need_no_warning(world):  # noqa: F811
    put_loading(world.mine, 'Other/1.0-cpeGNU-25.03', 'cray-hdf5-parallel/1.14.3.5')
    path = world.own('Top', build=[('cray-hdf5/1.14.3.5', EXTERNAL)])
    assert world.plan(path).warnings == ()


# --- fifty plans of upstream's recipes

@pytest.fixture(scope='module')
def drawn(upstream):
    """Recipes of five generations, drawn with a fixed seed."""
    known = load_upstream()['generations']
    ends = tuple(f'-{name}-{version}.eb' for generation in GENERATIONS for name, version in (
        ('foss', generation), ('gompi', generation), ('gfbf', generation), ('GCC', known[generation]),
        ('GCCcore', known[generation])))
    paths = sorted(os.path.join(folder, name) for folder, _, names in os.walk(upstream[0]) for name in names
                   if name.endswith(ends))
    assert len(paths) > 3000
    return random.Random(SEED).sample(paths, PLANS)


def names_of(modules, site):
    """Modules by the name under which they exclude each other: that of the software, or what a Cray one provides."""
    for module in modules:
        name = module.split('/')[0]
        cray = site.cray.get(name)
        yield from ((provided, module) for provided in cray.provides) if cray else [(name, module)]


def clashes(one, other, site):
    """Pairs of modules that unload each other when two sets of modules are loaded together."""
    found = {}
    for name, module in names_of({*one, *other}, site):
        found.setdefault(name, set()).add(module)
    return {pair for modules in found.values() for pair in itertools.combinations(sorted(modules), 2)}


def test_fifty_plans_load_together_or_say_so(drawn, upstream, tmp_path, monkeypatch):
    """
    Fifty plans, each made and "installed" after the other in one prefix: whatever can't be loaded together was told
    by the plan that added it.
    """
    monkeypatch.setattr(outline, 'read_recipe', functools.lru_cache(maxsize=None)(read_recipe))
    modules = tmp_path / 'modules'
    shared = Index((), (), upstream)
    loads, aliases, said, planned, refused = {}, set(), set(), 0, 0
    for path in drawn:
        index = Index([str(modules)], (), upstream)
        # upstream does not change; its folders are listed once
        index._known['sources'] = shared._known.setdefault('sources', {})
        site = make_site('25.03', prefix=str(tmp_path), index=index, env={})
        put_module(modules, 'cpeGNU', '25.03')
        put_module(modules, 'buildtools', '25.03')
        put_module(modules, 'buildtools-python', '25.03-cray-python3.11')
        plan = make_plan([path], site)
        for warning in plan.warnings:
            words = set(re.findall(r'[^\s,():]+', warning))
            said |= {frozenset(pair) for pair in itertools.combinations(words, 2)}
        refused += plan.refused
        if plan.refused:
            continue
        planned += 1
        together = loaded_with(plan.nodes)
        for node in plan.nodes:
            if node.outline is not None and node.outline.alias:
                aliases.add(node.module)
            # what was installed by an earlier plan brings along what it was installed with
            loads.setdefault(node.module, set()).update(*(loads.get(module, {module}) for module in
                                                          together[node.module]), {node.module})
            if node.status == BUILD:
                put_loading(modules, node.module, *(item for item in node.dependencies
                                                    if item not in node.build_only))
            loads[node.module] -= aliases
            assert not clashes(loads[node.module], (), site) - said_pairs(said, site, loads[node.module]), node
    assert planned > 0.7 * PLANS, (planned, refused)
    everything = sorted(set(loads) - aliases)
    assert len(everything) > 150
    # two modules can't be loaded together if and only if what they load holds a clash, and a clash is a pair of modules
    # of the prefix (or of the Cray PE) itself: so all pairs are looked at by looking at everything at once
    every = set().union(*loads.values())
    told = said_pairs(said, site, every)
    untold = clashes(every, (), site) - told
    assert not untold, sorted(untold)[:10]
    assert told, 'no plan had anything to tell: this sample shows nothing'


def said_pairs(said, site, modules):
    """The clashes among some modules that a plan has told: by the modules' names, or by those of the Cray modules."""
    return {pair for pair in clashes(modules, (), site)
            if frozenset(pair) in said or frozenset(item.split('/')[0] for item in pair) in said}


def test_no_plan_loads_two_of_a_name(drawn, upstream_index):
    """The plan itself holds one version a name in whatever is loaded together, or it is refused."""
    site = make_site('25.03', index=upstream_index, env={})
    for path in drawn:
        plan = make_plan([path], site)
        loads = loaded_with(plan.nodes)
        for node in plan.nodes:
            if node.status in (REFUSED, CRAY):
                continue
            alias = {item.module for item in plan.nodes if item.outline is not None and item.outline.alias}
            twice = clashes(loads[node.module] - alias, (), site)
            assert all({item.split('/')[0] for item in pair} <= set(site.cray) for pair in twice), (node, twice)
            assert not twice or any('two Cray modules' in warning for warning in plan.warnings), (node.module, twice)


# --- one flavour of HDF5 in whatever is compiled

# these name HDF5 or netCDF themselves and load the other flavour with something else: a model whose own netCDF is
# loaded last (its ecCodes links none), a set of programs that are run one by one, and an interpreter that runs ESMF's
# programs
KNOWN_MIXED = {'ICON', 'NCL', 'PEcAn'}


def test_what_is_linked_with_hdf5_loads_one_flavour_of_it(upstream_index):
    """A program that is compiled against HDF5 or netCDF does not load the other flavour of it with a library."""
    site = make_site('25.03', index=upstream_index, env={})
    planner, asked = Planner(site), {}
    for folder in sorted(glob.glob(os.path.join(upstream_index.upstream[0], '?', '*'))):
        source = choose_source(upstream_index.sources(os.path.basename(folder)), site.release.generation)
        if source and 'CUDA' not in source.path and _names_hdf5(source.path):
            found = planner.asked(source.path)
            if found.module not in asked:
                asked[found.module] = planner.visit(found)
    nodes = tuple(planner.nodes.values())
    loads = loaded_with(nodes)
    mixed = set()
    for node in asked.values():
        own = {module for module in node.dependencies if module.split('/')[0] in site.cray}
        others = loads[node.module] - {node.module}
        if node.status == BUILD and {pair for pair in clashes(others, (), site) if set(pair) & own}:
            mixed.add(node.name)
    assert len(asked) > 80 and mixed <= KNOWN_MIXED, mixed


def _names_hdf5(path):
    with open(path, encoding='utf-8') as stream:
        return re.search(r"""^    \(['"](HDF5|netCDF|netCDF-Fortran)['"]""", stream.read(), re.M)
