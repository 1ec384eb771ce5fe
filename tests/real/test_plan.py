# SPDX-License-Identifier: GPL-2.0-only
"""The plan against a real `eb --missing-modules -r --hooks`, on three central stacks."""
import json
import re
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# many levels, a bundle, SYSTEM build tools, Cray libraries, one of several recipes at once
RECIPES = ('git-2.49.0-GCCcore-14.2.0.eb', 'GROMACS-2025.2-foss-2025a.eb', 'QuantumESPRESSO-7.5-foss-2025b.eb',
           'Hypre-2.32.0-foss-2024a.eb mpi4py-4.1.0-gompi-2025a.eb HDF5-1.14.6-gompi-2025a.eb')
MANY = 'OpenFOAM-v2506-foss-2025b.eb'


def planned(lumi, recipes, *arguments, **env):
    """The plan that lumi-eb prints as JSON, run by this Python in the shell that eb runs in."""
    command = ' '.join(shlex.quote(word) for word in (sys.executable, '-m', 'lumi_hooks.cli', 'plan', '--json',
                                                      *arguments, *recipes.split()))
    done = lumi.run(f'PYTHONPATH={shlex.quote(str(ROOT))} {command} 2>&1', **env)
    assert done.returncode in (0, 1), done.stdout[-3000:]
    return json.loads(done.stdout[done.stdout.index('{\n'):])


def missing(lumi, recipes, **env):
    """What eb says is missing, in its order."""
    done = lumi.eb(f'--missing-modules -r {recipes}', **env)
    return re.findall(r'^\* (\S+) \((\S+)\)', done.stdout, re.M)


@pytest.fixture
def modulepath(fresh):
    """The module path as LUMI's modules leave it."""
    return fresh.run('echo "$MODULEPATH"', check=True).stdout.strip().splitlines()[-1].split(':')


def stack(kind, modulepath, folder, modules):
    """
    A module path with a central stack that is empty, partial (the stand-in's) or full (all that `modules` names).
    """
    if kind == 'empty':
        return [path for path in modulepath if '/appl/lumi/modules' not in path]
    if kind == 'full':
        for module in modules:
            path = folder / f'{module}.lua'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('whatis("installed by the test, and holds nothing")\n')
        return [*modulepath, str(folder)]
    return modulepath


@pytest.mark.parametrize('kind', ['empty', 'partial', 'full'])
@pytest.mark.parametrize('recipes', [*RECIPES, pytest.param(MANY, marks=pytest.mark.long)])
def test_what_is_built_is_what_eb_misses(fresh, modulepath, tmp_path, kind, recipes):
    plan = planned(fresh, recipes)
    # of a recipe that is installed itself, eb lists what it would be built with, and builds none of it
    needed = [node['module'] for node in plan['nodes'] if node['status'] == 'build'
              and node['module'] not in plan['targets']]
    path = ':'.join(stack(kind, modulepath, tmp_path / 'stack', needed[::2]))
    plan, listed = planned(fresh, recipes, MODULEPATH=path), missing(fresh, recipes, MODULEPATH=path)
    build = [node for node in plan['nodes'] if node['status'] == 'build']
    assert {(node['module'], node['recipe']) for node in build} == set(listed)
    if kind == 'full':
        central = {node['module'] for node in plan['nodes'] if node['status'] == 'central'}
        assert central & set(needed[::2]) or not needed
    # both orders are valid: nothing comes before what it needs
    for order in ([node['module'] for node in build], [module for module, _ in listed]):
        place = {module: number for number, module in enumerate(order)}
        for node in build:
            for module in node['dependencies']:
                assert place.get(module, -1) < place[node['module']]


def test_what_is_refused_is_refused_by_eb(fresh):
    recipe = 'CCCL-2.3.0-GCCcore-12.3.0-CUDA-12.1.1.eb'
    plan = planned(fresh, recipe)
    refused, = (node for node in plan['nodes'] if node['module'] in plan['targets'])
    assert refused['status'] == 'refused' and refused['refusals'][0]['code'] == 'cuda'
    done = fresh.eb(f'{recipe} -r', check=False)
    assert done.returncode != 0 and 'CUDA' in done.stdout


def test_upstreams_own_toolchains_stop_eb(fresh):
    plan = planned(fresh, 'GCC-14.2.0.eb')
    assert {code['code'] for node in plan['nodes'] for code in node['refusals']} == {'toolchain'}
    done = fresh.eb('GCC-14.2.0.eb --missing-modules -r', check=False)
    assert done.returncode != 0 and 'does not match with filename' in done.stdout


def test_cray_modules_are_looked_up_in_the_module_tree(fresh, tmp_path):
    """The stand-in holds what the release data says, in branches that come and go with compiler and MPI."""
    plan = planned(fresh, 'QuantumESPRESSO-7.5-foss-2025b.eb')
    cray = {node['module'].split('/')[0]: node['status'] for node in plan['nodes'] if node['status'] == 'cray'}
    assert 'cray-hdf5-parallel' in cray
    recipe = tmp_path / 'Wrong-1.0-cpeGNU-25.03.eb'
    recipe.write_text("easyblock = 'ConfigureMake'\nname = 'Wrong'\nversion = '1.0'\nhomepage = ''\n"
                      "description = 'names a module that does not exist'\n"
                      "toolchain = {'name': 'cpeGNU', 'version': '25.03'}\n"
                      "dependencies = [('cray-hdf5-parallel/0.1', EXTERNAL_MODULE)]\n")
    plan = planned(fresh, str(recipe))
    assert {node['module']: node['status'] for node in plan['nodes']}['cray-hdf5-parallel/0.1'] == 'refused'


def test_installed_and_central_are_told_apart(fresh):
    recipe, expat = 'git-2.49.0-GCCcore-14.2.0.eb', f'expat/2.6.4-cpeGNU-{fresh.release}'
    before = {node['module']: node['status'] for node in planned(fresh, recipe)['nodes']}
    assert before[f'zlib/1.3.1-cpeGNU-{fresh.release}'] == 'central' and before[expat] == 'build'
    path = Path(fresh.prefix) / 'modules' / 'LUMI' / fresh.release / 'partition' / fresh.partition / f'{expat}.lua'
    path.parent.mkdir(parents=True)
    path.write_text('whatis("nothing")\n')
    after = {node['module']: node['status'] for node in planned(fresh, recipe)['nodes']}
    assert after == {**before, expat: 'installed'}
