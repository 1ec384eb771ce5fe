# SPDX-License-Identifier: GPL-2.0-only
"""Recipes that need each other, what `lumi-eb affected` prints, and the tasks that are made of them."""
import pytest
from writing import put_recipe

from lumi_hooks.index import Index
from lumi_hooks.rebuild import wanted
from lumi_hooks.rebuild.tasks import make_tasks
from lumi_hooks.site import make_site

AFFECTED = {'module': 'Lib/1.2-cpeGNU-25.03', 'recipe': 'Lib-1.2-GCCcore-14.2.0.eb', 'release': '25.03',
            'toolchain': 'cpeGNU', 'partition': 'C', 'why': 'configopts', 'change': 'packages/Lib.json', 'level': 0}


@pytest.fixture
def recipes(tmp_path):
    """Recipes that need each other: Top needs Mid and Lib, Mid needs Lib."""
    folder = tmp_path / 'recipes'

    def put(name, needs=(), more=''):
        deps = ', '.join(f"('{need}', '1.0')" for need in needs)
        return put_recipe(folder, name, '1.0', ('GCCcore', '14.2.0'), more=f'dependencies = [{deps}]\n{more}')
    put('Lib')
    put('Mid', ['Lib'])
    put('Top', ['Mid', 'Lib'])
    put.folder = folder
    return put


def tasks_of(recipes, tmp_path, *names):
    site = make_site(prefix=str(tmp_path / 'prefix'), index=Index((), (), [str(recipes.folder)]), env={})
    paths = [str(recipes.folder / name[0].lower() / name / f'{name}-1.0-GCCcore-14.2.0.eb') for name in names]
    told = {}
    return make_tasks([(wanted.Wanted(path), path) for path in paths], site,
                      told.setdefault, lambda name: 'noted')
