# SPDX-License-Identifier: GPL-2.0-only
"""The closed plan: what is there, what is built, what can't be, and why."""
import json
import os
import re
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
from writing import put_module, put_recipe

from lumi_hooks.adapt import ADAPTED, adapt
from lumi_hooks.cli import main
from lumi_hooks.dependency import SYSTEM
from lumi_hooks.errors import LumiHooksError
from lumi_hooks.index import Index
from lumi_hooks.packages import members
from lumi_hooks.plan import BUILD, CENTRAL, CRAY, INSTALLED, REASONS, REFUSED, make_plan
from lumi_hooks.plan.graph import MEANINGS, draw
from lumi_hooks.plan.pins import cray_roots, module_tree
from lumi_hooks.recipe import read_recipe
from lumi_hooks.rules.draft import DEPENDENCY_LISTS
from lumi_hooks.site import make_site

TAIL = '1.0-cpeGNU-25.03'
EXTERNAL = 'EXTERNAL_MODULE'
FIELDS = {'module', 'status', 'recipe', 'source', 'dependencies', 'reason'}


@pytest.fixture
def world(tmp_path):
    """A small world: recipes of upstream (write) and of LUMI (own), modules, and plans of them."""
    class World:
        prefix = str(tmp_path / 'prefix')
        recipes, upstream, central = (str(tmp_path / name) for name in ('recipes', 'upstream', 'central'))
        mine = os.path.join(prefix, 'modules')
        modulepath = (mine, central)

        def write(self, name, *needs, build=(), version='1.0', toolchain=('foss', '2025a'), more='', root=None):
            needs = [(need, '1.0') if isinstance(need, str) else need for need in needs]
            build = [(need, '1.0') if isinstance(need, str) else need for need in build]
            return put_recipe(root or self.upstream, name, version, toolchain,
                              more=f'{more}dependencies = {needs!r}\nbuilddependencies = {build!r}\n')

        def own(self, name, *needs, **more):
            return self.write(name, *needs, toolchain=('cpeGNU', '25.03'), root=self.recipes, **more)

        def plan(self, *paths, loaded=True, **env):
            if loaded:
                put_module(self.central, 'cpeGNU', '25.03')
            index = Index(self.modulepath if loaded else (), [self.recipes], [self.upstream])
            return make_plan(paths, make_site('25.03', prefix=self.prefix, index=index, env=env))
    return World()


def statuses(plan):
    return {node.module: node.status for node in plan.nodes}


def node(plan, name):
    found, = (item for item in plan.nodes if item.name == name)
    return found


def assert_closed(plan):
    """Every dependency is a node, and stands before what needs it."""
    seen = set()
    for item in plan.nodes:
        assert set(item.dependencies) <= seen or item.status == REFUSED, item
        assert set(item.build_only) <= set(item.dependencies)
        assert item.reason and '\n' not in item.reason
        seen.add(item.module)
    assert len(seen) == len(plan.nodes) and set(plan.targets) <= seen


def test_everything_that_is_needed_in_an_order_to_build_it(world):
    world.write('Bottom')
    world.write('Left', 'Bottom')
    world.write('Right', 'Bottom', build=['Left'])
    plan = world.plan(world.write('Top', 'Right', 'Left'))
    assert_closed(plan)
    assert [item.name for item in plan.of(BUILD)] == ['Bottom', 'Left', 'Right', 'Top']
    assert node(plan, 'Right').build_only == (f'Left/{TAIL}',)
    assert statuses(plan)['cpeGNU/25.03'] == CENTRAL and not plan.refused and plan.warnings == ()
    assert node(plan, 'Top').recipe == f'Top-{TAIL}.eb'
    assert node(plan, 'Top').source.endswith('Top-1.0-foss-2025a.eb')


def test_where_things_come_from(world):
    for name in ('Installed', 'Central', 'Needed'):
        world.write(name, 'Deeper')
    world.write('Deeper')
    put_module(world.mine, 'Installed', TAIL)
    put_module(world.central, 'Central', TAIL)
    world.own('Native')
    plan = world.plan(world.write('Top', 'Installed', 'Central', 'Native', ('Python', '3.13.1')))
    assert_closed(plan)
    found = statuses(plan)
    assert found[f'Installed/{TAIL}'] == INSTALLED and found[f'Central/{TAIL}'] == CENTRAL
    assert found[f'Native/{TAIL}'] == BUILD and 'LUMI or you' in node(plan, 'Native').reason
    assert found['cray-python/3.11.7'] == CRAY
    assert f'Deeper/{TAIL}' not in found, 'what is installed has its dependencies already'


def test_what_is_asked_for_and_is_there(world):
    put_module(world.central, 'Top', TAIL)
    plan = world.plan(world.write('Top', 'Nowhere'))
    assert statuses(plan) == {f'Top/{TAIL}': CENTRAL} and not plan.refused


def test_the_users_own_recipe_wins_over_the_derived_one(world):
    own = world.own('Top')
    path = world.write('Top', 'Other')
    world.write('Other')
    assert node(world.plan(path), 'Top').source == own
    assert node(world.plan(path, LUMI_HOOKS_DERIVE='Top'), 'Top').source == path


def test_system_dependencies_are_planned_too(world):
    world.write('Tool', ('Helper', '2.0'), toolchain=SYSTEM)
    world.write('Helper', version='2.0', toolchain=SYSTEM)
    plan = world.plan(world.write('Top', ('Tool', '1.0', '', SYSTEM)))
    assert_closed(plan)
    assert [item.module for item in plan.of(BUILD)] == ['Helper/2.0', 'Tool/1.0', f'Top/{TAIL}']
    assert node(plan, 'Tool').recipe == 'Tool-1.0.eb'


def test_templates_in_dependencies(world):
    world.write('Tool', version='1.0-x86_64', toolchain=SYSTEM)
    world.write('Part', version='2.0')
    path = world.write('Top', ('Tool', '1.0-%(arch)s', '', SYSTEM), ('Part', '%(version)s'), version='2.0')
    plan = world.plan(path)
    assert not plan.refused
    assert {item.module for item in plan.of(BUILD)} == {'Tool/1.0-x86_64', 'Part/2.0-cpeGNU-25.03',
                                                        'Top/2.0-cpeGNU-25.03'}


def test_a_system_recipe_alone_needs_no_toolchain(world):
    plan = world.plan(world.write('Tool', toolchain=SYSTEM))
    assert statuses(plan) == {'Tool/1.0': BUILD}


def test_no_recipe_is_a_refusal_that_travels_up(world):
    world.write('Middle', 'Missing')
    plan = world.plan(world.write('Top', 'Middle'))
    assert_closed(plan)
    assert plan.refused and set(statuses(plan).values()) == {REFUSED, CENTRAL, CRAY}
    for name in ('Missing', 'Middle', 'Top'):
        assert node(plan, name).codes == ('no-recipe',)
        assert f'Missing-{TAIL}.eb' in node(plan, name).reason
    assert node(plan, 'Top').reason.startswith(f'it needs Missing/{TAIL}')


def test_all_reasons_are_told(world):
    world.write('Gpu', ('CUDA', '12.0'))
    plan = world.plan(world.write('Top', 'Gpu', 'Missing', toolchain=('foss', '2025a')))
    assert node(plan, 'Top').codes == ('cuda', 'no-recipe')
    assert {block.culprit for block in node(plan, 'Top').blocks} == {'CUDA', 'Missing'}


def test_two_versions_of_one_name_are_refused(world):
    world.own('Lib', version='1.0')
    world.own('Lib', version='2.0')
    world.own('Left', ('Lib', '1.0'))
    world.own('Right', ('Lib', '2.0'))
    plan = world.plan(world.write('Top', 'Left', 'Right'))
    top = node(plan, 'Top')
    assert top.status == REFUSED and top.codes == ('two-versions',)
    for part in (f'Lib/{TAIL} (with Left/{TAIL})', f'Lib/2.0-cpeGNU-25.03 (with Right/{TAIL})'):
        assert part in top.reason
    assert node(plan, 'Left').status == BUILD == node(plan, 'Right').status


def test_two_versions_that_are_never_loaded_together_are_only_told(world):
    world.own('Lib', version='1.0')
    world.own('Lib', version='2.0')
    world.own('Left', build=[('Lib', '1.0')])
    world.own('Right', ('Lib', '2.0'))
    plan = world.plan(world.write('Top', 'Left', 'Right'))
    assert not plan.refused
    warning, = plan.warnings
    assert 'two modules of Lib' in warning and f'Lib/{TAIL}' in warning


def test_a_package_that_is_loaded_with_another_version_of_itself(world):
    world.recipes = os.path.join(world.prefix, 'UserRepo')
    world.own('Lib', version='1.0')
    path = world.own('Lib', ('Lib', '1.0'), version='2.0')
    assert world.plan(path).nodes[-1].codes == ('two-versions',)
    path = world.own('Lib', build=[('Lib', '1.0')], version='3.0')
    assert not world.plan(path).refused, 'it is built with its older self, and loaded without it'


def test_no_recipe_of_upstream_gets_a_second_mpi(upstream, upstream_index):
    """All recipes that name an MPI as a dependency: it is gone, and where it was one Cray MPICH stays in the build."""
    names = [name for name, entry in members().items() if entry.get('uses') == 'mpi']
    named = re.compile(rf'[\'"]({"|".join(names)})[\'"], *[\'"]')
    sites, seen = [make_site('25.03', partition, index=upstream_index, env={}) for partition in 'CG'], 0
    for path in sorted(path for folder in upstream for path in Path(folder).rglob('*.eb')):
        if not named.search(path.read_text(encoding='utf-8', errors='replace')):
            continue
        for site in sites:
            recipe = read_recipe(str(path))
            found = adapt(recipe, site)
            if found.status != ADAPTED or not {item.name for item in recipe.dependencies()} & set(names):
                continue
            seen += 1
            assert not {item.name for kind in DEPENDENCY_LISTS for item in found.dependencies(kind)} & set(names), path
            assert 'cray-mpich' not in found.kept_out, path
    assert seen > 4


@pytest.mark.parametrize('mpi', ['OpenMPI', 'MPICH', 'impi'])
def test_two_mpis_are_refused(world, mpi):
    """By an override, or a recipe of one's own; what is only built with it is not loaded with it."""
    world.recipes = os.path.join(world.prefix, 'UserRepo')
    world.own(mpi)
    top = world.plan(world.own('Top', mpi)).nodes[-1]
    assert top.codes == ('two-mpis',) and f'{mpi}/{TAIL}' in top.reason and 'Cray MPICH' in top.reason
    world.own('Middle', mpi)
    above = world.plan(world.own('Above', 'Middle')).nodes
    assert {node.status for node in above if node.name in ('Above', 'Middle')} == {REFUSED}
    assert not world.plan(world.own('Other', build=[(mpi, '1.0')])).refused


def test_another_name_for_a_version_is_no_second_version(world):
    world.write('Java', version='17.0.15', toolchain=SYSTEM)
    path = put_recipe(world.upstream, 'Java', '17', SYSTEM,
                      more="easyblock = 'ModuleRC'\ndependencies = [('Java', '17.0.15')]\n")
    world.write('Top', ('Java', '17', '', SYSTEM))
    assert not world.plan(path).refused
    plan = world.plan(world.write('Top', ('Java', '17', '', SYSTEM)))
    assert not plan.refused and plan.warnings == ()


def test_an_installed_version_that_can_not_be_loaded_beside_it(world):
    put_module(world.mine, 'Top', '0.9-cpeGNU-25.03')
    warning, = world.plan(world.write('Top')).warnings
    assert 'Top/0.9-cpeGNU-25.03 is installed' in warning


def test_two_cray_modules_of_one_library(world):
    world.own('Left', ('cray-hdf5/1.14.3.5', EXTERNAL))
    world.own('Right', ('cray-hdf5-parallel/1.14.3.5', EXTERNAL))
    plan = world.plan(world.write('Top', 'Left', 'Right'))
    assert any('two Cray modules of HDF5' in warning for warning in plan.warnings)


def test_a_cray_module_with_and_without_its_version_is_one(world):
    world.own('Left', ('cray-python', EXTERNAL))
    plan = world.plan(world.write('Top', 'Left', ('Python', '3.13.1')))
    assert not plan.refused and plan.warnings == ()


def test_upstreams_own_toolchains_are_refused(world):
    """A SYSTEM recipe that needs something on an upstream toolchain: eb stops at such a dependency."""
    world.write('Lib', toolchain=('GCCcore', '14.2.0'))
    plan = world.plan(world.write('Compilers', ('Lib', '1.0', '', ('GCCcore', '14.2.0')), toolchain=SYSTEM))
    assert node(plan, 'Compilers').codes == ('toolchain',)
    assert 'GCCcore/14.2.0' in node(plan, 'Compilers').reason and f'Lib/{TAIL}' in node(plan, 'Compilers').reason


def test_a_recipe_that_does_not_become_what_is_needed(world):
    """A suffix that follows from the version of a dependency, which the release has another one of."""
    world.write('Lib', ('Python', '3.10.4'), version='2.0')
    os.rename(os.path.join(world.upstream, 'l', 'Lib', 'Lib-2.0-foss-2025a.eb'),
              os.path.join(world.upstream, 'l', 'Lib', 'Lib-2.0-foss-2025a-Python-3.10.4.eb'))
    with open(os.path.join(world.upstream, 'l', 'Lib', 'Lib-2.0-foss-2025a-Python-3.10.4.eb'), 'a') as stream:
        stream.write("versionsuffix = '-Python-%(pyver)s'\n")
    plan = world.plan(world.write('Top', ('Lib', '2.0', '-Python-3.10.4')))
    assert not plan.refused
    python = make_site('25.03', env={}).cray['cray-python'].upstream_version
    assert node(plan, 'Lib').module == f'Lib/2.0-cpeGNU-25.03-Python-{python}'
    assert node(plan, 'Lib').module in node(plan, 'Top').dependencies


def test_circles_are_refused(world):
    world.write('One', 'Two')
    world.write('Two', 'Three')
    plan = world.plan(world.write('Three', 'One'))
    assert {item.name: item.codes for item in plan.nodes if item.status == REFUSED} == \
        dict.fromkeys(('One', 'Two', 'Three'), ('circle',))
    assert 'lead back to itself' in node(plan, 'Three').reason


def test_wrong_pins_of_cray_modules(world):
    """In a recipe of the user's own: no release has such modules."""
    world.recipes = os.path.join(world.prefix, 'UserRepo', 'easybuild', 'easyconfigs')
    path = world.own('Top', ('cray-hdf5/0.1', EXTERNAL), ('cray-nonsense', EXTERNAL), ('xpmem', EXTERNAL),
                     ('cray-python', EXTERNAL), ('craype-network-none', EXTERNAL), ('craype-hugepages8M', EXTERNAL))
    plan = world.plan(path)
    found = {item.name: item for item in plan.nodes}
    assert found['cray-hdf5'].codes == ('cray-module',) == found['cray-nonsense'].codes
    assert 'has cray-hdf5/1.14.3.5' in found['cray-hdf5'].reason
    assert found['xpmem'].status == CRAY == found['cray-python'].status == found['craype-network-none'].status
    assert found['craype-hugepages8M'].status == CRAY
    assert found['Top'].status == REFUSED == found['cray-hdf5'].status and plan.warnings == ()


def test_modules_that_lumis_own_recipe_loads(world, tmp_path):
    """LUMI knows its machine: what the release data does not know is a note, unless the module tree says otherwise."""
    path = world.own('Top', ('cray-nonsense', EXTERNAL), ('cray-hdf5/0.1', EXTERNAL))
    plan = world.plan(path)
    assert not plan.refused and statuses(plan)['cray-nonsense'] == CRAY == statuses(plan)['cray-hdf5/0.1']
    assert len(plan.warnings) == 2
    assert all(f'LUMI\'s own recipe of Top/{TAIL} loads cray-' in text for text in plan.warnings)
    # of what is derived the same module is refused, whichever is planned first
    mixed = [world.write('Mine', ('Top', '1.0'), ('cray-nonsense', EXTERNAL)), path]
    for paths in (mixed, mixed[::-1]):
        plan = world.plan(*paths)
        assert node(plan, 'Mine').status == REFUSED == node(plan, 'cray-nonsense').status
        assert node(plan, 'Top').status == BUILD
        assert ['cray-hdf5/0.1' in text for text in plan.warnings] == [True]
    tree = tmp_path / 'opt' / 'cray' / 'pe' / 'lmod' / 'modulefiles'
    put_module(tree / 'core', 'cray-hdf5', '0.1')
    world.modulepath = (*world.modulepath, str(tree / 'core'))
    plan = world.plan(path)
    assert node(plan, 'cray-nonsense').status == REFUSED and node(plan, 'cray-hdf5').status == CRAY


def test_two_modules_of_one_name_in_lumis_own_recipe(world):
    world.own('Lib', version='1.0')
    world.own('Lib', version='2.0')
    world.own('Other', ('Lib', '2.0'))
    plan = world.plan(world.own('Top', ('Lib', '1.0'), 'Other'))
    assert not plan.refused
    assert any(text.startswith(f'LUMI\'s own recipe of Top/{TAIL}: its build loads two') for text in plan.warnings)
    plan = world.plan(world.write('Derived', ('Lib', '1.0'), 'Other'))
    assert not plan.refused, 'the release has one version of Lib'


def test_pins_are_looked_up_in_the_module_tree(world, tmp_path):
    tree = tmp_path / 'opt' / 'cray' / 'pe' / 'lmod' / 'modulefiles'
    put_module(tree / 'core', 'cray-python', '3.11.7')
    put_module(tree / 'compiler' / 'gnu' / '12.0', 'cray-hdf5', '1.14.3.3')
    world.modulepath = (*world.modulepath, str(tree / 'core'))
    path = world.own('Top', ('cray-hdf5/1.14.3.5', EXTERNAL), ('cray-python/3.11.7', EXTERNAL))
    plan = world.plan(path)
    found = {item.name: item for item in plan.nodes}
    assert found['cray-python'].status == CRAY and found['cray-hdf5'].status == REFUSED
    assert 'module tree' in found['cray-hdf5'].reason
    put_module(tree / 'compiler' / 'gnu' / '12.0', 'cray-hdf5', '1.14.3.5')
    assert not world.plan(path).refused


def test_only_the_cray_pe_has_a_tree(tmp_path):
    core = tmp_path / 'pe' / 'lmod' / 'modulefiles' / 'core'
    put_module(core, 'craype', '2.7')
    assert cray_roots([str(core), str(tmp_path / 'modules')]) == (str(core.parent),)
    assert module_tree(cray_roots([str(core)])) == {'craype': {'2.7'}}


def test_the_central_stack_where_it_is_not_loaded(world):
    plan = world.plan(world.write('Top', build=[('CMake', '3.31.3')]), loaded=False)
    found = statuses(plan)
    assert found['cpeGNU/25.03'] == found['buildtools/25.03'] == CENTRAL
    assert 'not checked' in node(plan, 'buildtools').reason
    plan = world.plan(world.write('Top', build=[('CMake', '3.31.3')]))
    assert node(plan, 'buildtools').codes == ('no-recipe',), 'the stack is loaded, and lacks it'


def test_what_is_asked_for_stands_for_its_module(world):
    """Somebody's own copy of a recipe that something else needs too."""
    world.write('Lib')
    copy = put_recipe(world.prefix + '/mine', 'Lib', toolchain=('foss', '2025a'), flat=True)
    top = world.write('Top', 'Lib')
    assert node(world.plan(top, copy), 'Lib').source == copy
    assert node(world.plan(top), 'Lib').source != copy


def test_two_recipes_that_become_the_same_module(world):
    plan = world.plan(world.write('Top', toolchain=('foss', '2024a')), world.write('Top', toolchain=('foss', '2025a')))
    assert [item.name for item in plan.of(BUILD)] == ['Top']
    warning, = plan.warnings
    assert 'both become' in warning


def test_unreadable_recipes_of_others_are_a_refusal(world):
    path = world.write('Broken')
    with open(path, 'a', encoding='utf-8') as stream:
        stream.write('this is no Python\n')
    plan = world.plan(world.write('Top', 'Broken'))
    assert node(plan, 'Top').codes == ('unreadable',)


def test_codes_are_documented(world):
    assert all(text and not text.endswith('.') for text in REASONS.values())


def test_json(world, capsys, monkeypatch):
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', world.upstream)
    world.write('Lib')
    path = world.write('Top', 'Lib', ('Python', '3.13.1'))
    assert main(['plan', '--json', '--release', '25.03', path]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found['release'], found['partition'], found['toolchain']) == ('25.03', 'C', 'cpeGNU/25.03')
    assert found['targets'] == [f'Top/{TAIL}'] == [found['nodes'][-1]['module']]
    assert found['counts'] == {'build': 2, 'central': 1, 'installed': 0, 'cray': 2, 'refused': 0}
    modules = {item['module'] for item in found['nodes']}
    for item in found['nodes']:
        assert set(item) >= FIELDS and set(item['dependencies']) <= modules
    changes = found['nodes'][-1]['changes']
    assert changes and all(change['rule'] and change['reason'] for change in changes)


def test_exit_codes_and_text(world, capsys, monkeypatch):
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', world.upstream)
    assert main(['plan', world.write('Top', 'Missing')]) == 1
    out = capsys.readouterr().out
    assert 'no-recipe' in out and 'can\'t be installed: Top/' in ' '.join(out.split())
    assert main(['plan', 'Nowhere-1.0.eb']) == 2
    assert 'there is no recipe Nowhere-1.0.eb' in capsys.readouterr().err
    world.write('Missing')
    assert main(['plan', world.write('Top', 'Missing')]) == 0
    assert 'to build (2), in this order' in capsys.readouterr().out


def test_graph(world, tmp_path):
    if not shutil.which('dot'):
        missing = 'Graphviz (dot) is not installed'
        if os.environ.get('LUMI_HOOKS_REQUIRE_STANDIN'):
            pytest.fail(missing)
        pytest.skip(missing)
    world.write('Lib')
    plan = world.plan(world.write('Top', 'Missing', build=['Lib']))
    path = tmp_path / 'plan.svg'
    draw(plan, str(path))
    root = ElementTree.parse(path).getroot()
    assert root.tag == '{http://www.w3.org/2000/svg}svg'
    words = {text.strip() for text in root.itertext()}
    assert words >= {item.module for item in plan.nodes}
    assert path.read_text().count('class="edge"') == 4 + 2, 'one a dependency but the toolchain, two in the legend'
    assert words >= {'legend', 'is needed to build', 'needs it', 'what was asked for'}
    there = {node.status for node in plan.nodes}
    assert words & set(MEANINGS.values()) == {MEANINGS[status] for status in there}, 'the colours that are there'
    assert len(there) < len(MEANINGS)


def test_graph_of_names_that_are_graphviz_s_own_language(world, tmp_path):
    plan = world.plan(world.write('Top'))
    node, *others = plan.nodes
    odd = '"];evil [label="<b>\\N\x1b:</b>'
    plan = replace(plan, nodes=(replace(node, module=odd, reason=odd), *others))
    draw(plan, str(tmp_path / 'plan.svg'))
    text = ''.join(ElementTree.parse(tmp_path / 'plan.svg').getroot().itertext())
    assert '"];evil [label="<b>\\N\\x1b:</b>' in text


def test_graph_without_graphviz(world, tmp_path, monkeypatch):
    plan = world.plan(world.write('Top'))
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(LumiHooksError, match='dot, which is not on PATH'):
        draw(plan, str(tmp_path / 'plan.svg'))
    with pytest.raises(LumiHooksError, match='ends in .svg'):
        draw(plan, str(tmp_path / 'plan.png'))
    assert not list(tmp_path.glob('plan.*'))


@pytest.mark.parametrize('name, most', [
    ('Hypre-2.32.0-foss-2024a.eb', 1), ('mpi4py-4.1.0-gompi-2025a.eb', 3), ('QuantumESPRESSO-7.5-foss-2025b.eb', 4),
    ('GROMACS-2025.2-foss-2025a.eb', 7), ('OpenFOAM-v2506-foss-2025b.eb', 16)])
def test_plans_of_upstream_are_small(name, most, upstream_file, upstream_index):
    """Upstream needs 69, 56, 82, 102 and 211 modules for these, its toolchains included."""
    plan = make_plan([upstream_file(name)], make_site('25.03', index=upstream_index, env={}))
    assert_closed(plan)
    assert not plan.refused and len(plan.of(BUILD)) <= most
