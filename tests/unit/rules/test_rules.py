# SPDX-License-Identifier: GPL-2.0-only
"""What holds for every rule; the draft that rules write on; the rules with the last word."""
import re
from dataclasses import replace
from pathlib import Path

import pytest
from ruling import BY_ID, says
from writing import recipe_text

from lumi_hooks.adapt import adapt
from lumi_hooks.change import Change
from lumi_hooks.dependency import Dependency
from lumi_hooks.prefix.overrides import Overrides
from lumi_hooks.recipe import parse_recipe
from lumi_hooks.rules import RULES
from lumi_hooks.rules.base import Rule, rule
from lumi_hooks.rules.draft import Draft
from lumi_hooks.site import make_site

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
    written = ''.join(path.read_text(encoding='utf-8') for path in Path(__file__).parent.glob('test_*.py'))
    tests = re.findall(rf'^def {start}\w*\(', written, re.MULTILINE)
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


# --- the draft

def test_draft_removes_a_parameter(recipe):
    draft = Draft(recipe("patches = ['a.patch']\n"))
    draft.apply(Change('patches', ['a.patch'], None, 'x', 'tested'))
    assert 'patches' not in draft.parameters and draft.recipe.parameters['patches'] == ['a.patch']


def test_draft_with_dependencies_written_as_lists(recipe, site):
    adaptation = adapt(recipe("dependencies = [['binutils', '2.42'], ['zlib', '1.3.1']]\n"), site)
    assert adaptation.dependencies()[:1] == (Dependency('zlib', '1.3.1'),)


# --- override (more in test_overrides.py)

def test_rule_override_has_the_last_word(recipe, tmp_path):
    (tmp_path / 'Thing.json').write_text('{"name": "Thing", "overrides": [{"reason": "why", "dependencies": '
                                         '{"zlib": "1.2.13"}}]}')
    site = replace(make_site(env={}), overrides=Overrides([str(tmp_path)]))
    # what stands behind it refuses, or leaves out what EasyBuild would stop at
    assert [rule.id for rule in RULES[-4:]] == ['override', 'toolchain-options', 'unprovided', 'gpu-left']
    change, = says('override', recipe("dependencies = [('zlib', '1.3.1')]\n"), site)
    assert change == Change('dependencies', Dependency('zlib', '1.3.1'), Dependency('zlib', '1.2.13'), 'override',
                            f'why ({tmp_path}/Thing.json)')


# --- easyblock

@pytest.mark.parametrize('software, toolchain, refused', [
    ('WRF', 'cpeGNU', False), ('WRF', 'cpeCray', True), ('FlexiBLAS', 'cpeGNU', True), ('zlib', 'cpeCray', False)])
def test_rule_easyblock_refuses_by_compiler(software, toolchain, refused):
    text = recipe_text(software).replace("easyblock = 'ConfigureMake'\n", '')
    found = says('easyblock', parse_recipe(text), make_site(toolchain=toolchain, env={}))
    assert [item.code for item in found] == ['easyblock'] * refused


def test_rule_easyblock_goes_by_the_one_that_the_recipe_names(recipe, site):
    assert says('easyblock', recipe("easyblock = 'CMakeMake'\n", name='FlexiBLAS'), site) == []
    assert says('easyblock', recipe("easyblock = 'EB_FlexiBLAS'\n", name='Mine'), site)
