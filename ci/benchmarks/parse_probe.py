# SPDX-License-Identifier: GPL-2.0-only
"""
Run by the benchmark `parse` with the Python that eb runs with, in a shell as on LUMI: reads recipes with the hooks and
without in turn, and prints the mean seconds of CPU that a recipe takes as JSON.

usage: python3 parse_probe.py HOOKS FOLDER NUMBER
"""
import glob
import json
import os
import re
import sys
import time

HOOKS, FOLDER, NUMBER = sys.argv[1], sys.argv[2], int(sys.argv[3])
# the hooks ask what eb was given: a recipe, whose dependencies are the others, and not this program's own arguments
sys.argv[1:] = ['GROMACS-2025.2-foss-2025a.eb', '-r']
sys.path.insert(0, os.path.dirname(os.path.dirname(HOOKS)))
LUMI_HOOKS = os.environ.get('EASYBUILD_HOOKS')
# what becomes recipes for cpeGNU, with everything that they need
NATIVE = ('git-2.49.0-GCCcore-14.2.0.eb', 'GROMACS-2025.2-foss-2025a.eb', 'Hypre-2.32.0-foss-2024a.eb',
          'CMake-3.31.3-GCCcore-14.2.0.eb', 'Boost-1.88.0-GCC-14.2.0.eb', 'GLib-2.85.1-GCCcore-14.2.0.eb',
          'PETSc-3.23.5-foss-2025a.eb', 'netCDF-C++4-4.3.1-gompi-2025a.eb', 'SUNDIALS-7.4.0-foss-2025a.eb')


def native_recipes(site, upstream):
    """Recipes for cpeGNU and all that they need, as LUMI's own folder holds them; written once."""
    from lumi_hooks.adapt import adapt
    from lumi_hooks.finding import find_recipe
    from lumi_hooks.plan import BUILD, make_plan
    from lumi_hooks.recipe import parse_recipe, read_recipe
    from lumi_hooks.render import render
    for name in NATIVE:
        try:
            nodes = make_plan([find_recipe(name, upstream)], site).of(BUILD)
        except Exception as err:
            print('left out: %s: %s' % (name, err), file=sys.stderr)
            continue
        for node in nodes:
            adaptation = adapt(read_recipe(node.source), site)
            if adaptation.status != 'adapted':
                continue
            path = os.path.join(FOLDER, node.name[0].lower(), node.name, adaptation.filename)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, 'w', encoding='utf-8') as handle:
                handle.write(render(adaptation, parse_recipe, standalone=True))


def system_recipes(site, upstream):
    """Every third of upstream's recipes that need no toolchain, but those that are refused."""
    from lumi_hooks.adapt import UNCHANGED, adapt
    from lumi_hooks.recipe import read_recipe
    found = []
    for folder in upstream:
        for path in sorted(glob.glob(os.path.join(folder, '*', '*', '*.eb'))):
            with open(path, encoding='utf-8') as handle:
                if re.search(r'^toolchain = SYSTEM', handle.read(), re.M):
                    found.append(path)
    return [path for path in found[::3] if adapt(read_recipe(path), site).status == UNCHANGED]


def main():
    """Measure both kinds."""
    from lumi_hooks.catalogue import upstream_recipes
    from lumi_hooks.index import Index
    from lumi_hooks.site import make_site
    upstream = upstream_recipes()
    site = make_site('25.03', 'C', index=Index((), (), upstream), env={})
    if not glob.glob(os.path.join(FOLDER, '*')):
        native_recipes(site, upstream)
    os.environ['EASYBUILD_ROBOT_PATHS'] = FOLDER + ':' + os.environ.get('EASYBUILD_ROBOT_PATHS', '')
    from easybuild.framework.easyconfig.easyconfig import EasyConfig
    from easybuild.tools.build_log import EasyBuildError
    from easybuild.tools.config import update_build_option
    from easybuild.tools.hooks import load_hooks
    from easybuild.tools.options import set_up_configuration
    set_up_configuration(args=['--hooks=' + HOOKS, '--ignore-osdeps'], silent=True)
    load_hooks(HOOKS)['start_hook']()
    found = {}
    for kind, paths in (('system', system_recipes(site, upstream)),
                        ('native', sorted(glob.glob(os.path.join(FOLDER, '*', '*', '*.eb'))))):
        times, recipes = {HOOKS: 0.0, LUMI_HOOKS: 0.0}, 0
        for place, path in enumerate(paths):
            update_build_option('hooks', LUMI_HOOKS)
            try:
                EasyConfig(path)  # imports the easyblock
            except EasyBuildError:
                continue  # it is for another architecture, or refused by EasyBuild itself
            order = (HOOKS, LUMI_HOOKS) if (place + NUMBER) % 2 else (LUMI_HOOKS, HOOKS)
            for hooks in order:
                update_build_option('hooks', hooks)
                start = time.process_time()
                EasyConfig(path)
                times[hooks] += time.process_time() - start
            recipes += 1
        found[kind] = {'recipes': recipes, 'with': times[HOOKS] / recipes, 'without': times[LUMI_HOOKS] / recipes}
    print(json.dumps(found))


main()
