# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures for the tests of the easyblocks with fixes: steps of real easyblocks on real recipes."""

import json
import os
import subprocess
import sys

import pytest

from lumi_hooks.adapt import adapt
from lumi_hooks.catalogue import upstream_recipes
from lumi_hooks.index import Index
from lumi_hooks.recipe import parse_recipe, read_recipe
from lumi_hooks.render import render
from lumi_hooks.site import make_site
from tests.lmod_command import require_lmod

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TOOLCHAINS = ('cpeGNU', 'cpeCray', 'cpeAOCC', 'cpeAMD')


@pytest.fixture(scope='session')
def collection():
    """Folder of upstream's recipes."""
    found = upstream_recipes({'PATH': os.path.dirname(sys.executable)})
    assert found, "EasyBuild's recipes are not installed: pip install easybuild-easyconfigs"
    return found


@pytest.fixture(scope='session')
def recipe_text(collection):
    """Text of an upstream recipe as it is adapted for a toolchain, or as it is (toolchain None)."""
    index = Index((), (), collection)

    def text(filename, toolchain):
        path = os.path.join(next(found_in(collection, filename)), filename)
        recipe = read_recipe(path)
        if toolchain is None:
            return recipe.text
        site = make_site(partition='G' if toolchain == 'cpeAMD' else 'C', toolchain=toolchain, index=index, env={})
        adaptation = adapt(recipe, site)
        assert adaptation.status != 'refused', adaptation.reason
        return render(adaptation, parse_recipe)

    return text


def found_in(collection, filename):
    """Folders that hold a recipe."""
    for folder in collection:
        for top, _, names in os.walk(os.path.join(folder, filename[0].lower())):
            if filename in names:
                yield top


@pytest.fixture(scope='session')
def probe(collection):
    """Run cases in a process of its own; returns a list of what each gave."""
    def run(cases, mended=True):
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(('EASYBUILD_', 'EBROOT', 'EBVERSION', 'LUMI_', 'CRAY', 'LMOD_'))}
        env['EASYBUILD_ALLOW_USE_AS_ROOT_AND_ACCEPT_CONSEQUENCES'] = '1'
        order = {'root': ROOT, 'mended': mended, 'cases': cases,
                 'robot': ':'.join([os.path.join(ROOT, 'easyconfigs'), *collection])}
        env['LMOD_CMD'] = require_lmod()
        env['PATH'] = os.path.dirname(sys.executable) + ':' + env['PATH']
        done = subprocess.run([sys.executable, os.path.join(HERE, 'easyblock_probe.py')], input=json.dumps(order),
                              text=True, capture_output=True, check=False, env=env)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run
