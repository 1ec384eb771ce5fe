# SPDX-License-Identifier: GPL-2.0-only
"""What the module of every toolchain loads, in which order, on every partition and in every release."""
import glob
import os

import pytest

from lumi_hooks.data import load_json
from lumi_hooks.recipe import read_recipe

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MACHINE = load_json('sites/lumi/machine.json')['partitions']
TOOLCHAINS = load_json('releases/toolchains.json')['toolchains']
RECIPES = sorted(glob.glob(os.path.join(ROOT, 'easyconfigs', 'c', 'cpe*', '*.eb')))


@pytest.fixture(scope='module')
def orders(probe):
    """(toolchain, release, partition) -> names of the modules with their versions, as the easyblock orders them."""
    cases = {}
    for path in RECIPES:
        recipe = read_recipe(path)
        for partition, facts in MACHINE.items():
            if recipe.name in facts['toolchains']:
                cases[recipe.name, recipe.version, partition] = {
                    'text': recipe.text, 'steps': ['load_order'], 'with_dependencies': True,
                    'environment': {'LUMI_STACK_PARTITION': partition}}
    found = dict(zip(cases, probe(list(cases.values()))))
    assert not [(key, result['error']) for key, result in found.items() if result['error']]
    return {key: result['returned'] for key, result in found.items()}


def test_there_is_one_for_each(orders):
    partitions = {name: sorted(p for p, facts in MACHINE.items() if name in facts['toolchains']) for name in TOOLCHAINS}
    assert partitions['cpeAMD'] == ['G'] and 'G' not in partitions['cpeAOCC'] and 'C' in partitions['cpeAOCC']
    releases = {release for _, release, _ in orders}
    assert len(RECIPES) == len(TOOLCHAINS) * len(releases)
    assert len(orders) == len(releases) * sum(len(names) for names in partitions.values())


def test_order_and_versions(orders):
    for (toolchain, release, partition), order in orders.items():
        versions = load_json('releases/cpe/%s.json' % release)['modules']
        facts = TOOLCHAINS[toolchain]
        compiler = next(name for name in facts['compiler'] if name in versions)
        names = [module.partition('/')[0] for module in order]
        # targets are first: without network and processor the PrgEnv module does not see MPI and libraries
        assert names[:len(MACHINE[partition]['targets'])] == MACHINE[partition]['targets']
        assert ('craype-accel-amd-gfx90a' in names) == ('rocm' in names) == (partition == 'G')
        gpu = ['rocm'] if partition == 'G' else []
        wanted = [facts['prgenv'], compiler, 'craype', *gpu, 'cray-mpich', 'cray-libsci']
        places = [names.index(name) for name in wanted]
        assert places == sorted(places), (toolchain, release, partition, order)
        assert len(names) == len(set(names))
        assert {'%s/%s' % (name, versions[name]) for name in wanted} <= set(order)
        # ROCm's compilers are those of the ROCm whose libraries are linked
        if toolchain == 'cpeAMD':
            assert versions['amd'] == versions['rocm']
