# SPDX-License-Identifier: GPL-2.0-only
"""What a plan costs, and why a module is in it."""
import json
import os

import pytest
from test_plan import world  # noqa: F401 (a fixture)

from lumi_hooks import cli
from lumi_hooks.index import Index
from lumi_hooks.plan import make_plan
from lumi_hooks.plan.cost import FullStack, chain, cost
from lumi_hooks.record.experience import Estimate
from lumi_hooks.schemas import checked
from lumi_hooks.site import make_site


@pytest.fixture
def plan(world):  # noqa: F811
    """Top needs Middle, which needs four more, and is built with a tool that needs LLVM."""
    for name in ('One', 'Two', 'Three', 'Four', 'LLVM'):
        world.own(name)
    world.own('Tool', 'LLVM')
    world.own('Middle', 'One', 'Two', 'Three', 'Four', build=['Tool'])
    world.own('Other')
    return world.plan(world.write('Top', 'Other', 'Middle'))


def names(modules):
    return {module.split('/')[0] for module in modules}


def test_modules_space_and_giants(plan):
    found, facts = cost(plan, {}), checked('sizes.json')
    assert found.modules == found.estimated == 9
    assert found.bytes == 8 * facts['other']['bytes'] + facts['giants']['LLVM']['bytes']
    assert found.inodes == 8 * facts['other']['inodes'] + facts['giants']['LLVM']['inodes']
    assert names(found.for_building) == {'Tool', 'LLVM'} and names(found.giants) == {'LLVM'}


def test_records_go_before_estimates(plan):
    one = next(node.module for node in plan.nodes if node.name == 'One')
    known = cost(plan, {one: Estimate(1.0, 7, 3, one)})
    unknown, facts = cost(plan, {}), checked('sizes.json')
    assert unknown.bytes - known.bytes == facts['other']['bytes'] - 7
    assert unknown.inodes - known.inodes == facts['other']['inodes'] - 3 and known.estimated == 8


def test_what_brings_in_more_than_half(plan, world):  # noqa: F811
    module, brings = cost(plan, {}).most
    assert module.startswith('Middle/') and brings == 7
    # the same through two dependencies: neither is to blame alone
    world.own('Second', 'Middle')
    assert cost(world.plan(world.write('Twice', 'Second', 'Middle')), {}).most[0].startswith('Middle/')
    for name in ('Left', 'Right'):
        world.own(name, 'One', 'Two', 'Three', 'Four')
    assert cost(world.plan(world.write('Both', 'Left', 'Right')), {}).most is None


def test_the_shortest_chain(plan):
    assert [module.split('/')[0] for module in chain(plan, 'LLVM')] == ['Top', 'Middle', 'Tool', 'LLVM']
    full = chain(plan, 'Two')[-1]
    assert chain(plan, full)[-1] == full and chain(plan, 'Nothing') == []


def test_a_full_stack_holds_the_libraries_of_the_table(upstream_site):
    index = FullStack(upstream_site)
    assert '1.3.1-cpeGNU-25.03' in index.modules('zlib') and index.module_file('zlib/1.3.1-cpeGNU-25.03')
    assert index.modules('NoSuchThing') == {}


@pytest.fixture
def run(upstream, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv('LUMI_HOOKS_UPSTREAM', os.pathsep.join(upstream))
    monkeypatch.chdir(tmp_path)

    def call(*words):
        code = cli.main(['plan', '--release', '25.03', '--partition', 'C', *words])
        said = capsys.readouterr()
        return code, said.out, said.err
    return call


def test_the_command_says_what_it_costs_and_why(run):
    code, out, _ = run('cURL-8.11.1-GCCcore-14.2.0.eb', '--why', 'zlib')
    assert code == 0 and 'cost' in out and 'on LUMI, with the libraries of its stack installed: 0 modules' in out
    assert 'was asked for' in out and 'needs zlib/' in out
    code, _, err = run('cURL-8.11.1-GCCcore-14.2.0.eb', '--why', 'Mesa')
    assert code == 2 and 'Mesa is not in the plan' in err
    code, out, _ = run('--json', 'cURL-8.11.1-GCCcore-14.2.0.eb', '--why', 'zlib')
    data = json.loads(out)
    assert data['on_full_stack'] == 0 and data['cost']['modules'] == data['counts']['build']
    assert data['why'][0] == data['targets'][0] and data['why'][-1].startswith('zlib/')


@pytest.mark.parametrize('release', ['24.03', '25.03'])
def test_the_recipes_of_python_packages_have_no_rust(release, upstream, upstream_file):
    """A package with a build back end alone takes no compiler of Rust."""
    site = make_site(release, index=Index((), (), upstream), env={})
    plan = make_plan([upstream_file('archspec-0.2.5-GCCcore-14.2.0.eb')], site)
    built = {node.name for node in plan.of('build')}
    assert 'Python-build-backends' in built and not built & {'Rust', 'poetry', 'hatchling', 'setuptools', 'maturin'}
    assert all(os.path.exists(node.source) for node in plan.of('build'))
