# SPDX-License-Identifier: GPL-2.0-only
"""Dependencies in the notations that few recipes have: what becomes of them in recipes, plans and texts."""
import pytest
from ruling import says

from lumi_hooks.adapt import adapt
from lumi_hooks.dependency import Dependency
from lumi_hooks.errors import RecipeError
from lumi_hooks.plan.outline import outline
from lumi_hooks.recipe import Recipe, parse_recipe
from lumi_hooks.render import render


def modules(adaptation, site):
    return {need.module for need in outline(adaptation, site).needs}


def test_rule_several_versions(recipe, upstream_site):
    text = "multi_deps = {'Python': ['3.7.2', '2.7.15'], 'zlib': ['1.2.11', '1.2.12']}\n"
    found = adapt(recipe(text), upstream_site)
    assert 'multi_deps' not in found.parameters
    names = {item.name: item.version for item in found.dependencies()}
    assert names['zlib'] == '1.3.1' and 'cray-python' in names
    assert 'Python 3.7.2 and 2.7.15' in next(change.reason for change in found.changes
                                             if change.after == Dependency('Python', '3.7.2'))
    assert parse_recipe(render(found, parse_recipe)).parameters.get('multi_deps') is None
    assert says('several-versions', recipe(), upstream_site) == []


def test_rule_several_versions_for_the_build_alone(recipe, site):
    text = "multi_deps = {'zlib': ['1.2.11', '1.2.12']}\nmulti_deps_load_default = False\n"
    first, second = says('several-versions', recipe(text), site)
    assert (first.parameter, first.after, second.after) == ('builddependencies', Dependency('zlib', '1.2.11'), None)


@pytest.mark.parametrize('toolchain', [('system', 'system'), ('cpeGNU', '25.03')])
def test_a_plan_is_closed_over_several_versions(recipe, site, toolchain):
    """Also where no rule adapts the recipe: EasyBuild builds it with each."""
    found = adapt(recipe("multi_deps = {'zlib': ['1.2.11', '1.3.1']}\n", toolchain=toolchain), site)
    middle = '' if toolchain[0] == 'system' else '-cpeGNU-25.03'
    assert {f'zlib/1.2.11{middle}', f'zlib/1.3.1{middle}'} <= modules(found, site)


def test_rule_hidden_dependencies(recipe, site):
    text = "dependencies = [('zlib', '1.3.1')]\nhiddendependencies = [('zlib', '1.3.1')]\n"
    change, = says('hidden-dependencies', recipe(text), site)
    assert change.after is None and change.link
    found = adapt(recipe(text), site)
    assert [item.name for item in found.dependencies() if not item.external] == ['zlib']
    assert 'hiddendependencies' not in parse_recipe(render(found, parse_recipe)).parameters


def test_a_dependency_that_is_switched_off_is_not_planned(recipe, site):
    text = "dependencies = [('PSM2', {'arch=x86_64': False, 'arch=*': '12'}), ('zlib', '1.3.1')]\n"
    found = adapt(recipe(text), site)
    assert not any('PSM2' in module for module in modules(found, site))
    assert any('zlib' in module for module in modules(found, site))


def test_system_toolchain_by_its_name_alone(recipe, site):
    """157 of PDC's recipes say ('system', '')."""
    text = "dependencies = [('PDC', '24.11', '', ('system', ''))]\n"
    found = adapt(recipe(text, toolchain=('cpeGNU', '25.03')), site)
    assert 'PDC/24.11' in modules(found, site)


def test_what_is_no_dependency_is_one_clear_line_in_eb_too():
    """`eb` takes a recipe without reading its text again (live.glance): nothing has looked at it before."""
    found = Recipe('x', '1', '', ('cpeGNU', '25.03'), {'dependencies': [('zlib', '1', '', 'GCC')]}, '', '/a/x.eb')
    with pytest.raises(RecipeError, match="/a/x.eb: dependencies: not a toolchain: 'GCC'"):
        found.dependencies()
