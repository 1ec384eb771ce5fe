# SPDX-License-Identifier: GPL-2.0-only
"""From one adapted recipe to everything that has to be derived for it."""
import pytest
from writing import put_module, put_recipe

from lumi_hooks.adapt import adapt
from lumi_hooks.closure import Closure
from lumi_hooks.dependency import SYSTEM, Dependency
from lumi_hooks.index import Index
from lumi_hooks.recipe import read_recipe
from lumi_hooks.site import make_site


@pytest.fixture
def world(tmp_path):
    """A small world of recipes: write(name, dependencies), then close(name) follows them."""
    class World:
        modules, recipes, upstream = (str(tmp_path / name) for name in ('modules', 'recipes', 'upstream'))

        def write(self, name, *needs, build=(), version='1.0', toolchain=('foss', '2025a'), more=''):
            needs = [(need, '1.0') if isinstance(need, str) else need for need in needs]
            build = [(need, '1.0') for need in build]
            return put_recipe(self.upstream, name, version, toolchain,
                              more=f'{more}dependencies = {needs!r}\nbuilddependencies = {build!r}\n')

        def close(self, path, **env):
            site = make_site('25.03', index=Index([self.modules], [self.recipes], [self.upstream]), env=env)
            closure = Closure(site)
            adaptation = adapt(read_recipe(path), site)
            return adaptation, closure, [item.module for item in closure.follow(adaptation)]
    return World()


TAIL = '1.0-cpeGNU-25.03'


def test_dependencies_come_first_and_once(world):
    world.write('Bottom')
    world.write('Left', 'Bottom')
    world.write('Right', 'Bottom', build=['Left'])
    _, closure, found = world.close(world.write('Top', 'Left', 'Right', 'Bottom'))
    assert found == [f'Bottom/{TAIL}', f'Left/{TAIL}', f'Right/{TAIL}']
    assert closure.refused == {} and set(closure.derived) == set(found)


def test_followed_a_second_time_there_is_nothing_new(world):
    world.write('Bottom')
    adaptation, closure, found = world.close(world.write('Top', 'Bottom'))
    assert found and closure.follow(adaptation) == ()


def test_what_is_there_is_not_derived(world):
    for name in ('Installed', 'Own', 'Needed'):
        world.write(name, 'Deeper' if name != 'Needed' else 'Own')
    world.write('Deeper')
    put_module(world.modules, 'Installed', TAIL)
    put_recipe(world.recipes, 'Own', '1.0', ('cpeGNU', '25.03'))
    path = world.write('Top', 'Installed', 'Own', 'Needed')
    assert world.close(path)[2] == [f'Needed/{TAIL}']
    assert world.close(path, LUMI_HOOKS_DERIVE='Own')[2] == [f'Deeper/{TAIL}', f'Own/{TAIL}', f'Needed/{TAIL}']


def test_system_external_and_unknown_dependencies(world):
    world.write('Known')
    path = world.write('Top', ('Known', '1.0', '', SYSTEM), ('cray-python/3.11.7', 'EXTERNAL_MODULE'), 'Unknown')
    assert world.close(path)[2] == []


def test_circles_end(world):
    world.write('One', 'Two')
    path = world.write('Two', 'One')
    adaptation, closure, found = world.close(path)
    assert f'One/{TAIL}' in found and len(found) <= 2 and len(set(found)) == len(found)


def test_two_generations_of_one_dependency_are_one(world):
    world.write('Bottom', toolchain=('foss', '2024a'))
    world.write('Bottom', toolchain=('foss', '2025a'))
    world.write('Older', ('Bottom', '1.0'), toolchain=('foss', '2024a'))
    _, closure, found = world.close(world.write('Top', 'Older', 'Bottom'))
    assert found == [f'Bottom/{TAIL}', f'Older/{TAIL}']
    assert closure.derived[f'Bottom/{TAIL}'].recipe.toolchain == ('foss', '2025a')


def test_a_refusal_travels_up(world):
    world.write('Gpu', ('CUDA', '12.0'))
    world.write('Middle', 'Gpu')
    adaptation, closure, found = world.close(world.write('Top', 'Middle', 'Gpu'))
    reason = closure.refused[adaptation.module]
    assert 'Gpu-1.0-foss-2025a.eb' in reason and 'CUDA' in reason
    assert f'Middle/{TAIL}' in closure.refused


def test_all_refusals_are_told(world):
    world.write('Gpu', ('CUDA', '12.0'))
    world.write('Learn', ('cuDNN', '9.0'))
    adaptation, closure, _ = world.close(world.write('Top', 'Gpu', 'Learn'))
    reason = closure.refused[adaptation.module]
    assert 'Gpu-1.0' in reason and 'Learn-1.0' in reason and '\n' not in reason


def test_module_names(world):
    closure = Closure(make_site('25.03', env={}))
    assert closure.module(Dependency('zlib', '1.3.1', '-x')) == 'zlib/1.3.1-cpeGNU-25.03-x'
    assert closure.module(Dependency('buildtools', '%(toolchain_version)s', '', SYSTEM)) == 'buildtools/25.03'
    assert closure.module(Dependency.external_module('cray-python/3.11.7')) == 'cray-python/3.11.7'
    assert closure.module(Dependency.external_module('xpmem')) == 'xpmem'


def test_a_dependency_of_the_same_version_as_its_package(world):
    """('Part', '%(version)s') is a dependency like any other, and is derived."""
    world.write('Part', version='2.0')
    path = world.write('Whole', ('Part', '%(version)s'), version='2.0')
    assert world.close(path)[2] == ['Part/2.0-cpeGNU-25.03']
