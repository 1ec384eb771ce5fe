# SPDX-License-Identifier: GPL-2.0-only
"""What holds for every recipe of upstream's: properties, tried on recipes that hypothesis draws."""
import functools
import hashlib
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_live import configured, world  # noqa: F401  (fixtures)

from lumi_hooks.adapt import ADAPTED, REFUSED, UNCHANGED, adapt
from lumi_hooks.catalogue import upstream_recipes
from lumi_hooks.data import ROOT
from lumi_hooks.index import Index
from lumi_hooks.plan import BUILD, Planner, make_plan
from lumi_hooks.plan import REFUSED as NOT_PLANNED
from lumi_hooks.plan import outline as outlines
from lumi_hooks.plan.outline import outline, read_outline
from lumi_hooks.recipe import parse_recipe, read_recipe
from lumi_hooks.releases import release_names
from lumi_hooks.render import render
from lumi_hooks.rules import RULES
from lumi_hooks.rules.draft import DEPENDENCY_LISTS, Draft
from lumi_hooks.site import make_site

UPSTREAM = upstream_recipes({'PATH': os.environ.get('PATH', '')})
RECIPES = sorted(os.path.join(folder, name) for root in UPSTREAM[:1] for folder, _, names in os.walk(root)
                 for name in names if name.endswith('.eb'))
WITH_TOOLCHAIN = [path for path in RECIPES if any(f'-{name}-' in os.path.basename(path) for name in (
    'GCCcore', 'GCC', 'gfbf', 'gompi', 'foss'))]
SHARED = Index((), (), UPSTREAM)

recipes = st.sampled_from(RECIPES)
gnu = st.sampled_from(WITH_TOOLCHAIN)
places = st.sampled_from([(release, partition, toolchain) for release in release_names() for partition, toolchain in (
    ('C', 'cpeGNU'), ('C', 'cpeCray'), ('C', 'cpeAOCC'), ('G', 'cpeAMD'), ('G', 'cpeGNU'))])


def site_of(place=('25.03', 'C', 'cpeGNU')):
    return make_site(*place, index=SHARED, env={})


@pytest.fixture(autouse=True, scope='module')
def parsed_once():
    """Each recipe is parsed once: the properties are about what is made of it."""
    original, outlines.read_recipe = outlines.read_recipe, functools.lru_cache(maxsize=2000)(read_recipe)
    yield
    outlines.read_recipe = original


def test_there_is_something_to_draw_from():
    assert len(RECIPES) > 11000 and len(WITH_TOOLCHAIN) > 9000


@settings(max_examples=60)
@given(recipes, places)
def test_idempotent(path, place):
    """adapt(adapt(x)) is adapt(x): the text that is written is adapted no further, and says the same."""
    site = site_of(place)
    once = adapt(read_recipe(path), site)
    if once.status != ADAPTED:
        return
    again = parse_recipe(render(once, parse_recipe), f'/overlay/{once.filename}')
    twice = adapt(again, site)
    assert (twice.status, twice.changes, twice.module, twice.kept_out) == (UNCHANGED, (), once.module, once.kept_out)
    for name in DEPENDENCY_LISTS:
        assert twice.dependencies(name) == once.dependencies(name)


@settings(max_examples=60)
@given(recipes, places)
def test_deterministic(path, place):
    """The same recipe at the same site is the same, read again, with an index of its own."""
    recipe, site = read_recipe(path), site_of(place)
    one, other = adapt(recipe, site), adapt(read_recipe(path), make_site(*place, index=Index((), (), UPSTREAM), env={}))
    assert (one.status, one.changes, one.refusals, one.kept_out, one.notes, one.parameters) == (
        other.status, other.changes, other.refusals, other.kept_out, other.notes, other.parameters)
    if one.status == ADAPTED:
        assert render(one, parse_recipe) == render(other, parse_recipe)


def test_deterministic_in_another_process():
    """Nothing depends on the order of sets and dictionaries: processes with other hash seeds write the same bytes."""
    paths = WITH_TOOLCHAIN[::len(WITH_TOOLCHAIN) // 25]
    code = 'import sys\nfrom lumi_hooks.adapt import adapt\nfrom lumi_hooks.index import Index\n' \
           'from lumi_hooks.recipe import parse_recipe, read_recipe\nfrom lumi_hooks.render import render\n' \
           'from lumi_hooks.site import make_site\n' \
           'site = make_site("25.03", index=Index((), (), sys.argv[1:2]), env={})\n' \
           'for path in sys.argv[2:]:\n    done = adapt(read_recipe(path), site)\n' \
           '    print(done.status, done.reason, render(done, parse_recipe) if done.changes else "")\n'
    digests = set()
    for seed in ('1', '2', '3'):
        done = subprocess.run([sys.executable, '-c', code, UPSTREAM[0], *paths], capture_output=True, check=True,
                              cwd=os.path.dirname(ROOT), env={**os.environ, 'PYTHONHASHSEED': seed})
        assert len(done.stdout) > 10000
        digests.add(hashlib.sha256(done.stdout).hexdigest())
    assert len(digests) == 1


@settings(max_examples=60)
@given(recipes, places)
def test_no_change_without_rule_and_reason(path, place):
    """Each change stands under a rule with a reason, and the changes are all that happens to the parameters."""
    recipe = read_recipe(path)
    found = adapt(recipe, site_of(place))
    ids = [rule.id for rule in RULES]
    for change in found.changes:
        assert change.rule in ids and len(change.reason) > 10 and change.before != change.after
    for refusal in found.refusals:
        assert refusal.rule in ids and refusal.code and len(refusal.reason) > 10
    assert [ids.index(change.rule) for change in found.changes] == sorted(ids.index(change.rule)
                                                                          for change in found.changes)
    replayed = Draft(recipe)
    for change in found.changes:
        replayed.apply(change)
    assert replayed.parameters == found.parameters
    if not found.changes:
        assert found.parameters == recipe.parameters


@settings(max_examples=12)
@given(gnu, gnu)
def test_independent_of_who_asks(one, other):
    """What a module is made of does not depend on the recipe that needs it, nor on what else is planned."""
    site = site_of()
    plans = [make_plan(paths, site) for paths in ([one], [other], [one, other], [other, one])]
    seen = {}
    for plan in plans:
        for node in plan.nodes:
            facts = (node.status, node.source, node.dependencies, node.build_only, node.codes)
            assert seen.setdefault(node.module, facts) == facts or node.module in plan.targets, node.module


@settings(max_examples=12)
@given(recipes, places)
def test_plans_are_closed_and_acyclic(path, place):
    """Every dependency is a node and stands before what needs it; what is refused says why; nothing stands twice."""
    plan = make_plan([path], site_of(place))
    seen = set()
    for node in plan.nodes:
        assert node.module not in seen and node.reason
        assert set(node.build_only) <= set(node.dependencies)
        if node.status == NOT_PLANNED:
            assert node.codes
        else:
            assert set(node.dependencies) <= seen
            assert node.status != BUILD or (node.recipe and os.path.isfile(node.source))
        seen.add(node.module)
    assert set(plan.targets) <= seen
    refused = {node.module for node in plan.nodes if node.status == NOT_PLANNED}
    assert all(node.module in refused for node in plan.nodes if refused & set(node.dependencies))


@settings(max_examples=25)
@given(gnu)
def test_the_plan_says_what_adapt_says(path):
    """The dependencies of a node are those of the adapted recipe, each once, the toolchain with them."""
    site = site_of()
    node = Planner(site).look(read_outline(path, site))
    found = outline(adapt(read_recipe(path), site), site)
    if node.status == BUILD and node.source == path:
        assert set(node.dependencies) == {need.module for need in found.needs}


# --- the order of rules

BEFORE = [
    ('templates', 'release-version', 'what the recipe means is written out before versions change'),
    ('templates', 'suffix', 'a suffix is filled in before it follows the release'),
    ('toolchain', 'other-compiler', 'a toolchain without counterpart is refused first'),
    ('package-dependencies', 'impossible', 'what is left out can\'t be impossible'),
    ('package-dependencies', 'toolchain-provided', 'what is moved or added is treated like any other'),
    ('package-dependencies', 'cray-provided', 'what is added is provided by the Cray PE'),
    ('python-bound', 'cray-provided', 'a bound is on the Python that the recipe names'),
    ('python-carried', 'release-version', 'what cray-python carries is no library with a version of its own'),
    ('cray-provided', 'toolchain-fft', 'cray-fftw is added where it is not there yet'),
    ('cray-provided', 'release-version', 'only what is built follows the version table'),
    ('central-tools', 'release-version', 'only what is built follows the version table'),
    ('release-version', 'suffix', 'a suffix names versions that are chosen'),
]


@pytest.mark.parametrize('first, second, why', BEFORE)
def test_order_of_rules(first, second, why):
    ids = [rule.id for rule in RULES]
    assert ids.index(first) < ids.index(second), why


def test_rules_stand_at_both_ends():
    assert RULES[0].id == 'templates', 'nothing changes before the recipe is written out'
    assert {rule.id for rule in RULES[:3]} == {'templates', 'toolchain', 'other-compiler'}


# --- adapt is what the live hooks apply

LIVE = [path for path in WITH_TOOLCHAIN if os.path.basename(path).startswith((
    'HDF5-1.14.6-gompi-2025a', 'GSL-2.8-GCC-14.2.0', 'h5py-3.14.0-foss-2025a', 'PETSc-3.23',
    'GLib-2.85.1-GCCcore-14.2.0', 'numba-0.6', 'R-bundle-CRAN-2023.12', 'Boost.MPI-1.88.0-gompi-2025a',
    'CDO-2.5.2-gompi-2025a', 'Score-P-9.0-gompi-2025a', 'pybind11-2.13.6-GCCcore-14.2.0',
    'QuantumESPRESSO-7.5-foss-2025a'))
    and 'CUDA' not in path]


@pytest.mark.parametrize('path', LIVE, ids=[os.path.basename(path) for path in LIVE])
def test_adapt_is_what_the_live_hooks_apply(path, world):  # noqa: F811
    """EasyBuild's own EasyConfig object, with the hook in its parsing, holds what adapt says; every parameter of it."""
    world.upstream = UPSTREAM[0]
    ec, here = world.read(path)
    expected = adapt(read_recipe(path), here.site)
    assert expected.status == ADAPTED
    assert ec._config['toolchain'][0] == expected.parameters['toolchain']
    compared = 0
    for name, value in expected.parameters.items():
        if name in ec._config and name not in DEPENDENCY_LISTS:
            assert ec._config[name][0] == value, name
            compared += 1
    assert compared > 8
    needs = [need for need in outline(expected, here.site).needs if need.dependency.name != here.site.toolchain]
    run, build = ({item['full_mod_name'] or item['name'] for item in _flat(ec[name])} for name in DEPENDENCY_LISTS)
    assert run == {need.module for need in needs if not need.build}
    # what is needed to build and to run stands once in a plan
    assert build - run == {need.module for need in needs if need.build}
    with open(ec.path, encoding='utf-8') as stream:
        assert ec.rawtxt == stream.read() == render(expected, parse_recipe)


def _flat(items):
    for item in items:
        if isinstance(item, (list, tuple)):
            yield from _flat(item)
        else:
            yield item


def test_refusals_are_live_too(world):  # noqa: F811
    """A refused recipe is listed with its reason, and nothing else goes wrong: its suffix names CUDA's version."""
    path, = (path for path in RECIPES if path.endswith('GROMACS-2023.3-foss-2023a-CUDA-12.1.1-PLUMED-2.9.0.eb'))
    world.upstream = UPSTREAM[0]
    ec, here = world.read(path)
    expected = adapt(read_recipe(path), here.site)
    assert expected.status == REFUSED and list(here.refused.values()) == [expected.reason]
    assert ec.full_mod_name == 'GROMACS/2023.3-CUDA-12.1.1-PLUMED-2.9.0' and ec.dependencies() == []
