# SPDX-License-Identifier: GPL-2.0-only
"""The rule about toolchain options that a cpe* toolchain does not know."""
import pytest
from ruling import says

from lumi_hooks.adapt import adapt
from lumi_hooks.change import Refusal
from lumi_hooks.site import make_site


def at(toolchain):
    return make_site('25.03', partition='G' if toolchain == 'cpeAMD' else 'C', toolchain=toolchain, env={})


@pytest.mark.parametrize('options, toolchain, after', [
    ({'oneapi': True, 'pic': True}, 'cpeGNU', {'pic': True}), ({'oneapi_fortran': True}, 'cpeAOCC', None),
    ({'ccache': True, 'openmp': True}, 'cpeCray', {'openmp': True}), ({'loop': True}, 'cpeCray', None),
    ({'nobody-knows': False, 'i8': True}, 'cpeGNU', {'i8': True})])
def test_rule_toolchain_options(recipe, options, toolchain, after):
    change, = says('toolchain-options', recipe(f'toolchainopts = {options!r}'), at(toolchain))
    assert change.after == after and next(name for name in options if name not in (after or {})) in change.reason
    found = adapt(recipe(f'toolchainopts = {options!r}'), at(toolchain))
    assert not set(options) - set(after or {}) & set(found.parameters.get('toolchainopts', {}))


@pytest.mark.parametrize('toolchain, name, remedy', [
    ('cpeGNU', 'usehip', 'build it with cpeCray or cpeAMD'), ('cpeAOCC', 'f2c', 'build it with cpeGNU'),
    ('cpeGNU', 'nobody-knows', 'leave it out by an override')])
def test_rule_toolchain_options_refuses(recipe, toolchain, name, remedy):
    found, = says('toolchain-options', recipe(f'toolchainopts = {{{name!r}: True}}'), at(toolchain))
    assert isinstance(found, Refusal) and found.code == 'option' and remedy in found.reason and name in found.reason


def test_rule_toolchain_options_leaves_what_is_known(recipe):
    assert says('toolchain-options', recipe("toolchainopts = {'pic': True, 'loop': True}"), at('cpeGNU')) == []
    assert says('toolchain-options', recipe(), at('cpeGNU')) == []


@pytest.mark.parametrize('name', ['Score-P-8.4-iimpi-2024a.eb', 'BLIS-0.9.0-intel-compilers-2022.1.0.eb'])
def test_upstreams_recipes_for_intels_compilers(upstream_site, upstream_file, name):
    from lumi_hooks.recipe import read_recipe
    found = adapt(read_recipe(upstream_file(name)), upstream_site)
    assert 'oneapi' not in (found.parameters.get('toolchainopts') or {})
    assert 'toolchain-options' in {change.rule for change in found.changes}
